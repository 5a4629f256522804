//go:build !unix

package filelock

import "context"

// Lock does nothing where flock is missing. What is shared appears by rename,
// so the worst there is the same work done twice.
func Lock(context.Context, string) (unlock func(), err error) { return func() {}, nil }
