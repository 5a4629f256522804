package sftp

import (
	"context"
	"time"
)

// grace is how long an operation whose context has ended may take to finish
// cleanly: to take away its temporary file, and to learn whether the request
// under way was done. After that its caller does not wait for it any more.
const grace = 5 * time.Second

// do runs an operation on some connection.
func (s *Store) do(ctx context.Context, operation func(*conn) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c, err := s.pool.acquire(ctx)
	if err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() {
		err := c.explain(operation(c))
		s.pool.release(c)
		done <- err
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case err := <-done:
		return err
	case <-timer.C:
		return ctx.Err()
	}
}
