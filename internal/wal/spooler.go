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
	"holdfast/storage/tempfile"
)

// leastSpooled is how many segments are spooled at least: one that is filled,
// and one that is uploaded.
const leastSpooled = 2

// spooled is how many segments that have come may wait to be archived. Then
// nothing more is read from the server, which keeps it.
func (r *receiver) spooled() int { return max(leastSpooled, int(r.o.SpoolBytes/r.segmentBytes)) }

// spooler takes WAL as it comes and has it archived: slices of the segment
// that is being filled, and each segment when it is whole.
type spooler struct {
	ctx    context.Context // of one timeline; ends when archiving fails
	cancel context.CancelCauseFunc

	current *segmentFile
	end     postgres.LSN // of what has come
	sliced  postgres.LSN // of what is archived or on its way
	last    time.Time    // when a slice was begun

	room      chan struct{} // has one for each segment that is spooled
	jobs      chan job
	confirmed chan struct{} // holds one when the archive has more
	remover   *remover
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
	f, left, err := tempfile.Create("holdfast-wal-")
	if err != nil {
		return nil, spoolError(err)
	}
	if left != "" {
		return nil, errors.Join(spoolError(errNamed), f.Close(), os.Remove(left))
	}
	return &segmentFile{File: f, start: start}, nil
}

// errNamed is given where open files have names, which would be left by a
// process that is killed.
var errNamed = errors.New("the system does not remove the names of open files")

// spoolError is why WAL cannot be spooled. The server keeps it, and nothing was
// confirmed of it.
func spoolError(err error) error {
	return fmt.Errorf("spool WAL: %w; the server keeps it meanwhile; make room, name another folder with TMPDIR, or have less of it there with wal.spool", err)
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
	spooled := r.spooled()
	s := &spooler{
		current: current, end: r.start, sliced: r.covered, last: time.Now(),
		room: make(chan struct{}, spooled), jobs: make(chan job, spooled), confirmed: make(chan struct{}, 1),
	}
	s.room <- struct{}{}
	s.ctx, s.cancel = context.WithCancelCause(ctx)
	s.remover = newRemover(s.ctx, r.o.Archives)
	s.flushed.Store(uint64(r.covered))
	begun := make(chan begunJob, spooled)
	s.done.Add(2)
	go s.begin(ap, begun)
	go s.confirm(begun)
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
func (s *spooler) confirm(begun <-chan begunJob) {
	defer s.done.Done()
	for b := range begun {
		err := b.pending.wait(s.ctx)
		if b.segment.Kind == logarchive.Slice {
			s.inFlight.Add(-1)
		}
		if err != nil {
			s.cancel(archiveError{ofOtherCourse(err)})
		}
		if err == nil {
			s.advance(b.job)
		}
		if b.whole {
			s.release(b.file)
		}
	}
}

// advance moves on what is archived.
func (s *spooler) advance(j job) {
	if end := uint64(j.segment.End); end > s.flushed.Load() {
		s.flushed.Store(end)
	}
	select {
	case s.confirmed <- struct{}{}:
	default:
	}
	if j.whole {
		s.remover.remove(j.file.slices)
	}
}

// release closes a file when nothing reads it any more, and makes room.
func (s *spooler) release(f *segmentFile) {
	go func() {
		f.users.Wait()
		f.Close() //nolint:errcheck // it has no name, and all of it was read
		<-s.room
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
			return spoolError(err)
		}
		s.end, data = s.end+postgres.LSN(n), data[n:]
		if err := s.compare(r); err != nil {
			return err
		}
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
	s.current = nil
	err := s.patiently(r, func(alive <-chan time.Time) (bool, error) {
		select {
		case s.room <- struct{}{}:
			return true, nil
		case <-s.ctx.Done():
			return true, context.Cause(s.ctx)
		case <-alive:
			return false, nil
		}
	})
	if err == nil {
		s.current, err = newSegmentFile(s.end)
	}
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

// hand gives a job to the appenders.
func (s *spooler) hand(r *receiver, j job) error {
	return s.patiently(r, func(alive <-chan time.Time) (bool, error) {
		select {
		case s.jobs <- j:
			return true, nil
		case <-s.ctx.Done():
			return true, context.Cause(s.ctx)
		case <-alive:
			return false, nil
		}
	})
}

// patiently tries until it is done. Meanwhile the server is told that this
// side is alive, and what it keeps is bounded.
func (s *spooler) patiently(r *receiver, try func(alive <-chan time.Time) (done bool, err error)) error {
	alive := time.NewTicker(statusEvery)
	defer alive.Stop()
	since, archived := time.Now(), s.archived()
	for {
		done, err := try(alive.C)
		if done || err != nil {
			return err
		}
		if err := r.sendStatus(s); err != nil {
			return err
		}
		if now := s.archived(); now > archived {
			since, archived = time.Now(), now
		}
		if r.o.MaxBytes > 0 && time.Since(since) > patientFor {
			if err := r.checkBound(s); err != nil {
				return err
			}
			since = time.Now()
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
	if s.end <= s.sliced || len(r.expected) > 0 || s.inFlight.Load() > 0 || time.Since(s.last) < r.o.Every {
		return nil
	}
	return s.slice(r)
}

func (s *spooler) slice(r *receiver) error {
	from := max(s.sliced, s.current.start)
	if s.end <= from || len(r.expected) > 0 {
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
	switch {
	case err == nil:
		err = s.slice(r)
	case errors.Is(err, errBound): // the archives are away, and would be tried for long
		s.cancel(err)
	}
	close(s.jobs)
	s.done.Wait()
	if cause := context.Cause(s.ctx); cause != nil {
		err = cause
	}
	s.remover.close()
	s.cancel(nil)
	if s.current != nil {
		s.release(s.current)
	}
	return err
}
