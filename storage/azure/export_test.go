package azure

import "time"

// Tuning makes the bounds of a store small enough for tests.
type Tuning struct {
	Stall                   time.Duration
	SingleBytes, BlockBytes int64
}

// OpenTuned is Open with other bounds.
func OpenTuned(o Options, t Tuning) (*Store, error) {
	tuned := usual
	tuned.stall, tuned.partDelay = t.Stall, time.Millisecond
	if t.SingleBytes > 0 {
		tuned.singleBytes, tuned.blockBytes = t.SingleBytes, t.BlockBytes
	}
	return open(o, tuned)
}
