package service

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"sync"
	"time"

	"holdfast/internal/api"
	"holdfast/internal/app/browse"
	"holdfast/internal/app/console"
	"holdfast/internal/controller"
	"holdfast/internal/event"
	"holdfast/internal/ledger"
	"holdfast/internal/notify"
	"holdfast/repository"
)

// openConsole makes what people see of the service.
func (s *service) openConsole(ctx context.Context) error {
	open, err := notify.OpenProblems(ctx, drawer{s.ledger})
	if err != nil {
		return err
	}
	s.surveyProblem = slices.ContainsFunc(open, func(e event.Event) bool { return e.Key == surveyKey })
	s.browser = browse.New(browse.Options{Config: s.config.Load, CacheDir: s.CacheDir, Log: s.Log})
	s.console = console.New(console.Options{
		Version: s.Version, ConfigPath: s.ConfigPath, StateDir: string(s.dir), CacheDir: s.CacheDir, LogsDir: s.dir.LogsDir(),
		Config: s.config.Load, Controller: s.controller, History: s.history, Events: s.happened, Open: open,
		Growth: growthDrawer{s.ledger}, Browsing: s.browser, Log: s.Log,
		Work:        func(args []string, input []byte) any { return Work{Args: args, Input: input} },
		Try:         s.try,
		Survey:      s.surveys.ask,
		TestChannel: s.testChannel,
		Audit:       s.audit,
		KeepPause:   s.keepPause,
	})
	for _, problem := range console.RestoreDirProblems(s.config.Load(), console.Own{ConfigPath: s.ConfigPath, StateDir: string(s.dir), CacheDir: s.CacheDir}) {
		s.Log.Warn("name folders for restores that are for nothing else (service.restore_dirs)", "problem", problem)
	}
	return nil
}

// try runs a command of this program that changes nothing.
func (s *service) try(ctx context.Context, args []string, line func([]byte)) error {
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	cmd := exec.Command(program, append(args, "--config", s.ConfigPath)...)
	told := &complaint{}
	cmd.Stderr = told
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	var reading sync.WaitGroup
	err = runChild(ctx, cmd, Work{}, s.Grace, func() {
		reading.Go(func() {
			lines := bufio.NewReaderSize(out, maxLine)
			for {
				text, err := lines.ReadSlice('\n')
				line(text)
				if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
					return
				}
			}
		})
	}, reading.Wait)
	switch {
	case err == nil, ctx.Err() != nil:
		return err
	case told.message() != "":
		return errors.New(told.message())
	}
	return fmt.Errorf("%s: %w: %s", args[0], err, bytes.TrimSpace(told.text))
}

// complaint keeps the beginning of what a command says on standard error.
type complaint struct{ text []byte }

func (c *complaint) Write(p []byte) (int, error) {
	c.text = append(c.text, p[:min(len(p), maxLine-len(c.text))]...)
	return len(p), nil
}

// message is the error that a command with --json ended with, "" if it told
// none.
func (c *complaint) message() string {
	for line := range bytes.Lines(c.text) {
		var m struct {
			MessageType string `json:"message_type"`
			Message     string `json:"message"`
		}
		if json.Unmarshal(line, &m) == nil && m.MessageType == "exit_error" {
			return m.Message
		}
	}
	return ""
}

// toConsole hands events to the console, which is made after what tells of
// events.
type toConsole struct{ *service }

// Emit implements event.Sink.
func (t toConsole) Emit(e event.Event) {
	if t.console != nil {
		t.console.Emit(e)
	}
}

// keepPause keeps a pause in the plan's repository, for the case that the state
// of the service is lost.
func (s *service) keepPause(ctx context.Context, plan string, p *controller.Pause) error {
	repo := s.config.Load().Plans[plan].Repository
	err := s.browser.Write(ctx, repo, func(ctx context.Context, r *repository.Repository) error { return KeepPause(ctx, r, plan, p) })
	if err != nil {
		s.Log.Warn("the repository does not know of a pause, so it would be lost with the state of the service", "plan", plan, "repo", repo, "error", err)
	}
	return nil
}

// audit returns what people did.
func (s *service) audit(since time.Time, limit int) ([]api.AuditEntry, error) {
	if s.outlet == nil || s.outlet.guard == nil {
		return nil, nil
	}
	return s.outlet.guard.Audit(since, limit)
}

func (s *service) testChannel(ctx context.Context, name string) error {
	told, err := NotifyConfig(s.config.Load())
	if err != nil {
		return err
	}
	return TestChannel(ctx, told.Channels[name])
}

// testLimit bounds the delivery of a test message.
const testLimit = time.Minute

// TestChannel sends a test message to a channel. Errors show no part of a URL
// that may be secret.
func TestChannel(ctx context.Context, channel notify.Channel) error {
	ctx, cancel := context.WithTimeout(ctx, testLimit)
	defer cancel()
	url, err := channel.URL.Resolve(ctx)
	if err != nil {
		return err
	}
	sender, err := notify.Dial(url)
	if err != nil {
		return err
	}
	e := event.Event{Time: time.Now(), Kind: event.Test, Summary: "this is a test of holdfast on " + hostName()}
	return sender.Send(ctx, notify.Note{Title: "TEST: " + e.Summary, Text: "Whoever reads this is told when a backup fails.", Events: []event.Event{e}})
}

// growthPrefix is where the ledger keeps how large repositories were.
const growthPrefix = "growth/"

// growthDrawer keeps how large repositories were in the ledger.
type growthDrawer struct{ *ledger.Ledger }

func (d growthDrawer) LoadGrowth(ctx context.Context, repository string) ([]api.GrowthPoint, error) {
	var points []api.GrowthPoint
	if _, err := d.Get(ctx, growthPrefix+repository, &points); err != nil && !errors.Is(err, ledger.ErrNotFound) {
		return nil, err
	}
	return points, nil
}

func (d growthDrawer) SaveGrowth(ctx context.Context, repository string, points []api.GrowthPoint) error {
	_, err := d.Put(ctx, growthPrefix+repository, points, ledger.AnyRevision)
	return err
}

func hostName() string {
	host, err := os.Hostname()
	if err != nil {
		return "this machine"
	}
	return host
}
