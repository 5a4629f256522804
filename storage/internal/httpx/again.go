package httpx

import (
	"context"
	"math/rand/v2"
	"time"

	"holdfast/storage"
)

// partAttempts bounds the attempts at one part of an object that is sent in
// parts. Operations as a whole are repeated by storage/retry; but an object of
// many GiB must not begin anew for each part that gets lost.
const partAttempts = 5

// PartDelay is how long at most to wait before the second attempt.
const PartDelay = time.Second

// Again does what sends one part of the body until it works, or fails in a
// way that trying again will not mend, or has failed too often. The first wait
// is up to delay, each further one up to double the one before.
func (s *Sent) Again(ctx context.Context, delay time.Duration, do func() error) error {
	for attempt := 1; ; attempt++ {
		err := do()
		if err == nil || storage.IsPermanent(err) || s.Failure() != nil || ctx.Err() != nil || attempt == partAttempts {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(rand.N(delay << (attempt - 1))):
		}
	}
}
