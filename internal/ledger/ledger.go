// Package ledger keeps the live state of the service: what is due, what runs,
// who works, what waits to be told. Finished runs are not here but in the
// history, backups and what is known of them in the repositories: the ledger
// can be lost, and `holdfast serve --rebuild` makes it anew.
//
// It is an etcd inside the process, with one voter and without any listener:
// nothing but this process can reach it. Its words:
//
//   - A value lies under a key such as "plans/shop/backup" and has a Revision,
//     which changes with each write. A write names the revision it replaces,
//     so that nobody overwrites what he has not read.
//   - A Lease is a name that only one holds at a time. It ends with Release,
//     with the process, or when its holder stood still for its time to live.
//
// What Put has returned for survives a crash of the process and of the machine.
// A folder belongs to one process at a time (ErrInUse). When the disk is full
// or the folder damaged the ledger fails as a whole: every call returns the
// same error, Failed is closed, and the process goes on to say so.
package ledger

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/etcdserver"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3client"
)

var (
	// ErrNotFound says that there is no value under a key.
	ErrNotFound = errors.New("not in the ledger")
	// ErrConflict says that a value is not of the revision that a write names:
	// somebody else changed it. Read it again and decide anew.
	ErrConflict = errors.New("changed by somebody else in the meantime")
	// ErrHeld says that somebody holds the lease.
	ErrHeld = errors.New("held by somebody else")
	// ErrInUse says that another process has the folder open.
	ErrInUse = errors.New("another holdfast works with it: end that one, or name another --state-dir")
	// ErrDamaged says that what the folder holds cannot be used.
	ErrDamaged = errors.New("the ledger is damaged: `holdfast serve --rebuild` makes it anew from the repositories")
	// ErrClosed is what calls after Close return.
	ErrClosed = errors.New("the ledger is closed")
)

// Revision tells one state of a value from all others.
type Revision int64

const (
	// NoRevision is that of a value that does not exist yet.
	NoRevision Revision = 0
	// AnyRevision stands, in a write, for whatever is there.
	AnyRevision Revision = -1
)

// Options say how to open a ledger.
type Options struct {
	// Dir is the ledger's own folder, made if it is not there.
	Dir string
	// Log takes what the engine below has to say; nil for nowhere.
	Log *slog.Logger
}

// callLimit bounds one call: a disk that does not answer for so long is an
// error, not a reason to stand still.
const callLimit = 30 * time.Second

// Ledger is an open ledger. It is safe for concurrent use.
type Ledger struct {
	dir    string
	log    *slog.Logger
	guard  *os.File // holds the folder for this process
	server *etcdserver.EtcdServer
	client *clientv3.Client
	broken *breakage

	closing chan struct{}
	workers sync.WaitGroup
	close   func() error
}

// Open opens the ledger in a folder, or begins one there. It takes some tenths
// of a second. Leases of an earlier process are over.
func Open(ctx context.Context, opts Options) (*Ledger, error) {
	l, err := open(ctx, opts)
	if err != nil {
		return nil, fmt.Errorf("open the ledger in %s: %w", opts.Dir, err)
	}
	return l, nil
}

func open(ctx context.Context, opts Options) (*Ledger, error) {
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	if err := os.MkdirAll(opts.Dir, 0o700); err != nil {
		return nil, err
	}
	guard, err := hold(filepath.Join(opts.Dir, "in-use"))
	if err != nil {
		return nil, err
	}
	l := &Ledger{dir: opts.Dir, log: opts.Log, guard: guard, broken: newBreakage(), closing: make(chan struct{})}
	l.close = sync.OnceValue(l.shut)
	if err := l.start(ctx); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// start brings the engine up, and the state to where a new process begins.
func (l *Ledger) start(ctx context.Context) error {
	if err := examine(l.dir); err != nil {
		return err
	}
	server, err := startServer(ctx, l.dir, newEngineLog(l.log, l.broken), l.broken)
	if err != nil {
		return err
	}
	l.server, l.client = server, v3client.New(server)
	if err := l.makeRoom(ctx); err != nil {
		return err
	}
	if err := l.endLeases(ctx); err != nil {
		return err
	}
	l.workers.Go(l.keepSmall)
	return nil
}

// Failed is closed when the ledger can no longer be used; Err then tells why.
// What was written before is safe; Close it, and Open it again when the
// reason is gone.
func (l *Ledger) Failed() <-chan struct{} { return l.broken.happened }

// Err returns why the ledger failed, nil while it works.
func (l *Ledger) Err() error { return l.broken.err() }

// Close ends the ledger and returns when nothing of it is left. Calls that are
// under way, leases and watches end with it.
func (l *Ledger) Close() error { return l.close() }

// stopLimit bounds how long an engine that failed may take to end. It is left
// behind then: its goroutines stand still and own nothing but memory.
const stopLimit = 10 * time.Second

func (l *Ledger) shut() error {
	close(l.closing)
	var err error
	if l.client != nil {
		err = l.client.Close()
		if errors.Is(err, context.Canceled) { // what Close itself did
			err = nil
		}
	}
	l.workers.Wait()
	if l.server != nil {
		l.stopServer()
	}
	return errors.Join(err, l.guard.Close())
}

func (l *Ledger) stopServer() {
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		l.server.Stop()
	}()
	if l.Err() == nil {
		<-stopped
		return
	}
	select {
	case <-stopped:
	case <-time.After(stopLimit):
	}
}

// call runs one call to the engine with a bound, and says what its errors
// mean here.
func (l *Ledger) call(ctx context.Context, what, key string, do func(context.Context) error) error {
	err := l.try(ctx, do)
	if err == nil {
		return nil
	}
	return fmt.Errorf("ledger: %s %s: %w", what, key, err)
}

func (l *Ledger) try(ctx context.Context, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- do(ctx) }()
	select {
	case err := <-ended:
		return l.meaning(ctx, err)
	case <-l.broken.happened:
		return l.Err()
	case <-l.closing:
		return ErrClosed
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// meaning gives an error of the engine the reason that lies behind it.
func (l *Ledger) meaning(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case l.Err() != nil:
		return l.Err()
	case l.isClosing():
		return ErrClosed
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	return err
}

func (l *Ledger) isClosing() bool {
	select {
	case <-l.closing:
		return true
	default:
		return false
	}
}
