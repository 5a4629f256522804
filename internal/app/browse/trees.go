package browse

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"

	"holdfast/internal/api"
	"holdfast/internal/snapfs"
	"holdfast/repository"
	"holdfast/repository/blob"
	"holdfast/repository/id"
	"holdfast/repository/tree"
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

// largeTree is the size of a tree in bytes from which the memory for it is
// given back at once.
const largeTree = 1 << 20

// nodes returns the entries of a folder as snapfs.FS does, within the memory
// that there is for folders being read. It must not be called while another
// one is gone through: that would wait for itself.
func (v *view) nodes(ctx context.Context, folder id.ID) iter.Seq2[*tree.Node, error] {
	return func(yield func(*tree.Node, error) bool) {
		weight, err := v.weigh(folder)
		if err == nil {
			err = v.place.b.trees.Acquire(ctx, min(weight, treeBytes))
		}
		if err != nil {
			yield(nil, err)
			return
		}
		defer v.place.b.trees.Release(min(weight, treeBytes))
		if weight < largeTree {
			v.trees.Nodes(ctx, folder)(yield)
			return
		}
		v.largeNodes(ctx, folder, weight, yield)
		freeMemory()
	}
}

// largeNodes goes through a large folder in memory of its very size: grown step
// by step, it would take twice as much.
func (v *view) largeNodes(ctx context.Context, folder id.ID, size int64, yield func(*tree.Node, error) bool) {
	const slack = 64 << 10 // for the decoder
	buffer := make([]byte, 0, size+slack)
	v.trees.NodesIn(ctx, folder, &buffer)(yield)
}

// weigh says how many bytes a tree has. One that is too large for this process
// is refused.
func (v *view) weigh(folder id.ID) (int64, error) {
	l, ok := v.repo.Index().Lookup(blob.Handle{ID: folder, Type: blob.Tree})
	if !ok { // the reading tells, or a copy has it
		return 1, nil
	}
	n := int64(l.DataLength())
	if n > folderBytes {
		return 0, &api.HereError{
			Why:     fmt.Sprintf("this folder has too many entries to be shown in a page (its list takes %d MiB); the command shows them", n>>20),
			Command: []string{"holdfast", "ls", "-r", v.place.name},
		}
	}
	return n + 1, nil
}

// isDamage tells whether an error says that what is stored is not what was
// written, and not that it could not be read now.
func isDamage(err error) bool {
	if _, ok := errors.AsType[*tree.SyntaxError](err); ok || repository.IsCorrupt(err) {
		return true
	}
	for _, bad := range []error{repository.ErrNotIndexed, tree.ErrName, tree.ErrType, tree.ErrContent, tree.ErrOrder, snapfs.ErrDuplicate} {
		if errors.Is(err, bad) {
			return true
		}
	}
	return false
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
	case isDamage(err):
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
