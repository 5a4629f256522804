//go:build unix

package service

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// PlanLock is held by whoever backs up a plan, the service or a person. It
// ends with the process.
type PlanLock struct{ file *os.File }

// ErrPlanRuns says that a plan is being backed up already.
var ErrPlanRuns = errors.New("a backup of this plan is running")

// planLockPoll is how often a lock is asked for that somebody holds.
const planLockPoll = 200 * time.Millisecond

// LockPlan takes the lock of a plan; while somebody holds it, it is asked for
// again for as long as wait says.
func (d Dir) LockPlan(ctx context.Context, plan string, wait time.Duration) (*PlanLock, error) {
	if err := d.make(); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(d.path("locks", plan), os.O_CREATE|os.O_RDWR, 0o600)
	if errors.Is(err, fs.ErrPermission) { // the superuser made it; reading is enough for a lock
		f, err = os.Open(d.path("locks", plan))
	}
	if err != nil {
		return nil, fmt.Errorf("lock the plan: %w", err)
	}
	for until := time.Now().Add(wait); ; {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) //nolint:gosec // descriptors are small
		switch {
		case err == nil:
			f.Truncate(0)                                   //nolint:errcheck // only for people, and not there for one who only reads
			f.WriteAt([]byte(strconv.Itoa(os.Getpid())), 0) //nolint:errcheck // see above
			return &PlanLock{f}, nil
		case !errors.Is(err, syscall.EWOULDBLOCK):
			return nil, errors.Join(fmt.Errorf("lock the plan: %w", err), f.Close())
		case time.Now().After(until):
			return nil, errors.Join(fmt.Errorf("%w (%s): wait for it with --retry-lock", ErrPlanRuns, holder(f)), f.Close())
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), f.Close())
		case <-time.After(planLockPoll):
		}
	}
}

// holder tells which process holds a lock.
func holder(f *os.File) string {
	text := make([]byte, 16)
	n, _ := f.ReadAt(text, 0) //nolint:errcheck // short files are the usual case
	if pid := strings.TrimSpace(string(text[:n])); pid != "" {
		return "process " + pid
	}
	return "in another process"
}

// Unlock gives the lock back.
func (l *PlanLock) Unlock() error { return l.file.Close() }
