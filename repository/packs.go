package repository

import (
	"context"

	"holdfast/repository/blob"
	"holdfast/repository/id"
)

// packSizes returns the size in bytes that every pack in the index must have.
func (r *Repository) packSizes(ctx context.Context) (map[id.ID]int64, error) {
	sizes := make(map[id.ID]int64)
	err := r.index.ByPack(ctx, nil, func(pack id.ID, blobs []blob.Blob) error {
		sizes[pack] = PackSize(blobs)
		return nil
	})
	return sizes, err
}

// DamagedPacks returns the packs that the index lists and that the store
// lacks or holds with another size. The content is not read.
func (r *Repository) DamagedPacks(ctx context.Context) (id.Set, error) {
	want, err := r.packSizes(ctx)
	if err != nil {
		return nil, err
	}
	if len(want) == 0 { // before a first backup, nobody has to ask
		return make(id.Set), nil
	}
	err = r.ListFiles(ctx, PackFile, func(i id.ID, sizeBytes int64) error {
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
