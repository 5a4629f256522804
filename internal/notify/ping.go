package notify

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"holdfast/internal/event"
	"holdfast/internal/secret"
)

// Pings say which URLs are called for the backups of plans, as services that
// wait for such calls have it: URL/start when one begins, URL when it
// succeeds, URL/fail when it does not, or not wholly, and is not tried again.
// Whoever waits for them notices a machine that is gone, which nothing on it
// can tell of. Nothing of a log is sent.
type Pings map[string]secret.Ref // by plan

const (
	// maxPings bounds calls that wait: they are of no use when late.
	maxPings     = 256
	pingAttempts = 3
	pingPause    = 10 * time.Second
	pingLimit    = 10 * time.Second

	// lastPings is how long the end waits for calls that are under way or wait:
	// what is not told that a backup succeeded raises an alarm.
	lastPings = 10 * time.Second

	// BeatEvery is how often Beat calls.
	BeatEvery = time.Minute
)

// Pinger is an event.Sink that calls URLs. Run does its work.
type Pinger struct {
	log   *slog.Logger
	queue chan call

	mu    sync.Mutex
	pings Pings
}

type call struct {
	url    secret.Ref
	suffix string
	plan   string
}

var _ event.Sink = (*Pinger)(nil)

// NewPinger makes a Pinger.
func NewPinger(p Pings, log *slog.Logger) *Pinger {
	return &Pinger{log: log, queue: make(chan call, maxPings), pings: p}
}

// Reload replaces the URLs.
func (p *Pinger) Reload(pings Pings) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pings = pings
}

// Emit implements event.Sink.
func (p *Pinger) Emit(e event.Event) {
	suffix, ok := pingSuffix(&e)
	if !ok {
		return
	}
	p.mu.Lock()
	place, ok := p.pings[e.Plan]
	p.mu.Unlock()
	if !ok {
		return
	}
	select {
	case p.queue <- call{place, suffix, e.Plan}:
	default:
		p.log.Warn("a ping is left out: too many wait", "plan", e.Plan)
	}
}

// pingSuffix returns what an event adds to the URL, if it is one to call for.
func pingSuffix(e *event.Event) (string, bool) {
	if e.Job != "backup" || e.Plan == "" {
		return "", false
	}
	switch e.Kind {
	case event.RunStarted:
		return "/start", true
	case event.RunSucceeded:
		return "", true
	case event.RunFailed, event.RunPartial, event.RunInterrupted, event.RunMissed:
		return "/fail", e.Severity > event.Info // else it is tried again
	}
	return "", false
}

// Run calls until ctx ends, one URL after the other: /start comes before what
// follows it. What waits then is called for, if that does not take long.
func (p *Pinger) Run(ctx context.Context) error {
	calling, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(lastPings, cancel) })()
	for {
		select {
		case c := <-p.queue:
			p.call(calling, c)
		case <-ctx.Done():
			for len(p.queue) > 0 && calling.Err() == nil {
				p.call(calling, <-p.queue)
			}
			return nil
		}
	}
}

func (p *Pinger) call(ctx context.Context, c call) {
	if err := c.tryAll(ctx); err != nil {
		p.log.Warn("a ping did not arrive", "plan", c.plan, "error", err)
	}
}

func (c call) tryAll(ctx context.Context) error {
	for attempt := 1; ; attempt++ {
		err := ping(ctx, c.url, c.suffix)
		if err == nil || attempt == pingAttempts {
			return err
		}
		select {
		case <-time.After(pingPause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// ping calls a URL with something added to its path. Its errors do not show
// the URL.
func ping(ctx context.Context, place secret.Ref, suffix string) error {
	ctx, cancel := context.WithTimeout(ctx, pingLimit)
	defer cancel()
	value, err := place.Resolve(ctx)
	if err != nil {
		return err
	}
	u, err := url.Parse(value.Reveal())
	if err != nil || u.Scheme != "http" && u.Scheme != "https" {
		return errors.New("the URL to ping is none: write https:// and what follows")
	}
	hide := hideParts(value.Reveal(), u)
	u.Path = strings.TrimSuffix(u.Path, "/") + suffix
	u.RawPath = ""
	return hide(get(ctx, u.String()))
}

func get(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	req.Header.Set("User-Agent", "holdfast")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswer))
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("the server answers %s", resp.Status)
	}
	return err
}

// Beat is the dead man's switch of the service: it calls the URL every minute
// while well returns nil, and URL/fail when it does not. When the service, its
// machine or its network is gone the calls stay away, and who waits for them
// raises the alarm.
func Beat(ctx context.Context, place secret.Ref, well func() error, log *slog.Logger) error {
	tick := time.NewTicker(BeatEvery)
	defer tick.Stop()
	for {
		suffix := ""
		if err := well(); err != nil {
			suffix = "/fail"
		}
		if err := ping(ctx, place, suffix); err != nil && ctx.Err() == nil {
			log.Warn("the heartbeat did not arrive", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
