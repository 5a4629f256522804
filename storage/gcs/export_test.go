package gcs

import (
	"context"
	"time"
)

// Tuning makes the bounds of a store small enough for tests.
type Tuning struct {
	Stall                  time.Duration
	SingleBytes, PartBytes int64
}

// OpenTuned is Open with other bounds.
func OpenTuned(ctx context.Context, o Options, t Tuning) (*Store, error) {
	tuned := usual
	tuned.stall, tuned.partDelay = t.Stall, time.Millisecond
	if t.SingleBytes > 0 {
		tuned.singleBytes, tuned.partBytes = t.SingleBytes, t.PartBytes
	}
	return open(ctx, o, tuned)
}
