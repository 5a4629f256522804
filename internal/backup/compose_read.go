package backup

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"holdfast/internal/source"
	"holdfast/repository"
	"holdfast/repository/blob"
	"holdfast/storage"
)

// maxReadBackGap is how much of a pack that no piece needs is read back rather
// than starting another request: as much as a piece of two.
const maxReadBackGap = 64 << 10

// readBack reads pieces as they were, in as few requests as is sensible, and
// composes them.
func (a *archiver) readBack(ctx context.Context, batch []*piece) error {
	slices.SortFunc(batch, func(x, y *piece) int {
		return cmp.Or(bytes.Compare(x.at.Pack[:], y.at.Pack[:]), cmp.Compare(x.at.Offset, y.at.Offset))
	})
	for len(batch) > 0 {
		run := batch[:neighbours(batch)]
		batch = batch[len(run):]
		if err := a.readRun(ctx, run); err != nil {
			return err
		}
	}
	return nil
}

// neighbours returns how many of the first pieces lie close together.
func neighbours(batch []*piece) int {
	for n := 1; n < len(batch); n++ {
		before, at := batch[n-1].at, batch[n].at
		if before.Pack != at.Pack || int64(at.Offset)-int64(before.Offset)-int64(before.Length) > maxReadBackGap {
			return n
		}
	}
	return len(batch)
}

// readRun composes pieces that lie close together in one pack, or have no
// earlier state.
func (a *archiver) readRun(ctx context.Context, run []*piece) error {
	if run[0].was.IsZero() {
		for _, p := range run {
			if err := p.compose(ctx, a, nil); err != nil {
				return err
			}
		}
		return nil
	}
	first, last := run[0].at, run[len(run)-1].at
	a.progress.ReadBack.Add(uint64(last.Offset) + uint64(last.Length) - uint64(first.Offset))
	err := a.repo.StreamPack(ctx, first.Pack, blobsOf(run), func(b blob.Blob, plain []byte, err error) error {
		if err != nil { // it may be stored elsewhere, too
			if plain, err = a.repo.LoadBlob(ctx, b.Handle, nil); err != nil {
				return unusable(err)
			}
		}
		for len(run) > 0 && run[0].was == b.ID {
			if err := run[0].compose(ctx, a, plain); err != nil {
				return err
			}
			run = run[1:]
		}
		return nil
	})
	return unusable(err)
}

// blobsOf returns the earlier blobs of pieces, each once.
func blobsOf(run []*piece) []blob.Blob {
	var blobs []blob.Blob
	for _, p := range run {
		if n := len(blobs); n == 0 || blobs[n-1].ID != p.was {
			blobs = append(blobs, blob.Blob{Handle: blob.Handle{ID: p.was, Type: blob.Data}, Location: p.at})
		}
	}
	return blobs
}

// unusable marks an error that says that earlier data are missing or damaged.
func unusable(err error) error {
	if repository.IsCorrupt(err) || errors.Is(err, storage.ErrNotFound) || errors.Is(err, repository.ErrNotIndexed) {
		return fmt.Errorf("%w: %w", source.ErrEarlier, err)
	}
	return err
}
