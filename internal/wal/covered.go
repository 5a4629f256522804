package wal

import (
	"context"
	"fmt"
	"time"

	"holdfast/internal/logarchive"
)

// coveredEvery is how often WaitCovered looks.
const coveredEvery = time.Second

// WaitCovered waits until an archive has all of a part of the log.
func WaitCovered(ctx context.Context, a *logarchive.Archive, part logarchive.Range) error {
	for {
		segments, err := a.Line(ctx, part.Stream, part.Line)
		if err != nil {
			return err
		}
		if logarchive.Covers(logarchive.Coverage(segments), part) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for the log: %w", context.Cause(ctx))
		case <-time.After(coveredEvery):
		}
	}
}
