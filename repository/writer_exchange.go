package repository

import (
	"context"
	"fmt"

	"holdfast/repository/id"
)

// Exchange lets this Writer see what others have stored and listed in the
// repository since its index was loaded, and returns whether there is anything.
// Others who do the same see what this Writer has stored so far, but for packs
// that are not full, if tell is true: that takes an index file, which otherwise
// waits until it is worth one.
//
// It is for work that several may do at the same time, such as copying the same
// snapshots: without it each would store all of it.
func (w *Writer) Exchange(ctx context.Context, tell bool) (news bool, err error) {
	if tell {
		if err := w.saveIndex(ctx, true); err != nil {
			return false, w.fail(err)
		}
	}
	w.indexing.Lock() // what this Writer adds to the index is listed then
	defer w.indexing.Unlock()
	known := id.NewSet(w.r.index.Files()...)
	live, err := fileIDs(ctx, w.r.store, IndexFile)
	if err != nil {
		return false, err
	}
	for _, i := range live {
		news = news || !known.Has(i)
	}
	if !news {
		return false, nil
	}
	if err := w.r.index.Sync(ctx, live, w.r.loadIndexFile); err != nil {
		return false, fmt.Errorf("load index: %w", err)
	}
	return true, nil
}
