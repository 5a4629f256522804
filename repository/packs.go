package repository

import (
	"context"

	"holdfast/repository/blob"
	"holdfast/repository/id"
	"holdfast/repository/internal/pack"
)

// PackSizes returns the size in bytes that every pack in the index must have:
// a pack is exactly its blobs and its header (doc/design.rst, "Pack Format").
func (r *Repository) PackSizes() map[id.ID]int64 {
	sizes := make(map[id.ID]int64)
	for b := range r.index.All() {
		sizes[b.Pack] += int64(b.Length) + int64(pack.EntrySize(b))
	}
	for i := range sizes {
		sizes[i] += pack.Overhead
	}
	return sizes
}

// DamagedPacks returns the packs that the index lists and that the store
// lacks or holds with another size. The content is not read.
func (r *Repository) DamagedPacks(ctx context.Context) (id.Set, error) {
	want := r.PackSizes()
	err := r.ListFiles(ctx, PackFile, func(i id.ID, sizeBytes int64) error {
		if want[i] == sizeBytes {
			delete(want, i)
		}
		return nil
	})
	damaged := make(id.Set, len(want))
	for i := range want {
		damaged.Add(i)
	}
	return damaged, err
}

// trusted tells whether a blob is stored in a pack that is not distrusted.
func (r *Repository) trusted(h blob.Handle, distrusted id.Set) bool {
	if len(distrusted) == 0 {
		return r.index.Has(h)
	}
	for _, l := range r.index.LookupAll(nil, h) {
		if !distrusted.Has(l.Pack) {
			return true
		}
	}
	return false
}
