// Package repair saves what can be saved of a damaged repository. The three
// repairs build on each other, in this order:
//
//   - Index makes index files say what the packs hold.
//   - Packs moves what is whole in damaged packs to new ones.
//   - Snapshots leaves out of snapshots what is lost for good.
//
// Each needs the exclusive lock to delete; finding out, and storing what takes
// the place of files, is done under a shared one where Locked is given. Each may
// be cut off at any instant and run again: what replaces a file is durable
// before the file is deleted.
package repair

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"holdfast/repository"
	"holdfast/repository/id"
)

// Locked does some work under a lock of the repository. Without one the caller
// holds the exclusive lock throughout.
type Locked func(ctx context.Context, mode repository.LockMode, do func(ctx context.Context) error) error

func (l Locked) do(ctx context.Context, mode repository.LockMode, work func(ctx context.Context) error) error {
	if l == nil {
		return work(ctx)
	}
	return l(ctx, mode, work)
}

// ErrOutdated says that others removed something between the finding out and
// the deleting. Nothing was deleted.
var ErrOutdated = errors.New("others removed something meanwhile; run the command again")

// catchUp loads the index again, now that the exclusive lock is held. All files
// that were gone by must still be there: else somebody pruned, and what was
// stored may have gone as useless.
func (l Locked) catchUp(ctx context.Context, r *repository.Repository, files []id.ID) error {
	if l == nil {
		return nil
	}
	err := r.LoadIndex(ctx)
	if _, onlyDamage := repository.DamagedIndexFiles(err); !onlyDamage {
		return err
	}
	there := r.Index().Files()
	for _, i := range files {
		if !slices.Contains(there, i) {
			return fmt.Errorf("%w: index file %s is gone", ErrOutdated, i.Short())
		}
	}
	return nil
}

// damagedIndexes returns the index files that are damaged. One that could not
// be read for another reason may be whole: nothing can be decided then.
func damagedIndexes(bad []*repository.FileError) ([]id.ID, error) {
	var damaged []id.ID
	for _, f := range bad {
		files, ok := repository.DamagedIndexFiles(f)
		if !ok {
			return nil, fmt.Errorf("load index: %w", f)
		}
		damaged = append(damaged, files...)
	}
	return damaged, nil
}

// errDamagedIndex asks for the repair that must come first.
var errDamagedIndex = errors.New("index files are damaged: run `holdfast repair index` first")
