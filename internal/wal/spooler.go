package wal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"holdfast/internal/logarchive"
	"holdfast/internal/postgres"
	"holdfast/storage"
)

// spooledSegments bounds the segments that have come and are not archived.
// When so many wait, nothing more is read from the server, which keeps them.
const spooledSegments = 4

// spooler takes WAL as it comes and has it archived: slices of the segment
// that is being filled, and each segment when it is whole.
type spooler struct {
	ctx    context.Context // of one timeline; ends when archiving fails
	cancel context.CancelCauseFunc

	current *segmentFile
	end     postgres.LSN // of what has come
	sliced  postgres.LSN // of what is archived or on its way
	last    time.Time    // when a slice was begun

	jobs      chan job
	confirmed chan struct{} // holds one when the archive has more
	flushed   atomic.Uint64
	inFlight  atomic.Int64 // slices on their way
	done      sync.WaitGroup
}

// job is a piece to be archived.
type job struct {
	segment logarchive.Segment
	body    storage.Body
	file    *segmentFile
	// whole tells that it is all of the file, which is let go of afterwards.
	whole bool
}

// segmentFile is a segment that is being filled, in a nameless file.
type segmentFile struct {
	*os.File
	start  postgres.LSN
	slices []logarchive.Segment
	users  sync.WaitGroup // who still reads slices of it
}

func newSegmentFile(start postgres.LSN) (*segmentFile, error) {
	f, err := os.CreateTemp("", "holdfast-wal-")
	if err != nil {
		return nil, fmt.Errorf("spool WAL: %w", err)
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, errors.Join(fmt.Errorf("spool WAL: %w", err), f.Close())
	}
	return &segmentFile{File: f, start: start}, nil
}

// newSpooler begins at the receiver's start, and archives until close.
func newSpooler(ctx context.Context, r *receiver) (*spooler, error) {
	current, err := newSegmentFile(r.start)
	if err != nil {
		return nil, err
	}
	ap, err := r.o.newAppenders(max(r.o.Uploads, 1))
	if err != nil {
		return nil, errors.Join(err, current.Close())
	}
	s := &spooler{
		current: current, end: r.start, sliced: r.covered, last: time.Now(),
		jobs: make(chan job, spooledSegments), confirmed: make(chan struct{}, 1),
	}
	s.ctx, s.cancel = context.WithCancelCause(ctx)
	s.flushed.Store(uint64(r.covered))
	begun := make(chan begunJob, spooledSegments)
	s.done.Add(2)
	go s.begin(ap, begun)
	go s.confirm(ap.archives, begun)
	return s, nil
}

// begunJob is a job whose append is under way.
type begunJob struct {
	job
	pending *pending
}

// begin starts the appends, in order.
func (s *spooler) begin(ap *appenders, begun chan<- begunJob) {
	defer s.done.Done()
	defer close(begun)
	defer ap.close()
	for j := range s.jobs {
		p := ap.begin(s.ctx, j.segment, j.body)
		j.file.users.Add(1)
		go func() {
			p.settle(s.ctx)
			j.file.users.Done()
		}()
		begun <- begunJob{j, p}
	}
}

// confirm waits for the appends, in order, and moves on what is archived.
func (s *spooler) confirm(archives Archives, begun <-chan begunJob) {
	defer s.done.Done()
	for b := range begun {
		err := b.pending.wait(s.ctx)
		if b.segment.Kind == logarchive.Slice {
			s.inFlight.Add(-1)
		}
		if err != nil {
			s.cancel(fmt.Errorf("archive %s: %w", b.segment.Name, err))
		}
		if err == nil {
			s.advance(archives, b.job)
		}
		if b.whole {
			b.file.release()
		}
	}
}

// advance moves on what is archived.
func (s *spooler) advance(archives Archives, j job) {
	if end := uint64(j.segment.End); end > s.flushed.Load() {
		s.flushed.Store(end)
	}
	select {
	case s.confirmed <- struct{}{}:
	default:
	}
	if j.whole {
		s.supersede(archives, j.file.slices)
	}
}

