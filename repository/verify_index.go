package repository

import (
	"context"
	"errors"
	"fmt"

	"holdfast/repository/id"
	"holdfast/repository/internal/index"
)

// Listing says that an index file lists a pack, and with how many blobs.
type Listing = index.Listing

// ReloadIndex builds the index anew from every index file of the repository,
// trusting nothing that was cached. It returns the files that could not be
// used, whose blobs the index then lacks.
//
// No other method may run meanwhile.
func (r *Repository) ReloadIndex(ctx context.Context) (bad []*FileError, err error) {
	live, err := fileIDs(ctx, r.store, IndexFile)
	if err != nil {
		return nil, err
	}
	fresh, err := index.Open("")
	if err != nil {
		return nil, err
	}
	bad, err = splitFileErrors(fresh.Sync(ctx, live, r.loadIndexFile))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("load index: %w", err), fresh.Close())
	}
	if r.index != nil {
		err = r.index.Close()
	}
	r.index = fresh
	return bad, err
}

// splitFileErrors takes apart what Sync joined. When there is anything but
// errors of files, that is returned as err.
func splitFileErrors(err error) (bad []*FileError, rest error) {
	if err == nil {
		return nil, nil
	}
	joined, ok := err.(interface{ Unwrap() []error }) //nolint:errorlint // the outermost error is the joined one
	if !ok {
		return nil, err
	}
	for _, e := range joined.Unwrap() {
		f, ok := e.(*FileError) //nolint:errorlint // as it was joined
		if !ok {
			return nil, err
		}
		bad = append(bad, f)
	}
	return bad, nil
}

// VerifyFile reads a config, key, lock, snapshot or index file and returns a
// *CorruptError if it is not what was written. It does not judge what the
// file says.
func (r *Repository) VerifyFile(ctx context.Context, k FileKind, i id.ID) error {
	if k == KeyFile {
		_, err := loadKeyFile(ctx, r.store, i)
		return err
	}
	_, err := r.LoadUnpacked(ctx, k, i)
	return err
}
