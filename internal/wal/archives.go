package wal

import (
	"context"
	"errors"
	"fmt"

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

// appenders write each segment to all archives.
type appenders struct {
	archives Archives
	each     []*logarchive.Appender
}

func (a Archives) newAppenders(uploads int) (*appenders, error) {
	if len(a.All) == 0 {
		return nil, errors.New("there is no log archive to write to")
	}
	ap := &appenders{archives: a}
	for _, archive := range a.All {
		one, err := archive.NewAppender(uploads)
		if err != nil {
			return nil, err
		}
		ap.each = append(ap.each, one)
	}
	return ap, nil
}

// pending is an append to all archives.
type pending struct {
	archives Archives
	tickets  []*logarchive.Ticket // nil where the append could not begin
	errs     []error
}

// begin starts the append everywhere.
func (ap *appenders) begin(ctx context.Context, s logarchive.Segment, body storage.Body) *pending {
	p := &pending{archives: ap.archives, tickets: make([]*logarchive.Ticket, len(ap.each)), errs: make([]error, len(ap.each))}
	for k, one := range ap.each {
		p.tickets[k], p.errs[k] = one.Append(ctx, s, body)
	}
	return p
}

// settle returns when no archive is being written to any more, or ctx ends.
func (p *pending) settle(ctx context.Context) {
	for _, ticket := range p.tickets {
		if ticket != nil {
			ticket.Wait(ctx) //nolint:errcheck // wait has told
		}
	}
}

// wait returns nil as soon as enough archives have the segment. The others go
// on; body must stay until all of them are done.
func (p *pending) wait(ctx context.Context) error {
	type answer struct {
		k   int
		err error
	}
	answers := make(chan answer, len(p.tickets))
	for k, ticket := range p.tickets {
		go func() {
			err := p.errs[k]
			if ticket != nil {
				_, err = ticket.Wait(ctx)
			}
			answers <- answer{k, err}
		}()
	}
	var failed []error
	confirmed := 0
	for range p.tickets {
		a := <-answers
		if a.err == nil {
			confirmed++
		} else {
			failed = append(failed, fmt.Errorf("%s: %w", p.archives.All[a.k].Location(), a.err))
			if p.archives.Lagging != nil {
				p.archives.Lagging(p.archives.All[a.k].Location(), a.err)
			}
		}
		if confirmed >= p.archives.needed() {
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
	if err := ap.begin(ctx, s, storage.Bytes(content)).wait(ctx); err != nil {
		return fmt.Errorf("archive %s: %w", s.Name, err)
	}
	return nil
}