// supersede removes the slices of a segment that is archived whole. Those
// that stay because a store is away do no harm.
func (s *spooler) supersede(archives Archives, slices []logarchive.Segment) {
	for _, archive := range archives.All {
		if err := archive.Remove(s.ctx, slices); err != nil && archives.Lagging != nil && s.ctx.Err() == nil {
			archives.Lagging(archive.Location(), err)
		}
	}
}

// release closes the file when nothing reads it any more.
func (f *segmentFile) release() {
	go func() {
		f.users.Wait()
		f.Close() //nolint:errcheck // it has no name, and all of it was read
	}()
}

// write takes the bytes at a position, which follow those before.
func (s *spooler) write(r *receiver, at postgres.LSN, data []byte) error {
	if at != s.end {
		return fmt.Errorf("the server sent WAL from %s, and %s was to come", at, s.end)
	}
	for len(data) > 0 {
		offset := int64(s.end - s.current.start)
		n := min(int64(len(data)), r.segmentBytes-offset)
		if _, err := s.current.WriteAt(data[:n], offset); err != nil {
			return fmt.Errorf("spool WAL: %w", err)
		}
		s.end, data = s.end+postgres.LSN(n), data[n:]
		if int64(s.end-s.current.start) == r.segmentBytes {
			if err := s.whole(r); err != nil {
				return err
			}
		}
	}
	return nil
}

// whole hands over the segment that is full, and begins the next one.
func (s *spooler) whole(r *receiver) error {
	full := s.current
	j := job{segment: r.segment(full.start, s.end, logarchive.Whole), file: full, whole: true, body: io.NewSectionReader(full, 0, r.segmentBytes)}
	if err := s.hand(r, j); err != nil {
		return err
	}
	s.sliced = max(s.sliced, s.end)
	var err error
	s.current, err = newSegmentFile(s.end)
	return err
}

// segment describes a part of the timeline that lies within one segment.
func (r *receiver) segment(start, end postgres.LSN, kind logarchive.Kind) logarchive.Segment {
	return logarchive.Segment{
		Stream: r.stream, Line: r.timeline, Kind: kind,
		Name:  postgres.SegmentAt(r.timeline, start, r.segmentBytes).String(),
		Start: logarchive.Position(start), End: logarchive.Position(end),
	}
}

// hand gives a job to the appenders. While they are busy the server is still
// told that this side is alive.
func (s *spooler) hand(r *receiver, j job) error {
	alive := time.NewTicker(statusEvery)
	defer alive.Stop()
	for {
		select {
		case s.jobs <- j:
			return nil
		case <-s.ctx.Done():
			return context.Cause(s.ctx)
		case <-alive.C:
			if err := r.sendStatus(s); err != nil {
				return err
			}
		}
	}
}

// patience is how long to wait for the server before looking what else there
// is to do.
func (s *spooler) patience() time.Duration {
	if s.inFlight.Load() > 0 {
		return 2 * time.Millisecond // a commit may be waiting for it
	}
	return 50 * time.Millisecond
}

// sliceIfDue has the new part of the segment archived when it is time.
func (s *spooler) sliceIfDue(r *receiver) error {
	if s.end <= s.sliced || s.inFlight.Load() > 0 || time.Since(s.last) < r.o.Every {
		return nil
	}
	return s.slice(r)
}

func (s *spooler) slice(r *receiver) error {
	from := max(s.sliced, s.current.start)
	if s.end <= from {
		return nil
	}
	segment := r.segment(from, s.end, logarchive.Slice)
	body := io.NewSectionReader(s.current, int64(from-s.current.start), int64(s.end-from))
	s.current.slices = append(s.current.slices, segment)
	s.inFlight.Add(1)
	s.sliced, s.last = s.end, time.Now()
	return s.hand(r, job{segment: segment, body: body, file: s.current})
}

// archived is the end of what is durable.
func (s *spooler) archived() postgres.LSN { return postgres.LSN(s.flushed.Load()) }

// close has the rest archived, waits for all of it, and returns what ended
// the timeline before its time, if anything did.
func (s *spooler) close(r *receiver, pumped error) error {
	err := pumped
	if err == nil {
		err = s.slice(r)
	}
	close(s.jobs)
	s.done.Wait()
	if cause := context.Cause(s.ctx); cause != nil {
		err = cause
	}
	s.cancel(nil)
	s.current.release()
	return err
}
