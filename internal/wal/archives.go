package wal

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"holdfast/internal/logarchive"
	"holdfast/storage"
)

// Archives are the log archives of one source, in one or several stores.
type Archives struct {
	All []*logarchive.Archive
	// Confirm is how many of them must have a segment before it counts as
	// archived; 0 means all.
	Confirm int
	// Lagging, if set, is told of archives that could not be written to while
	// enough others could.
	Lagging func(location string, err error)
}

func (a Archives) needed() int {
	if a.Confirm <= 0 || a.Confirm > len(a.All) {
		return len(a.All)
	}
	return a.Confirm
}

// appenders write each segment to all archives: each has a lane of its own,
// so that one that is slow or down holds up no other.
type appenders struct {
	archives Archives
	each     []*logarchive.Appender
	lanes    []chan laneJob
}

// laneJob is a segment on its way to one archive.
type laneJob struct {
	ctx     context.Context // of the append
	segment logarchive.Segment
	body    storage.Body
	begun   chan<- begun
}

// begun is an append that has begun, or why it could not.
type begun struct {
	ticket *logarchive.Ticket
	err    error
}

// laneWaits bounds the segments that wait for one archive besides those that
// are uploaded. Each is a file that is kept open.
const laneWaits = 8

// ErrBehind says that an archive is so far behind the others that it misses a
// segment. It has a gap then, which is healed from them.
var ErrBehind = errors.New("it is too far behind; what it misses must be copied from another repository")

// newAppenders returns appenders that work on so many segments at once, until
// close.
func (a Archives) newAppenders(uploads int) (*appenders, error) {
	if len(a.All) == 0 {
		return nil, errors.New("there is no log archive to write to")
	}
	ap := &appenders{archives: a}
	for _, archive := range a.All {
		one, err := archive.NewAppender(uploads)
		if err != nil {
			ap.close()
			return nil, err
		}
		lane := make(chan laneJob, laneWaits)
		ap.each, ap.lanes = append(ap.each, one), append(ap.lanes, lane)
		go func() { // until close
			for j := range lane {
				ticket, err := one.Append(j.ctx, j.segment, j.body)
				j.begun <- begun{ticket, err}
			}
		}()
	}
	return ap, nil
}

// close ends the lanes. What they have goes on, as long as its context does.
func (ap *appenders) close() {
	for _, lane := range ap.lanes {
		close(lane)
	}
}

// goOn tells all archives that the log of a timeline goes on at a position:
// what one of them lacks before it is in the others, or was let go.
func (ap *appenders) goOn(timeline uint32, from logarchive.Position) {
	for _, one := range ap.each {
		one.GoOn(timeline, from)
	}
}

// pending is an append to all archives.
type pending struct {
	archives Archives
	done     func() // enough of them have it
	each     []*oneAppend
}

// oneAppend is an append to one archive: done is closed when it is over.
type oneAppend struct {
	done chan struct{}
	err  error
}

func (o *oneAppend) follow(ctx context.Context, answer <-chan begun, failed func(error)) {
	defer close(o.done)
	b := <-answer
	if o.err = b.err; b.ticket != nil {
		_, o.err = b.ticket.Wait(ctx)
	}
	if o.err != nil && ctx.Err() == nil {
		failed(o.err)
	}
}

// lagging tells of an archive that fails while others may go on.
func (a Archives) lagging(k int) func(error) {
	return func(err error) {
		if a.Lagging != nil && a.needed() < len(a.All) {
			a.Lagging(a.All[k].Location(), err)
		}
	}
}

// begin starts the append everywhere. It returns when as many archives as
// must have the segment have room for it; segments are begun in their order.
func (ap *appenders) begin(ctx context.Context, s logarchive.Segment, body storage.Body) *pending {
	p := &pending{archives: ap.archives, done: func() { ap.goOn(s.Line, s.End) }}
	var full []func() // what waits for room
	accepted := make(chan struct{}, len(ap.lanes))
	waiting, enough := context.WithCancel(ctx)
	defer enough()
	for k, lane := range ap.lanes {
		answer, one := make(chan begun, 1), &oneAppend{done: make(chan struct{})}
		p.each = append(p.each, one)
		go one.follow(ctx, answer, ap.archives.lagging(k))
		j := laneJob{ctx, s, body, answer}
		select {
		case lane <- j:
			accepted <- struct{}{}
		default:
			full = append(full, func() {
				select {
				case lane <- j:
					accepted <- struct{}{}
				case <-waiting.Done():
					answer <- begun{err: ErrBehind}
				}
			})
		}
	}
	var waiters sync.WaitGroup
	defer waiters.Wait()
	for _, wait := range full {
		waiters.Go(wait)
	}
	for range ap.archives.needed() {
		select {
		case <-accepted:
		case <-ctx.Done():
		}
	}
	enough()
	return p
}

// settle returns when no archive is being written to any more, or ctx ends.
func (p *pending) settle(ctx context.Context) {
	for _, one := range p.each {
		select {
		case <-one.done:
		case <-ctx.Done():
			return
		}
	}
}

// wait returns nil as soon as enough archives have the segment. The others go
// on; body must stay until all of them are done.
func (p *pending) wait(ctx context.Context) error {
	over := make(chan int, len(p.each))
	for k, one := range p.each {
		go func() {
			<-one.done
			over <- k
		}()
	}
	var failed []error
	confirmed := 0
	for range p.each {
		var k int
		select {
		case k = <-over:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if err := p.each[k].err; err == nil {
			confirmed++
		} else {
			failed = append(failed, fmt.Errorf("%s: %w", p.archives.All[k].Location(), err))
		}
		if confirmed >= p.archives.needed() {
			p.done()
			return nil
		}
	}
	return fmt.Errorf("%d of the %d archives that must have it: %w", confirmed, p.archives.needed(), errors.Join(failed...))
}

// archiveFile appends one small file to all archives.
func (a Archives) archiveFile(ctx context.Context, s logarchive.Segment, content []byte) error {
	ap, err := a.newAppenders(1)
	if err != nil {
		return err
	}
	defer ap.close()
	return ap.begin(ctx, s, storage.Bytes(content)).wait(ctx)
}
