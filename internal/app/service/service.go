package service

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"holdfast/internal/api"
	"holdfast/internal/app/browse"
	"holdfast/internal/app/console"
	"holdfast/internal/config"
	"holdfast/internal/controller"
	"holdfast/internal/event"
	"holdfast/internal/history"
	"holdfast/internal/ledger"
)

// Options say how to serve.
type Options struct {
	// ConfigPath is the configuration, StateDir the folder asked for, "" for
	// what the configuration or the system says.
	ConfigPath string
	StateDir   string
	Log        *slog.Logger
	// Reload asks to read the configuration again.
	Reload <-chan os.Signal
	// Once ends the service when nothing is left that is due.
	Once bool
	// Grace is how long a run may take to end that was told to.
	Grace time.Duration
	// Rebuild has the state made anew, in place of what there is; nil goes on
	// from what there is.
	Rebuild *Rebuild
	// Version is told at the start.
	Version string
	// CacheDir is the folder of the cache, "" for none.
	CacheDir string
	// MayLack begins without a configuration; it is read once it is there.
	MayLack bool
	// FirstToken is told the token of the administrator on the first run, and
	// where it is asked for; nil keeps it.
	FirstToken func(token, url string)
}

// DefaultGrace is how long a run may take to end that was told to: to give
// back locks, and to end what it does to a database.
const DefaultGrace = 30 * time.Second

// configPoll is how often it is looked whether the configuration changed.
const configPoll = 5 * time.Second

// Serve runs the plans of a configuration until ctx ends. It returns an error
// if it cannot begin, or cannot keep its state any more.
func Serve(ctx context.Context, o Options) error {
	watcher, cfg, err := config.Watch(o.ConfigPath)
	if o.MayLack && errors.Is(err, fs.ErrNotExist) {
		cfg, err = config.Parse(o.ConfigPath, nil)
	}
	if err != nil {
		return err
	}
	jobs, limits, err := Jobs(cfg)
	if err != nil {
		return err
	}
	tracer := openTracer(ctx, &o, cfg)
	defer tracer.Close()
	ctx = tracer.Attach(ctx)
	s := &service{Options: o, watcher: watcher, protected: make(chan struct{}, 1), surveys: surveyWishes{plans: make(map[string]bool), wake: make(chan struct{}, 1)}}
	s.config.Store(cfg)
	if s.ConfigPath, err = filepath.Abs(o.ConfigPath); err != nil {
		return err
	}
	dir, err := FindStateDir(o.StateDir, cfg.Service.StateDir, os.Getenv)
	if err != nil {
		return err
	}
	s.dir = Dir(dir)
	if o.Rebuild != nil {
		if err := s.setLedgerAside(); err != nil {
			return err
		}
	}
	if err := s.open(ctx); err != nil {
		return errors.Join(err, s.close())
	}
	if o.Rebuild != nil {
		if err := s.recall(o.Rebuild); err != nil {
			return errors.Join(err, s.close())
		}
	}
	s.events = event.Sinks{event.Log{Logger: o.Log}, s.happened, toConsole{s}}
	if err := s.openSignals(cfg, jobs); err != nil {
		return errors.Join(err, s.close())
	}
	program, err := os.Executable()
	if err != nil {
		return errors.Join(fmt.Errorf("find this program: %w", err), s.close())
	}
	runs := &executor{program: program, configPath: s.ConfigPath, dir: s.dir, grace: o.Grace, events: s.events}
	runs.logLost = func(plan string) { go s.replaceBaseBackup(ctx, plan) }
	runs.isOver = s.isGapOver
	runs.progress = func(run string, p api.Progress) { s.console.Progress(run, p) }
	s.controller = controller.New(controller.Options{
		Jobs: jobs, Limits: limits, Journal: journal{s.ledger}, History: historian{s.history, s.observe},
		Executor: runs,
		Log:      o.Log, Events: s.events, NewID: newRunID, Once: o.Once,
	})
	if err := s.openConsole(ctx); err != nil {
		return errors.Join(err, s.close())
	}
	s.endForgotten(ctx, cfg, jobs)
	if o.Rebuild != nil {
		if err := s.rebuild(ctx, o.Rebuild, jobs); err != nil {
			return errors.Join(err, s.close())
		}
	}
	if err := s.openOutlet(cfg); err != nil {
		return errors.Join(err, s.close())
	}
	return errors.Join(s.run(ctx), s.close())
}

// observe takes a run that is in the history now.
func (s *service) observe(r *history.Run) {
	s.signals.metrics.Observe(r)
	s.console.Ended(r)
	s.unkept.add(r.Repository)
	s.endGaps(context.Background(), r)
	if r.Job == history.Protect {
		select {
		case s.protected <- struct{}{}:
		default: // it is told already
		}
	}
}

// replaceBaseBackup begins a backup of a plan that lost some of its log.
func (s *service) replaceBaseBackup(ctx context.Context, plan string) {
	if err := s.controller.Trigger(ctx, JobID(plan, "", history.Backup), "", ""); err != nil && ctx.Err() == nil {
		s.Log.Error("begin a backup after log was lost", "plan", plan, "error", err)
	}
}

