package browse

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"holdfast/internal/api"
	"holdfast/internal/snapfs"
	"holdfast/repository"
	"holdfast/storage"
)

// readingTrees is reading for what needs the index.
func (b *Browser) readingTrees(ctx context.Context, name string, do func(v *view, instead *api.Instead) error) error {
	return b.reading(ctx, name, func(v *view, instead *api.Instead) error {
		if err := v.loadIndex(ctx); err != nil {
			return err
		}
		return do(v, instead)
	})
}

// again is readingTrees for work that may be done twice: when something was
// removed since the index was read, it is done once more with the index as it
// is now.
func (b *Browser) again(ctx context.Context, name string, do func(v *view, instead *api.Instead) error) error {
	stale := false
	once := func() error {
		return b.readingTrees(ctx, name, func(v *view, instead *api.Instead) error {
			err := do(v, instead)
			stale = v.stale.Load()
			return err
		})
	}
	err := once()
	if err != nil && stale && ctx.Err() == nil {
		err = once()
	}
	return err
}

// explain says what could not be read of a snapshot, in the words of package
// api.
func (v *view) explain(path string, err error) error {
	here := &api.HereError{}
	switch {
	case err == nil, errors.Is(err, context.Canceled), errors.As(err, &here),
		errors.Is(err, api.ErrNotFound), errors.Is(err, api.ErrInvalid), errors.Is(err, api.ErrUnavailable):
		return err
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: %w", api.ErrNotFound, err)
	case errors.Is(err, snapfs.ErrNotFile), errors.Is(err, snapfs.ErrNotFolder):
		return fmt.Errorf("%w: %w", api.ErrInvalid, err)
	case repository.IsCorrupt(err), isBroken(err):
		return &DamageError{Repository: v.place.name, Damage: api.Damage{Path: api.PathText(path), What: err.Error()}}
	case errors.Is(err, storage.ErrCold):
		return &api.HereError{
			Why:     fmt.Sprintf("%s lies in a cold storage class: it must be thawed first, which the command does (%v)", api.PathText(path), err),
			Command: []string{"holdfast", "restore", "-r", v.place.name, "--thaw"},
		}
	}
	return v.place.b.unavailable(v.place.name, fmt.Errorf("%s: %w", api.PathText(path), err))
}

// DamageError says that something in a repository is not what was written.
type DamageError struct {
	Repository string
	api.Damage
}

func (e *DamageError) Error() string {
	return fmt.Sprintf("%s in repository %s is damaged: %s; `holdfast check -r %s` tells what else is, and `holdfast repair --from COPY` mends it",
		e.Path, e.Repository, e.What, e.Repository)
}
