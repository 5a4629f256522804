package console

import (
	"context"
	"fmt"
	"sync"
	"time"

	"holdfast/internal/api"
)

const (
	// maxLooking bounds the processes at once that look what would be done.
	maxLooking = 4
	// lookingWait is how long is waited for one of the others to end.
	lookingWait = 10 * time.Second
)

// looking are places for commands that only look what would be done: each is a
// process that opens a repository, and a page that is loaded again and again
// begins one each time.
type looking struct {
	once   sync.Once
	places chan struct{}
}

// take waits for a place, which leave gives back. The error wraps
// api.ErrUnavailable.
func (l *looking) take(ctx context.Context) (leave func(), err error) {
	l.once.Do(func() { l.places = make(chan struct{}, maxLooking) })
	wait := time.NewTimer(lookingWait)
	defer wait.Stop()
	select {
	case l.places <- struct{}{}:
		return func() { <-l.places }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-wait.C:
		return nil, fmt.Errorf("%w: %d others find out what would be done; try again when they have", api.ErrUnavailable, maxLooking)
	}
}