// service is a service that runs.
type service struct {
	Options
	dir        Dir
	watcher    *config.Watcher
	config     atomic.Pointer[config.Config]
	ledger     *ledger.Ledger
	history    *history.History
	controller *controller.Controller
	control    *control
	events     event.Sinks
	signals    *signals
	happened   *history.Events
	surveys    surveyWishes
	unkept     unkept
	// surveyProblem tells that people were told, by the service before this
	// one, that it is not known how plans stand.
	surveyProblem bool
	browser       *browse.Browser
	console       *console.Console
	outlet        *outlet // nil where nothing listens
	// protected tells that a run of protect has written a plan.
	protected chan struct{}
}

// open opens the state. The ledger belongs to one process: a second service is
// refused here.
func (s *service) open(ctx context.Context) (err error) {
	if err := s.dir.make(); err != nil {
		return err
	}
	if s.ledger, err = ledger.Open(ctx, ledger.Options{Dir: s.dir.LedgerDir(), Log: s.Log}); err != nil {
		return err
	}
	keep := s.config.Load().Service.History
	bytes, age := int64(keep.Size), time.Duration(keep.For) //nolint:gosec // no disk is larger
	s.history, err = history.Open(history.Options{
		Dir: s.dir.HistoryDir(), MaxBytes: bytes / 8 * 3, MaxAge: age, Log: s.Log, // a half is for logs
	})
	if err != nil {
		return err
	}
	if s.happened, err = history.OpenEvents(history.Options{Dir: s.dir.path("events"), MaxBytes: bytes / 8, MaxAge: age, Log: s.Log}); err != nil {
		return err
	}
	s.control, err = listen(s.dir.Socket())
	return err
}

func (s *service) close() error {
	var err error
	if s.control != nil {
		err = s.control.close()
	}
	if s.outlet != nil {
		err = errors.Join(err, s.outlet.close())
	}
	if s.browser != nil {
		err = errors.Join(err, s.browser.Close())
	}
	if s.happened != nil {
		err = errors.Join(err, s.happened.Close())
	}
	if s.history != nil {
		err = errors.Join(err, s.history.Close())
	}
	if s.ledger != nil {
		err = errors.Join(err, s.ledger.Close())
	}
	return err
}

// run serves until ctx ends or the state fails.
func (s *service) run(ctx context.Context) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var parts sync.WaitGroup
	partUntil := func(ctx context.Context, f func(context.Context) error) {
		parts.Go(func() {
			if err := f(ctx); err != nil {
				stop(err)
			}
		})
	}
	part := func(f func(context.Context) error) { partUntil(ctx, f) }
	part(func(ctx context.Context) error { return s.control.serve(ctx, s) })
	part(s.watchConfig)
	part(s.watchLedger)
	part(func(ctx context.Context) error { return pet(ctx, watchdogLimit(), s.well, s.Log) })
	part(s.clean)
	part(s.keepReceipts)
	if !s.Once {
		part(s.survey)
	}
	if s.outlet != nil {
		part(s.outlet.serve)
	}
	// How the last runs ended is told, too.
	telling, told := context.WithCancel(context.WithoutCancel(ctx))
	defer told()
	for _, f := range append(s.signalParts(s.config.Load()), s.happened.Run, s.console.Keep) {
		partUntil(telling, f)
	}
	if s.Once {
		part(s.endWhenIdle)
	}
	s.tell(event.ServiceStarted, "the service began: "+s.summary())
	notifySystem("READY=1")
	err := s.controller.Run(ctx)
	notifySystem("STOPPING=1")
	stop(err)
	told()
	parts.Wait()
	s.tell(event.ServiceStopped, "the service stopped")
	if cause := context.Cause(ctx); err == nil && !errors.Is(cause, context.Canceled) && !errors.Is(cause, errDone) {
		err = cause
	}
	return err
}

func (s *service) summary() string {
	plans := "plans"
	if len(s.config.Load().Plans) == 1 {
		plans = "plan"
	}
	return fmt.Sprintf("%d %s of %s, state in %s", len(s.config.Load().Plans), plans, s.ConfigPath, s.dir)
}

func (s *service) tell(kind event.Kind, summary string) {
	s.events.Emit(event.Event{Time: time.Now(), Kind: kind, Summary: summary})
}

// watchLedger ends the service when nothing can be journaled any more.
func (s *service) watchLedger(ctx context.Context) error {
	select {
	case <-s.ledger.Failed():
		return s.ledger.Err()
	case <-ctx.Done():
		return nil
	}
}

// errDone is why a service ends that was to run once.
var errDone = errors.New("nothing is left that is due")

const idlePoll = 100 * time.Millisecond

func (s *service) endWhenIdle(ctx context.Context) error {
	for {
		idle, err := s.controller.Idle(ctx)
		if err != nil {
			return nil //nolint:nilerr // the controller has ended
		}
		if idle {
			return errDone
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(idlePoll):
		}
	}
}

// newRunID returns an ID that sorts by time.
func newRunID(now time.Time) string {
	random := make([]byte, 3)
	rand.Read(random) //nolint:errcheck // never fails
	return now.UTC().Format("20060102-150405-") + hex.EncodeToString(random)
}
