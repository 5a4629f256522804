// Package console is a service as people see it: it implements what the API
// and the dashboard ask (api.Viewer and api.Operator) on top of the
// controller, the history, the events and the last survey. Nothing is done
// here: what people have done becomes a run, as all work of the service is.
//
// Reading costs little: what the controller says is kept for a moment, what
// status found out is what the last survey said, and ended runs are read in
// pages.
package console

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"log/slog"
	"os"
	"sync"
	"time"

	"holdfast/internal/api"
	"holdfast/internal/app/browse"
	"holdfast/internal/config"
	"holdfast/internal/controller"
	"holdfast/internal/event"
	"holdfast/internal/history"
)

// Controller is what runs jobs.
type Controller interface {
	Status(ctx context.Context) ([]controller.Status, error)
	Trigger(ctx context.Context, job, variant, by string) error
	Ask(ctx context.Context, q controller.Request) (run string, err error)
	Stop(ctx context.Context, run, by string) error
	Pause(ctx context.Context, p controller.Pause) error
	Resume(ctx context.Context, plan string) error
}

// Browsing looks into repositories: see package browse.
type Browsing interface {
	api.Browser
	RestoreTests(ctx context.Context, q api.RestoreTestQuery) (*api.RestoreTestPage, error)
	RestoreTest(ctx context.Context, repository, id string) (*api.RestoreTest, error)
	Holds(ctx context.Context, repository string) ([]api.Hold, error)
	PlaceHold(ctx context.Context, repository string, q api.HoldRequest) error
	ReleaseHold(ctx context.Context, repository, id, reason string) error
	PlanForget(ctx context.Context, q api.ForgetRequest) (*api.ForgetPlan, error)
	// PlanTag says which tags would change, and of which snapshots.
	PlanTag(ctx context.Context, q *api.TagAct) (*api.ActPlan, []string, error)
	Evidence(ctx context.Context, repository string) (*api.Evidence, error)
	// SnapshotAt returns the newest snapshot of a source at a time, Extent how
	// much is below some paths of a snapshot, or in all of it.
	SnapshotAt(ctx context.Context, repository, plan, source string, at time.Time) (*api.Snapshot, error)
	Extent(ctx context.Context, repository, snapshot string, paths []string) (browse.Extent, error)
	// Changed says that runs may have changed repositories.
	Changed(repositories ...string)
}

// Work makes the work of a run out of the arguments of a command, with what it
// reads from standard input; what is given there is in no list of processes,
// no log and no history.
type Work func(args []string, input []byte) any

// Options are what a console shows, and by what it acts.
type Options struct {
	Version    string
	ConfigPath string
	StateDir   string
	CacheDir   string // "" for none
	// LogsDir is where runs leave what they printed.
	LogsDir string
	// Config returns the configuration as it is now.
	Config     func() *config.Config
	Controller Controller
	History    *history.History
	Events     *history.Events
	// Open are the problems that were not over when the service began.
	Open []event.Event
	// Growth is how large repositories were.
	Growth   GrowthStore
	Browsing Browsing
	Work     Work
	// Try runs a command that changes nothing and tells what it prints, line by
	// line, until it ends or ctx does. A line that is very long comes in parts.
	Try func(ctx context.Context, args []string, line func([]byte)) error
	// Survey asks to look how plans stand, all of them if none is named.
	Survey func(plans ...string)
	// TestChannel sends a test message to a channel of notifications.
	TestChannel func(ctx context.Context, channel string) error
	// Audit are what people did since a time, the newest first.
	Audit func(since time.Time, limit int) ([]api.AuditEntry, error)
	// KeepPause is told of a pause of a plan, nil for its end, beside the
	// controller: it is kept where it survives the service.
	KeepPause func(ctx context.Context, plan string, p *controller.Pause) error
	Log       *slog.Logger
}

// Console implements api.Backend. It is an event.Sink. It is safe for
// concurrent use.
type Console struct {
	// What needs an open repository is told by who opens it.
	Browsing

	o       Options
	host    string
	started time.Time
	// confirmKey makes confirmations: after a restart people look again.
	confirmKey []byte

	hub     hub
	live    live
	board   board
	surveys surveys
	growth  growth
	looking looking

	statusMu sync.Mutex
	status   []controller.Status
	statusAt time.Time
	// configError is why a changed configuration is not used.
	configMu    sync.Mutex
	configError string
}

var (
	_ api.Backend = (*Console)(nil)
	_ event.Sink  = (*Console)(nil)
)

// New makes a console of a service that begins now.
func New(o Options) *Console {
	host, err := os.Hostname()
	if err != nil {
		host = "this host"
	}
	c := &Console{Browsing: o.Browsing, o: o, host: host, started: time.Now(), confirmKey: make([]byte, sha256.Size)}
	rand.Read(c.confirmKey) //nolint:errcheck // never fails
	c.live.runs = make(map[string]*api.Run)
	c.board.open = make(map[string]problem)
	for _, e := range o.Open {
		c.board.take(e)
	}
	c.growth.store = o.Growth
	return c
}

// Emit implements event.Sink.
func (c *Console) Emit(e event.Event) {
	c.forgetStatus()
	c.board.take(e)
	switch e.Kind {
	case event.RunStarted:
		c.began(&e)
	case event.ConfigRejected:
		c.configMu.Lock()
		c.configError = ""
		if !e.Over {
			c.configError = e.Summary
		}
		c.configMu.Unlock()
	}
	c.hub.publish(api.Update{Event: &e})
}

// statusFor is how long it is taken for true what the controller said, if
// nothing is known to have happened: pages ask often.
const statusFor = time.Second

// statuses returns what all jobs do.
func (c *Console) statuses(ctx context.Context) ([]controller.Status, error) {
	c.statusMu.Lock()
	defer c.statusMu.Unlock()
	if c.status != nil && time.Since(c.statusAt) < statusFor {
		return c.status, nil
	}
	at := time.Now()
	all, err := c.o.Controller.Status(ctx)
	if err != nil {
		return nil, err
	}
	c.status, c.statusAt = all, at
	return all, nil
}

// forgetStatus has the controller asked again. It is called by the controller
// itself, too, and so does not wait for who asks it.
func (c *Console) forgetStatus() {
	if c.statusMu.TryLock() {
		c.status = nil
		c.statusMu.Unlock()
	}
}
