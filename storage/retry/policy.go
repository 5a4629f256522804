package retry

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"holdfast/storage"
)

// Policy bounds the attempts at one operation. A field left 0 has the
// default given with it.
type Policy struct {
	// MaxAttempts counts the first attempt too. Default 20.
	MaxAttempts int
	// MaxElapsed is how long after the first failure the last attempt may begin.
	// Default 15 minutes: longer than a reboot or a reconnect takes, shorter
	// than a lock stays valid without a refresh (22.5 minutes).
	MaxElapsed time.Duration
	// FirstDelay bounds the first wait. Each further bound is double the one
	// before. Default 500 ms.
	FirstDelay time.Duration
	// MaxDelay bounds the longest wait. Default 1 minute.
	MaxDelay time.Duration
	// Notify, if not nil, is told of each failure that will be tried again
	// after the delay next. It is called from many goroutines at once.
	Notify func(op, key string, err error, next time.Duration)
}

func (p Policy) withDefaults() Policy {
	p.MaxAttempts = cmp.Or(p.MaxAttempts, 20)
	p.MaxElapsed = cmp.Or(p.MaxElapsed, 15*time.Minute)
	p.FirstDelay = cmp.Or(p.FirstDelay, 500*time.Millisecond)
	p.MaxDelay = cmp.Or(p.MaxDelay, time.Minute)
	return p
}

// delay draws the wait after the given failure (1, 2, ...): anything up to a
// bound that doubles each time ("full jitter"), so that many clients cut off
// at the same instant do not come back at the same instant.
func (p Policy) delay(failure int) time.Duration {
	bound := p.FirstDelay
	for range failure - 1 {
		if bound *= 2; bound >= p.MaxDelay {
			break
		}
	}
	return rand.N(min(bound, p.MaxDelay)) + 1
}

// attempts counts the failures of one operation.
type attempts struct {
	policy   Policy
	op, key  string
	failures int
	since    time.Time // of the first failure
}

func (s *Store) begin(op, key string) *attempts {
	return &attempts{policy: s.policy, op: op, key: key}
}

// again waits after err and returns nil when the operation shall be tried
// once more, or the error to give up with.
func (a *attempts) again(ctx context.Context, err error) error {
	if storage.IsPermanent(err) {
		return err
	}
	if ctx.Err() != nil {
		return fmt.Errorf("%w (after: %w)", ctx.Err(), err)
	}
	if a.failures++; a.failures == 1 {
		a.since = time.Now()
	}
	next := a.policy.delay(a.failures)
	elapsed := time.Since(a.since)
	if a.failures >= a.policy.MaxAttempts || elapsed+next > a.policy.MaxElapsed {
		return fmt.Errorf("%w (given up after %d attempts in %v)", err, a.failures, elapsed.Round(time.Millisecond))
	}
	if a.policy.Notify != nil {
		a.policy.Notify(a.op, a.key, err, next)
	}
	if werr := wait(ctx, next); werr != nil {
		return fmt.Errorf("%w (after: %w)", werr, err)
	}
	return nil
}

// progress starts the count anew: what was failing works again.
func (a *attempts) progress() { a.failures = 0 }

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
