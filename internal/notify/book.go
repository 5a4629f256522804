package notify

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"holdfast/internal/event"
)

// Where the state lies in the store.
const (
	problemPrefix = "notify/problem/"
	messagePrefix = "notify/message/"
)

const (
	// maxOutbox bounds messages that wait: the oldest go first.
	maxOutbox = 2000
	// firstPause and longestPause are those before a delivery is tried again.
	firstPause   = 30 * time.Second
	longestPause = time.Hour
	// giveUp is how long a delivery is tried.
	giveUp = 3 * 24 * time.Hour
)

// reason says why a message is sent.
type reason string

const (
	single    reason = "single"    // an event without a key
	began     reason = "began"     // a problem that is new
	worse     reason = "worse"     // one that is more severe now
	still     reason = "still"     // one that is not over
	escalated reason = "escalated" // to others, for it is not over
	ended     reason = "ended"     // it is over
)

// message is one thing to tell one channel.
type message struct {
	ID        string      `json:"id"`
	Channel   string      `json:"channel"`
	Reason    reason      `json:"reason"`
	Event     event.Event `json:"event"`
	Since     time.Time   `json:"since,omitzero"` // of the problem
	Created   time.Time   `json:"created"`
	NotBefore time.Time   `json:"not_before"`
	Attempts  int         `json:"attempts,omitempty"`
}

// problem is one that is not over.
type problem struct {
	Event event.Event `json:"event"` // the newest one
	Since time.Time   `json:"since"`
	// Told has, for each channel, when it was told last.
	Told map[string]time.Time `json:"told,omitempty"`
	// Escalated has what was escalated, as "channel/number".
	Escalated []string `json:"escalated,omitempty"`
}

// book is who was told what, and who is to be told: decisions without any
// delivery. One goroutine uses it.
type book struct {
	config   Config
	store    Store
	log      *slog.Logger
	problems map[string]*problem
	outbox   []*message // in the order they were made
}

