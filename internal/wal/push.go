package wal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"holdfast/internal/logarchive"
	"holdfast/internal/postgres"
)

// PushOptions tell how Push works.
type PushOptions struct {
	Archives
	// Ahead is how many more files that wait in pg_wal/archive_status are
	// archived on the way: each later push of one of them only has to look.
	Ahead int
	// Uploads is how many files are uploaded at once.
	Uploads int
}

// Push archives one file of pg_wal, as archive_command must: it returns nil
// only when the file is durable. The same file again is no error; another
// content under its name is.
func Push(ctx context.Context, path string, o PushOptions) error {
	file, err := openFile(path)
	if err != nil {
		return err
	}
	// Files are closed by the end of the process: uploads that were left
	// behind may still read them.
	if ok, err := o.archived(ctx, file); ok || err != nil {
		return err
	}
	ap, err := o.newAppenders(max(o.Uploads, 1))
	if err != nil {
		return err
	}
	begun := time.Now()
	first := ap.begin(ctx, file.segment, file)
	ahead := pushAhead(ctx, ap, path, o.Ahead)
	if err = first.wait(ctx); err != nil {
		err = fmt.Errorf("push %s: %w", file.segment.Name, err)
	}
	ahead = append(ahead, aheadFile{file, first})
	settle(ctx, ahead, time.Since(begun))
	return err
}

// lagFactor is how many times as long as the archives that counted the slower
// ones may take before they are left behind.
const lagFactor = 3

// settle lets what is on its way arrive: slower archives, and files that were
// not asked for yet. What went wrong with those is told when they are.
func settle(ctx context.Context, begun []aheadFile, took time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, lagFactor*took+time.Second)
	defer cancel()
	for _, f := range begun {
		f.pending.settle(ctx)
	}
}

// walFile is an open file of pg_wal with what it is.
type walFile struct {
	*os.File
	size    int64
	segment logarchive.Segment
}

func (f *walFile) Size() int64 { return f.size }

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

// archived tells whether all archives have the file already, as after a push
// that went ahead. An archive that cannot be asked is asked again by writing.
func (a Archives) archived(ctx context.Context, f *walFile) (bool, error) {
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
	}
	return true, nil
}

// aheadFile is a file that was pushed before PostgreSQL asked.
type aheadFile struct {
	file    *walFile
	pending *pending
}

// pushAhead begins to archive the files that follow a segment without a gap
// and wait for their turn.
func pushAhead(ctx context.Context, ap *appenders, path string, n int) []aheadFile {
	waiting, err := waitingAfter(path, n)
	if err != nil {
		return nil // each is pushed when its turn comes, and then it tells
	}
	var begun []aheadFile
	for _, name := range waiting {
		f, err := openFile(filepath.Join(filepath.Dir(path), name))
		if err != nil {
			break
		}
		begun = append(begun, aheadFile{f, ap.begin(ctx, f.segment, f)})
	}
	return begun
}

// waitingAfter returns the names of segments that follow the one at path
// directly and are ready to be archived, at most n.
func waitingAfter(path string, n int) ([]string, error) {
	first, err := postgres.ParseFileName(filepath.Base(path))
	if err != nil || n <= 0 || first.Kind != postgres.SegmentFile {
		return nil, err
	}
	entries, err := os.ReadDir(filepath.Join(filepath.Dir(path), "archive_status"))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		name, ready := strings.CutSuffix(e.Name(), ".ready")
		f, err := postgres.ParseFileName(name)
		if ready && err == nil && f.Kind == postgres.SegmentFile && f.Timeline == first.Timeline && name > first.String() {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names[:min(n, len(names))], nil
}
