package index

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"os"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"holdfast/repository/blob"
	"holdfast/repository/id"
)

// The memory of a build does not depend on what it builds.
const (
	// runEntries is how many entries are sorted in memory at once (3 MiB). A
	// build of 10 million entries merges 153 such runs.
	runEntries = 64 << 10
	// runBuffers is how many runs there are at the same time: one being
	// filled, one being sorted and stored.
	runBuffers = 2
	// writeSize is the buffer in bytes for writing a segment.
	writeSize = 256 << 10
)

// builder makes a segment out of index files and older segments. Its add may
// be called by many goroutines at once.
type builder struct {
	folder folder
	// spare holds buffers for runs, and nils for those not yet made.
	spare chan []entry

	mu    sync.Mutex
	files []id.ID
	rows  rowTable
	// run is what will be sorted next.
	run     []entry
	runs    runFile
	sorters errgroup.Group
	// sources are the older segments that are merged in.
	sources []source
	// entries counts everything above; merged-in entries that will be dropped
	// are counted too.
	entries uint64
}

func newBuilder(f folder) *builder {
	b := &builder{folder: f, rows: rowTable{folder: f}, runs: runFile{folder: f}, spare: make(chan []entry, runBuffers)}
	for range runBuffers - 1 {
		b.spare <- nil
	}
	return b
}

// discard releases the scratch files.
func (b *builder) discard() {
	b.rows.discard()
	b.runs.discard()
}

// isEmpty tells whether the builder covers no index file.
func (b *builder) isEmpty() bool { return len(b.files) == 0 }

// staged is what one index file says, before it is added as a whole.
type staged struct {
	packs   []id.ID
	entries []entry // with rows counted from the first of the packs
}

func (s *staged) addPack(pack id.ID, blobs []blob.Blob) {
	row := uint32(len(s.packs))
	s.entries = slices.Grow(s.entries, len(blobs))
	s.packs = append(s.packs, pack)
	for i := range blobs {
		s.entries = append(s.entries, newEntry(&blobs[i], row))
	}
}

// add takes in one index file.
func (b *builder) add(file id.ID, s *staged) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	first := b.rows.n
	for _, pack := range s.packs {
		if err := b.rows.add(pack, uint32(len(b.files))); err != nil {
			return err
		}
	}
	b.files = append(b.files, file)
	b.entries += uint64(len(s.entries))
	b.run = slices.Grow(b.run, min(len(s.entries), runEntries-len(b.run)))
	for _, e := range s.entries {
		e.moveTo(first + e.row())
		b.run = append(b.run, e)
		if len(b.run) == runEntries {
			b.flushRun()
		}
	}
	return nil
}

// flushRun hands the run to a goroutine that sorts and stores it, as soon as
// the one before it is done. The caller holds the lock.
func (b *builder) flushRun() {
	full := b.run
	b.run = <-b.spare
	b.sorters.Go(func() error {
		defer func() { b.spare <- full[:0] }()
		sortEntries(full)
		return b.runs.write(full)
	})
}

// adopt takes in the entries of an older segment that belong to the index
// files it may keep.
func (b *builder) adopt(s *segment, keep []bool) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	fileNumbers := make([]uint32, len(s.files))
	for i, file := range s.files {
		if keep[i] {
			fileNumbers[i] = uint32(len(b.files))
			b.files = append(b.files, file)
		}
	}
	rows := make([]uint32, s.packs())
	for row := range rows {
		pack, file := s.pack(uint32(row))
		if !keep[file] {
			rows[row] = dropped
			continue
		}
		rows[row] = b.rows.n
		if err := b.rows.add(pack, fileNumbers[file]); err != nil {
			return err
		}
	}
	b.sources = append(b.sources, &segmentSource{segment: s, rows: rows})
	b.entries += uint64(s.len())
	return nil
}

// finish merges everything into a new segment.
func (b *builder) finish(ctx context.Context) (*segment, error) {
	if err := b.sorters.Wait(); err != nil {
		return nil, err
	}
	if b.entries > math.MaxUint32 {
		return nil, fmt.Errorf("build index: %d entries are more than it can hold", b.entries)
	}
	sortEntries(b.run)
	sources := append(b.runs.sources(), b.sources...)
	sources = append(sources, &memorySource{b.run})
	f, err := b.folder.create()
	if err != nil {
		return nil, fmt.Errorf("write index segment: %w", err)
	}
	if err := b.write(ctx, f, sources); err != nil {
		return nil, errors.Join(fmt.Errorf("write index segment: %w", err), b.folder.drop(f))
	}
	return b.folder.publish(f, segmentName(b.files))
}

// write writes the sections in their order, and the header last: it holds
// what is known only then.
func (b *builder) write(ctx context.Context, f *os.File, sources []source) error {
	w := &sectionWriter{f: bufio.NewWriterSize(f, writeSize)}
	if _, err := w.f.Write(make([]byte, headerSize)); err != nil {
		return err
	}
	h := header{rows: uint64(b.rows.n), files: uint64(len(b.files)), fanoutBits: fanoutBitsFor(b.entries)}
	fanout := make([]uint32, 1<<h.fanoutBits+1)
	marks, err := newMarkFile(b.folder)
	if err != nil {
		return err
	}
	defer marks.discard()
	var line [entrySize]byte
	err = merge(ctx, sources, func(e *entry) error {
		h.entries++
		fanout[bucket(prefix(e.id[:]), h.fanoutBits)+1]++
		marks.add(&e.id)
		e.encode(line[:])
		return w.write(line[:])
	})
	if err != nil {
		return err
	}
	if err := w.writeFanout(fanout); err != nil {
		return err
	}
	if err := marks.copyTo(w); err != nil {
		return err
	}
	if err := b.rows.copyTo(w); err != nil {
		return err
	}
	for _, i := range b.files {
		if err := w.write(i[:]); err != nil {
			return err
		}
	}
	if err := w.f.Flush(); err != nil {
		return err
	}
	h.body = w.sum
	_, err = f.WriteAt(h.encode(), 0)
	return err
}

// sectionWriter writes the body of a segment and sums it up.
type sectionWriter struct {
	f   *bufio.Writer
	sum uint32
}

func (w *sectionWriter) write(p []byte) error {
	w.sum = crc32.Update(w.sum, castagnoli, p)
	_, err := w.f.Write(p)
	return err
}

// Write is write for io.Copy.
func (w *sectionWriter) Write(p []byte) (int, error) { return len(p), w.write(p) }

// writeFanout turns the number of entries of each stretch into the number
// before it, and writes these.
func (w *sectionWriter) writeFanout(counts []uint32) error {
	var line [fanoutSize]byte
	before := uint32(0)
	for _, n := range counts {
		before += n
		binary.LittleEndian.PutUint32(line[:], before)
		if err := w.write(line[:]); err != nil {
			return err
		}
	}
	return nil
}