func openBook(ctx context.Context, c Config, s Store, log *slog.Logger) (*book, error) {
	b := &book{config: c, store: s, log: log, problems: make(map[string]*problem)}
	err := s.Each(ctx, problemPrefix, func(_ string, decode func(any) error) error {
		var p problem
		if err := decode(&p); err != nil {
			return err
		}
		b.problems[p.Event.Key] = &p
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read what people were told: %w", err)
	}
	err = s.Each(ctx, messagePrefix, func(_ string, decode func(any) error) error {
		var m message
		if err := decode(&m); err != nil {
			return err
		}
		b.outbox = append(b.outbox, &m)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the outbox: %w", err)
	}
	slices.SortStableFunc(b.outbox, func(x, y *message) int { return x.Created.Compare(y.Created) })
	b.reload(ctx, c)
	return b, nil
}

// OpenProblems returns the newest event of each problem that is not over, as a
// store has them: what a Notifier with this store took.
func OpenProblems(ctx context.Context, s Store) ([]event.Event, error) {
	var open []event.Event
	err := s.Each(ctx, problemPrefix, func(_ string, decode func(any) error) error {
		var p problem
		if err := decode(&p); err != nil {
			return err
		}
		open = append(open, p.Event)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read which problems are not over: %w", err)
	}
	return open, nil
}

// reload goes on with another configuration.
func (b *book) reload(ctx context.Context, c Config) {
	b.config = c
	b.drop(ctx, func(m *message) bool {
		_, there := c.Channels[m.Channel]
		return !there
	})
}

// take decides what follows from an event.
func (b *book) take(ctx context.Context, e event.Event, now time.Time) {
	if e.Time.IsZero() {
		e.Time = now
	}
	switch {
	case e.Key == "" && e.Over:
	case e.Key == "":
		for _, name := range b.channelsFor(e.Plan) {
			b.tell(ctx, name, &message{Reason: single, Event: e}, now)
		}
	case e.Over:
		b.end(ctx, e, now)
	default:
		b.goOn(ctx, e, now)
	}
}

// goOn takes an event of a problem that is new or not over.
func (b *book) goOn(ctx context.Context, e event.Event, now time.Time) {
	p, known := b.problems[e.Key]
	if !known {
		p = &problem{Since: e.Time, Told: make(map[string]time.Time)}
		b.problems[e.Key] = p
	}
	isWorse := known && e.Severity > p.Event.Severity
	p.Event = e
	for _, name := range b.channelsFor(e.Plan) {
		_, told := p.Told[name]
		switch {
		case !told && b.tell(ctx, name, &message{Reason: began, Event: e, Since: p.Since}, now),
			told && isWorse && b.tell(ctx, name, &message{Reason: worse, Event: e, Since: p.Since}, now):
			p.Told[name] = now
		}
	}
	b.saveProblem(ctx, p)
}

// end takes the event that says that a problem is over. Those who have not
// got the message yet that it began need neither.
func (b *book) end(ctx context.Context, e event.Event, now time.Time) {
	p, known := b.problems[e.Key]
	if !known {
		return
	}
	// What waits is not sent any more; who was to get its first message about
	// the problem knows nothing of it.
	unaware := make(map[string]bool)
	b.drop(ctx, func(m *message) bool {
		if m.Event.Key != e.Key || m.Reason == ended {
			return false
		}
		if m.Reason == began || m.Reason == escalated {
			unaware[m.Channel] = true
		}
		return true
	})
	for _, name := range slices.Sorted(maps.Keys(p.Told)) {
		if unaware[name] {
			continue
		}
		e.Severity = p.Event.Severity // told to those who were told that it began
		b.tell(ctx, name, &message{Reason: ended, Event: e, Since: p.Since}, now)
	}
	delete(b.problems, e.Key)
	b.try("forget a problem", b.store.Remove(ctx, problemKey(e.Key)))
}

// remind tells again, and others, of what is not over.
func (b *book) remind(ctx context.Context, now time.Time) {
	for _, p := range b.problems {
		changed := false
		for name, last := range p.Told {
			c, there := b.config.Channels[name]
			if !there {
				continue
			}
			if c.Repeat > 0 && now.Sub(last) >= c.Repeat && !b.isWaiting(name, p.Event.Key) {
				b.tell(ctx, name, &message{Reason: still, Event: p.Event, Since: p.Since}, now)
				p.Told[name], changed = now, true
			}
			for n, e := range c.Escalate {
				step := fmt.Sprint(name, "/", n)
				if now.Sub(p.Since) < e.After || slices.Contains(p.Escalated, step) {
					continue
				}
				b.escalate(ctx, p, e.To, now)
				p.Escalated, changed = append(p.Escalated, step), true
			}
		}
		if changed {
			b.saveProblem(ctx, p)
		}
	}
}

func (b *book) escalate(ctx context.Context, p *problem, to []string, now time.Time) {
	for _, name := range to {
		if b.tell(ctx, name, &message{Reason: escalated, Event: p.Event, Since: p.Since}, now) {
			p.Told[name] = now
		}
	}
}

// channelsFor returns who is told of a plan, in a stable order.
func (b *book) channelsFor(plan string) []string {
	names, ok := b.config.Plans[plan]
	if !ok || plan == "" {
		names = b.config.Default
	}
	return names
}

// tell puts a message into the outbox, unless the channel does not want it.
func (b *book) tell(ctx context.Context, channel string, m *message, now time.Time) bool {
	c, there := b.config.Channels[channel]
	if !there || m.Event.Severity < c.MinSeverity {
		return false
	}
	m.ID, m.Channel, m.Created = rand.Text(), channel, now
	m.NotBefore = now.Add(gather)
	if m.Event.Severity < event.Critical && m.Reason != escalated {
		if open := c.Quiet.From(m.NotBefore); !open.IsZero() {
			m.NotBefore = open
		}
	}
	b.outbox = append(b.outbox, m)
	b.save(ctx, m)
	if len(b.outbox) > maxOutbox {
		oldest := b.outbox[0]
		b.log.Error("a notification is given up: too many wait", "channel", oldest.Channel, "problem", oldest.Event.Key)
		b.drop(ctx, func(m *message) bool { return m == oldest })
	}
	return true
}

// isWaiting tells whether a message about the problem waits for the channel.
func (b *book) isWaiting(channel, key string) bool {
	return slices.ContainsFunc(b.outbox, func(m *message) bool { return m.Channel == channel && m.Event.Key == key })
}

// due returns the messages whose time has come, by channel.
func (b *book) due(now time.Time) map[string][]*message {
	due := make(map[string][]*message)
	for _, m := range b.outbox {
		if !m.NotBefore.After(now) {
			due[m.Channel] = append(due[m.Channel], m)
		}
	}
	return due
}

// idleFor is how often the book is looked into without a reason: reminders are
// that late at most.
const idleFor = time.Minute

// next returns when there may be something to do.
func (b *book) next(now time.Time, busy map[string]bool) time.Time {
	next := now.Add(idleFor)
	for _, m := range b.outbox {
		if !busy[m.Channel] && m.NotBefore.Before(next) {
			next = m.NotBefore
		}
	}
	return next
}

// delivered removes messages that arrived.
func (b *book) delivered(ctx context.Context, done []*message) {
	b.drop(ctx, func(m *message) bool { return slices.Contains(done, m) })
}

// failed has messages tried again later, and returns how many it gave up.
func (b *book) failed(ctx context.Context, failed []*message, now time.Time) (dropped int) {
	b.drop(ctx, func(m *message) bool {
		if !slices.Contains(failed, m) {
			return false
		}
		if now.Sub(m.Created) > giveUp {
			dropped++
			return true
		}
		m.NotBefore = now.Add(min(longestPause, firstPause<<min(m.Attempts, 10)))
		m.Attempts++
		b.save(ctx, m)
		return false
	})
	return dropped
}

// drop removes messages from the outbox.
func (b *book) drop(ctx context.Context, which func(*message) bool) {
	b.outbox = slices.DeleteFunc(b.outbox, func(m *message) bool {
		if !which(m) {
			return false
		}
		b.try("forget a message", b.store.Remove(ctx, messagePrefix+m.ID))
		return true
	})
}

func (b *book) save(ctx context.Context, m *message) {
	b.try("keep a message", b.store.Save(ctx, messagePrefix+m.ID, m))
}

func (b *book) saveProblem(ctx context.Context, p *problem) {
	b.try("keep a problem", b.store.Save(ctx, problemKey(p.Event.Key), p))
}

// try logs an error of the store: people are told all the same, from memory.
func (b *book) try(what string, err error) {
	if err != nil {
		b.log.Warn("notifications: "+what, "error", err)
	}
}

// problemKey makes a key of the store from any text.
func problemKey(key string) string {
	sum := sha256.Sum256([]byte(key))
	return problemPrefix + hex.EncodeToString(sum[:16])
}
