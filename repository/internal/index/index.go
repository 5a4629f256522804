package index

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"holdfast/repository/id"
)

// maxSegments bounds the segments in use, and so the cost of a lookup.
const maxSegments = 8

// mergeRatio keeps the sizes of segments apart: an older segment is merged
// with newer ones that, together, are at least 1/mergeRatio of its size. Each
// entry is so rewritten a logarithmic number of times.
const mergeRatio = 2

// Index is the table of every blob of a repository. It holds nothing until
// the first Sync. Lookups may run at any time from many goroutines, beside
// Sync and Add too, and take no lock; they see the table before or after such
// a change, never between.
type Index struct {
	folder folder
	// current is what lookups see.
	current atomic.Pointer[view]

	// mu is held by whoever changes the table.
	mu sync.Mutex
	// cached are the segments that Open found and Sync has not yet judged.
	cached []*segment
}

// Open opens the cached index in a folder that holds nothing else, and makes
// the folder if need be. With dir "" the index lives in temporary files that
// go with it. Damaged files in the folder are deleted.
func Open(dir string) (*Index, error) {
	f, err := openFolder(dir)
	if err != nil {
		return nil, err
	}
	x := &Index{folder: f}
	x.current.Store(&view{})
	if x.cached, err = f.segments(); err != nil {
		return nil, err
	}
	return x, nil
}

// Close releases the index. No other method may run or be called any more.
func (x *Index) Close() error {
	for _, s := range append(x.cached, x.current.Swap(&view{}).segments...) {
		s.close()
	}
	x.cached = nil
	return x.folder.close()
}

// FileError says that one index file could not be used. Err is what load
// returned, or wraps ErrDamaged.
type FileError struct {
	ID  id.ID
	Err error
}

// Error names the file.
func (e *FileError) Error() string { return fmt.Sprintf("index file %s: %v", e.ID.Short(), e.Err) }

// Unwrap returns the cause.
func (e *FileError) Unwrap() error { return e.Err }

// Sync makes the index hold what the live index files say, and nothing else.
// Files it does not know are fetched by load, which returns the plaintext of
// one, is called from several goroutines at once, and must not touch what it
// returned afterwards.
//
// When files cannot be loaded or decoded, the index holds the rest, and the
// error joins a *FileError for each of them; the next Sync tries them again.
// After any other error the index is as it was.
func (x *Index) Sync(ctx context.Context, live []id.ID, load Loader) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	p := newPlan(append(slices.Clone(x.current.Load().segments), x.cached...), live)
	b := newBuilder(x.folder)
	defer b.discard()
	bad, err := loadFiles(ctx, p.missing, load, b)
	if err != nil {
		return fmt.Errorf("load index files: %w", err)
	}
	if err := x.apply(ctx, b, p); err != nil {
		return err
	}
	x.cached = nil
	return bad
}

// Add makes what an index file says visible that this process has just
// written. One that is known already changes nothing.
func (x *Index) Add(ctx context.Context, file id.ID, packs []Pack) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	v := x.current.Load()
	if v.covers(file) {
		return nil
	}
	var s staged
	for _, p := range packs {
		s.addPack(p.ID, p.Blobs)
	}
	b := newBuilder(x.folder)
	defer b.discard()
	if err := b.add(file, &s); err != nil {
		return errors.Join(err, b.sorters.Wait())
	}
	return x.apply(ctx, b, plan{keep: slices.Clone(v.segments)})
}

// apply merges what the builder holds with the segments that the plan
// rewrites, or that have become too many or too small, and makes the result
// current.
func (x *Index) apply(ctx context.Context, b *builder, p plan) error {
	for _, r := range p.rewrite {
		if err := b.adopt(r.segment, r.keep); err != nil {
			return errors.Join(err, b.sorters.Wait())
		}
	}
	small := p.takeSmall(b.entries, b.isEmpty())
	for _, s := range small {
		if err := b.adopt(s, allOf(s)); err != nil {
			return errors.Join(err, b.sorters.Wait())
		}
	}
	if !b.isEmpty() {
		merged, err := b.finish(ctx)
		if err != nil {
			return err
		}
		p.keep = append(p.keep, merged)
	}
	x.current.Store(newView(p.keep))
	x.forget(append(p.useless, small...), p)
	return nil
}

// forget deletes the files of segments that were merged or are not needed.
// The mappings end when the last lookup has let go of them.
func (x *Index) forget(segments []*segment, p plan) {
	for _, r := range p.rewrite {
		segments = append(segments, r.segment)
	}
	inUse := map[string]bool{}
	for _, s := range p.keep {
		inUse[s.path] = true
	}
	for _, s := range segments {
		if !inUse[s.path] {
			x.folder.remove(s)
		}
	}
}

func allOf(s *segment) []bool { return slices.Repeat([]bool{true}, len(s.files)) }

// plan says what becomes of the segments there are.
type plan struct {
	// keep are used as they are.
	keep []*segment
	// rewrite cover index files that are gone, or covered already.
	rewrite []rewrite
	// useless cover no other index files.
	useless []*segment
	// missing are the live index files that no segment covers.
	missing []id.ID
}

// rewrite names the index files of a segment that are kept, by their number.
type rewrite struct {
	segment *segment
	keep    []bool
}

// newPlan makes each live index file covered by exactly one segment, the
// largest that covers it, or missing.
func newPlan(segments []*segment, live []id.ID) plan {
	var p plan
	uncovered := id.NewSet(live...)
	slices.SortStableFunc(segments, func(a, b *segment) int { return cmp.Compare(b.len(), a.len()) })
	for _, s := range segments {
		keep := make([]bool, len(s.files))
		kept := 0
		for i, file := range s.files {
			if uncovered.Has(file) {
				delete(uncovered, file)
				keep[i] = true
				kept++
			}
		}
		switch kept {
		case len(s.files):
			p.keep = append(p.keep, s)
		case 0:
			p.useless = append(p.useless, s)
		default:
			p.rewrite = append(p.rewrite, rewrite{s, keep})
		}
	}
	for i := range uncovered {
		p.missing = append(p.missing, i)
	}
	return p
}

// takeSmall removes from the kept segments those that should be merged with a
// new one of so many entries, or with each other if there is nothing new, and
// returns them.
func (p *plan) takeSmall(entries uint64, nothingNew bool) []*segment {
	if nothingNew && len(p.keep) <= maxSegments {
		return nil
	}
	slices.SortStableFunc(p.keep, func(a, b *segment) int { return cmp.Compare(b.len(), a.len()) })
	n := len(p.keep)
	for n > 0 {
		size := uint64(p.keep[n-1].len())
		if size > mergeRatio*entries && n < maxSegments {
			break
		}
		entries += size
		n--
	}
	small := slices.Clone(p.keep[n:])
	p.keep = p.keep[:n]
	return small
}
