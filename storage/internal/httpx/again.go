package httpx

import (
	"context"
	"math/rand/v2"
	"time"

	"holdfast/storage"
)

// Attempts at one part of an object that is sent in parts, and how long at
// most to wait before the second. Operations as a whole are repeated by
// storage/retry; but an object of many GiB must not begin anew for each part
// that gets lost.
const (
	partAttempts = 5
	partDelay    = time.Second
)

// Again does what sends one part of the body until it works, or fails in a
// way that trying again will not mend, or has failed too often. Each wait is
// up to double the one before.
func (s *Sent) Again(ctx context.Context, do func() error) error {
	for attempt := 1; ; attempt++ {
		err := do()
		if err == nil || storage.IsPermanent(err) || s.Failure() != nil || ctx.Err() != nil || attempt == partAttempts {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(rand.N(partDelay << (attempt - 1))):
		}
	}
}
