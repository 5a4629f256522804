package repository

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"holdfast/repository/blob"
	"holdfast/repository/id"
	"holdfast/repository/internal/cache"
	"holdfast/storage"
)

// objectsFolder is where copies of objects lie in the cache folder.
const objectsFolder = "objects"

// sweepEvery is how often copies of packs that are gone are looked for: it
// takes a walk over all packs.
const sweepEvery = 24 * time.Hour

// CleanCache deletes from a cache folder (Options.CacheDir) what belongs to
// repositories that were not opened for so long, and returns how many those
// are. It may be called at any time.
func CleanCache(dir string, unused time.Duration) (repositories int, err error) {
	return cache.Clean(dir, unused)
}

// openObjects opens the cache of objects, or returns nil.
func (r *Repository) openObjects() *cache.Cache {
	dir := r.cache()
	if dir == "" || !r.options.CacheObjects {
		return nil
	}
	c, err := cache.Open(filepath.Join(dir, objectsFolder), r.warn)
	r.warn(err)
	return c
}

// loadSnapshotFile is LoadUnpacked for a snapshot, by way of the cache.
func (r *Repository) loadSnapshotFile(ctx context.Context, i id.ID) ([]byte, error) {
	c := r.objects()
	if c == nil {
		return r.LoadUnpacked(ctx, SnapshotFile, i)
	}
	data, ok := c.Load(cache.Snapshots, i)
	if !ok {
		var err error
		if data, err = readFile(ctx, r.store, SnapshotFile, i); err != nil {
			return nil, err
		}
		if err := r.cacheSnapshot(i, data); err != nil {
			return nil, err
		}
	}
	return r.files().open(SnapshotFile, i, data)
}

// cacheSnapshot copies a snapshot, sealed, that was read or written: the next
// command reads it.
func (r *Repository) cacheSnapshot(i id.ID, sealed []byte) error {
	c := r.objects()
	if c == nil {
		return nil
	}
	return c.Save(cache.Snapshots, i, bytes.NewReader(sealed))
}

// retainSnapshots removes the copies of snapshots that are gone.
func (r *Repository) retainSnapshots(live []id.ID) {
	if c := r.objects(); c != nil {
		c.Retain(cache.Snapshots, id.NewSet(live...))
	}
}

// retainPacks removes the copies of packs that the index no longer lists.
func (r *Repository) retainPacks() {
	c := r.objects()
	if c == nil || !c.Due("sweep", sweepEvery) {
		return
	}
	keep := make(id.Set)
	copies := c.IDs(cache.Packs)
	for p := range r.index.Packs() {
		if copies.Has(p) {
			keep.Add(p)
		}
	}
	c.Retain(cache.Packs, keep)
}

// errNotCached says that a blob has to be read from the store.
var errNotCached = errors.New("not cached")

// loadCachedTree reads a tree from the copy of its pack. Whatever is wrong,
// the store may still have the blob.
func (r *Repository) loadCachedTree(ctx context.Context, rd *reader, b blob.Blob, dst []byte) ([]byte, error) {
	c := r.objects()
	if b.Type != blob.Tree || c == nil {
		return nil, errNotCached
	}
	get := func(ctx context.Context) (io.ReadCloser, error) {
		return r.store.Get(ctx, PackFile.Key(b.Pack), 0, -1)
	}
	for range 2 { // a copy that is damaged, and a fresh one
		f, proven, err := c.OpenPack(ctx, b.Pack, get)
		if err != nil {
			return nil, err
		}
		if f == nil {
			return nil, errNotCached
		}
		plain, err := r.openFromCopy(f, rd, b, dst)
		if err == nil {
			return plain, nil
		}
		if proven { // then it is the pack, or its index entry
			c.Refuse(b.Pack)
			return nil, err
		}
		c.Drop(cache.Packs, b.Pack)
	}
	return nil, errNotCached
}

func (r *Repository) openFromCopy(f *os.File, rd *reader, b blob.Blob, dst []byte) ([]byte, error) {
	defer f.Close() //nolint:errcheck // it was only read
	if err := rd.fill(io.NewSectionReader(f, int64(b.Offset), int64(b.Length)), int(b.Length)); err != nil {
		return nil, errorOfBlob(b, err)
	}
	return r.openBlob(b, rd.sealed, dst)
}

// cachePack copies a pack of trees that is about to be uploaded: the next
// backup reads them.
func (r *Repository) cachePack(packID id.ID, t blob.Type, body storage.Body) error {
	c := r.objects()
	if t != blob.Tree || c == nil {
		return nil
	}
	err := c.Save(cache.Packs, packID, io.NewSectionReader(body, 0, body.Size()))
	if err != nil && !errors.Is(err, cache.ErrTooLarge) {
		// The spool, and so the pack, is not what was written to it.
		return fmt.Errorf("read pack %s back: %w", packID.Short(), err)
	}
	return nil
}
