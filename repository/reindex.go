package repository

import (
	"context"
	"errors"
	"slices"

	"holdfast/repository/blob"
	"holdfast/repository/id"
	"holdfast/repository/internal/index"
)

// FileError says that one index file could not be used: LoadIndex joins one
// for each such file.
type FileError = index.FileError

const (
	// smallIndexBlobs is up to how many blobs an index file is small, and
	// tooManySmall how many of those are worth merging. Every backup leaves
	// one behind.
	smallIndexBlobs = indexFlushBlobs / 2
	tooManySmall    = 10
)

// Reindex is a plan to replace index files, so that some packs are no longer
// listed, and what was listed twice is listed once.
type Reindex struct {
	r    *Repository
	view *Index
	drop func(pack id.ID) bool
	// Replaced are the index files that go away once what they list stands in
	// new ones. None means that there is nothing to do.
	Replaced []id.ID
}

// PlanReindex plans to leave out packs for which drop is true, and what the
// damaged index files say. Files that list no such pack, and no pack that
// another file lists as well, stay; small ones are merged when there are many
// or when files are replaced anyway. The plan is for the present index.
func (r *Repository) PlanReindex(drop func(pack id.ID) bool, damaged []id.ID) *Reindex {
	p := &Reindex{r: r, view: r.index.Frozen(), drop: drop, Replaced: slices.Clone(damaged)}
	stale := make(id.Set)
	blobs := make(map[id.ID]int)
	var last index.Listing
	for l := range p.view.Listings() {
		blobs[l.File] += l.Blobs
		if l.Pack == last.Pack && !last.File.IsZero() {
			stale.Add(last.File)
			stale.Add(l.File)
		}
		if drop(l.Pack) {
			stale.Add(l.File)
		}
		last = l
	}
	var small []id.ID
	for file, n := range blobs {
		switch {
		case stale.Has(file):
			p.Replaced = append(p.Replaced, file)
		case n <= smallIndexBlobs:
			small = append(small, file)
		}
	}
	if len(small) >= tooManySmall || len(p.Replaced) > 0 {
		p.Replaced = append(p.Replaced, small...)
	}
	return p
}

// Execute stores the new index files, then deletes the replaced ones, then
// brings the loaded index in line. It may be cut off anywhere: what is listed
// twice meanwhile does no harm. When it returns an error, old index files may
// be left, so no pack they list may be deleted.
//
// All blobs of a pack are listed in one file, and a file lists at most 50,000
// blobs unless a single pack has more. It needs the exclusive lock.
func (p *Reindex) Execute(ctx context.Context) error {
	if err := p.Save(ctx, nil); err != nil {
		return err
	}
	if len(p.Replaced) == 0 {
		return nil
	}
	if err := p.Remove(ctx, nil); err != nil {
		return err
	}
	// Under the exclusive lock nobody else changes what is there.
	gone := id.NewSet(p.Replaced...)
	live := slices.DeleteFunc(p.r.index.Files(), gone.Has)
	if err := p.r.index.Sync(ctx, live, p.r.loadIndexFile); err != nil {
		return err
	}
	p.r.retainPacks()
	return nil
}

// Save does the part of Execute that only adds: it stores the new index files.
// They list packs, too, that are new and listed nowhere. A shared lock will do.
func (p *Reindex) Save(ctx context.Context, unlisted []PackContent) error {
	if err := p.r.writable(); err != nil {
		return err
	}
	if len(p.Replaced) == 0 && len(unlisted) == 0 {
		return nil
	}
	packs := p.packs()
	return p.save(ctx, unlisted, func(i id.ID) bool {
		_, found := slices.BinarySearchFunc(packs, i, id.ID.Compare)
		return found
	})
}

// Remove does the rest after Save: it deletes the replaced files, all of which
// must still be there, for somebody may have replaced the new ones otherwise.
// Packs in again, if not nil, were left out by Save and are listed after all.
// It needs the exclusive lock. The loaded index is not brought in line.
func (p *Reindex) Remove(ctx context.Context, again id.Set) error {
	if err := p.r.writable(); err != nil {
		return err
	}
	if len(again) > 0 {
		if err := p.save(ctx, nil, again.Has); err != nil {
			return err
		}
	}
	return p.r.RemoveFiles(ctx, IndexFile, p.Replaced, nil)
}

// save stores index files of packs that are listed nowhere yet, and of some that
// are.
func (p *Reindex) save(ctx context.Context, unlisted []PackContent, wanted func(id.ID) bool) error {
	var batch []PackContent
	size := 0
	flush := func() error {
		if len(batch) == 0 {
			return nil
		}
		_, err := p.r.SaveIndex(ctx, batch)
		clear(batch)
		batch, size = batch[:0], 0
		return err
	}
	list := func(pack PackContent) error {
		if size > 0 && size+len(pack.Blobs) > indexFlushBlobs {
			if err := flush(); err != nil {
				return err
			}
		}
		batch = append(batch, pack)
		size += len(pack.Blobs)
		return nil
	}
	for _, pack := range unlisted {
		if err := list(pack); err != nil {
			return err
		}
	}
	err := p.view.ByPack(ctx, wanted, func(pack id.ID, blobs []blob.Blob) error {
		return list(PackContent{ID: pack, Blobs: slices.Clone(blobs)})
	})
	if err != nil {
		return err
	}
	return flush()
}

// packs returns, in their order, the packs that must be listed anew.
func (p *Reindex) packs() []id.ID {
	replaced := id.NewSet(p.Replaced...)
	var packs []id.ID
	for l := range p.view.Listings() {
		if replaced.Has(l.File) && !p.drop(l.Pack) && (len(packs) == 0 || packs[len(packs)-1] != l.Pack) {
			packs = append(packs, l.Pack)
		}
	}
	return packs
}

// DamagedIndexFiles returns the index files that an error of LoadIndex says
// are damaged. False means that the error says something else, too: files
// that could not be read may be whole.
func DamagedIndexFiles(err error) ([]id.ID, bool) {
	switch e := err.(type) { //nolint:errorlint // it takes the error apart itself
	case nil:
		return nil, true
	case *FileError:
		return []id.ID{e.ID}, IsCorrupt(e) || errors.Is(e, index.ErrDamaged)
	case interface{ Unwrap() []error }:
		var files []id.ID
		for _, part := range e.Unwrap() {
			damaged, ok := DamagedIndexFiles(part)
			if !ok {
				return nil, false
			}
			files = append(files, damaged...)
		}
		return files, true
	case interface{ Unwrap() error }:
		inner := e.Unwrap()
		if inner == nil {
			return nil, false
		}
		return DamagedIndexFiles(inner)
	}
	return nil, false
}
