//go:build !linux && !darwin && !freebsd

package mount

import (
	"context"

	"holdfast/repository"
)

// Run returns ErrUnsupported on this system.
func Run(context.Context, *repository.Repository, string, Options) error { return ErrUnsupported }
