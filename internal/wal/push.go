package wal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"holdfast/internal/logarchive"
	"holdfast/internal/postgres"
)

// PushOptions tell how files of pg_wal are archived.
type PushOptions struct {
	Archives
	// Ahead is how many more files that wait in pg_wal/archive_status are
	// archived on the way: each later push of one of them only has to look.
	Ahead int
	// Mark has files that were archived ahead marked as such: see pusher.markAhead.
	Mark bool
	// Uploads is how many files are uploaded at once.
	Uploads int
	// Retained bounds what waits in pg_wal.
	Retained
}

// Push archives one file of pg_wal, as archive_command must: it returns nil
// only when the file is durable, or let go as Retained says. The same file
// again is no error; another content under its name is.
func Push(ctx context.Context, path string, o PushOptions) error {
	p, err := newPusher(ctx, o)
	if err != nil {
		return err
	}
	if there, err := o.archived(ctx, path); there || err != nil {
		return err
	}
	begun := time.Now()
	err = p.push(ctx, path, o.Mark)
	// Files are closed by the end of the process: uploads that were left
	// behind may still read them.
	p.settle(ctx, lagFactor*time.Since(begun)+time.Second)
	return err
}

// archived tells whether all archives have the file already, as after a push
// that went ahead: then this one need not. An archive that cannot be asked is
// asked again by writing.
func (a Archives) archived(ctx context.Context, path string) (bool, error) {
	f, err := openFile(path)
	if err != nil {
		return false, err
	}
	defer f.Close() //nolint:errcheck // it was only read
	var digest logarchive.Digest
	for _, archive := range a.All {
		r, err := archive.Record(ctx, f.segment)
		if errors.Is(err, logarchive.ErrForged) || errors.Is(err, logarchive.ErrOutOfChain) {
			return false, fmt.Errorf("push %s: %w", f.segment.Name, err)
		}
		if err != nil {
			return false, nil //nolint:nilerr // the append will tell
		}
		if digest.IsZero() {
			if digest, err = logarchive.Sum(ctx, f); err != nil {
				return false, fmt.Errorf("push %s: %w", f.segment.Name, err)
			}
		}
		if r.SHA256 != digest {
			return false, nil // the append refuses, with the reason
		}
		if told, err := archive.Told(ctx, f.segment); err != nil || !told {
			return false, nil //nolint:nilerr // as above
		}
	}
	return f.Unchanged() == nil, nil
}

// lagFactor is how many times as long as the archives that counted the slower
// ones may take before they are left behind.
const lagFactor = 3

// walFile is an open file of pg_wal with what it is.
type walFile struct {
	*os.File
	size    int64
	segment logarchive.Segment
}

func (f *walFile) Size() int64 { return f.size }

// Unchanged makes sure that the server has not begun to write another segment
// over the file, as it does with those it needs no more: from the first page
// on, whose header says what it is.
func (f *walFile) Unchanged() error {
	if f.segment.Kind != logarchive.Whole {
		return nil
	}
	h, err := f.header()
	if err == nil && logarchive.Position(h.Start) != f.segment.Start {
		err = errReused
	}
	return err
}

var errReused = errors.New("the server has written other WAL over the file")

func openFile(path string) (*walFile, error) {
	name, err := postgres.ParseFileName(filepath.Base(path))
	if err != nil {
		return nil, fmt.Errorf("push: %w", err)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("push: %w", err)
	}
	w := &walFile{File: f}
	if err := w.describe(name, path); err != nil {
		return nil, errors.Join(fmt.Errorf("push %s: %w", name, err), f.Close())
	}
	return w, nil
}

// describe finds out what the file is, and makes sure that it is what its
// name says.
func (f *walFile) describe(name postgres.FileName, path string) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	f.size = info.Size()
	system, err := systemOf(dataDirOf(path))
	if err != nil {
		return err
	}
	f.segment = logarchive.Segment{Stream: streamName(system), Line: name.Timeline, Name: name.String()}
	switch name.Kind {
	case postgres.HistoryFile:
		f.segment.Kind = logarchive.History
		return nil
	case postgres.BackupFile:
		f.segment.Kind = logarchive.Label
		f.segment.Start = logarchive.Position(uint64(name.High) << 32)
		f.segment.End = f.segment.Start
		return nil
	}
	f.segment.Kind = logarchive.Whole
	if name.Kind == postgres.PartialFile {
		f.segment.Kind = logarchive.Part
	}
	h, err := f.header()
	if err != nil {
		return err
	}
	start := name.Start(h.SegmentBytes)
	switch {
	case h.System != system:
		return fmt.Errorf("it comes from cluster %d, and the data directory is of cluster %d", h.System, system)
	case h.Start != start, h.Timeline > name.Timeline:
		return fmt.Errorf("it holds the WAL from %s on timeline %d, which is not what its name says", h.Start, h.Timeline)
	case f.size != h.SegmentBytes:
		return fmt.Errorf("it has %d bytes instead of %d: it is cut short", f.size, h.SegmentBytes)
	}
	f.segment.Start, f.segment.End = logarchive.Position(start), logarchive.Position(uint64(start)+uint64(h.SegmentBytes))
	return nil
}

func (f *walFile) header() (postgres.SegmentHeader, error) {
	head := make([]byte, postgres.SegmentHeaderBytes)
	if _, err := f.ReadAt(head, 0); err != nil && !errors.Is(err, io.EOF) {
		return postgres.SegmentHeader{}, err
	}
	return postgres.ParseSegmentHeader(head)
}

// waitingAfter returns the names of segments that follow the one at path
// directly and are ready to be archived, at most n.
func waitingAfter(path string, n int) ([]string, error) {
	first, err := postgres.ParseFileName(filepath.Base(path))
	if err != nil || n <= 0 || first.Kind != postgres.SegmentFile {
		return nil, err
	}
	ready, err := readySegments(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	names := slices.DeleteFunc(ready, func(name string) bool {
		return name <= first.String() || name[:timelineDigits] != first.String()[:timelineDigits]
	})
	return names[:min(n, len(names))], nil
}

// timelineDigits is how many characters of a segment's name are its timeline.
const timelineDigits = 8
