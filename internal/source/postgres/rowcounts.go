package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"holdfast/internal/postgres/rowcount"
	"holdfast/internal/source"
)

// WithRowCounts adds to a backup a file of how many rows its tables have. They
// are counted when all else has arrived or, with first, before anything does:
// a backup that brings its log along is restored to its own end, which is then
// after the count. What keeps them from being counted is no reason to have no
// backup: warn is told.
func WithRowCounts(src source.Arrivals, root string, first bool, take func(ctx context.Context) (*rowcount.Counts, error), warn func(error)) source.Arrivals {
	c := &counted{Arrivals: src, root: root, first: first, take: take, warn: warn}
	if side, ok := src.(source.SideBySide); ok {
		return &countedSideBySide{counted: c, side: side}
	}
	return c
}

// counted is a backup with row counts.
type counted struct {
	source.Arrivals
	root  string
	first bool
	take  func(ctx context.Context) (*rowcount.Counts, error)
	warn  func(error)
	done  bool
	ended bool // the source has; it is not asked again
}

// countedSideBySide is one whose files are read side by side.
type countedSideBySide struct {
	*counted
	side source.SideBySide
}

var _ source.SideBySide = (*countedSideBySide)(nil)

func (c *countedSideBySide) Readers() int { return c.side.Readers() }

var _ source.Settling = (*counted)(nil)

// Settled is that of the backup.
func (c *counted) Settled() time.Time {
	if s, ok := c.Arrivals.(source.Settling); ok {
		return s.Settled()
	}
	return time.Time{}
}

// Next returns the next file.
func (c *counted) Next(ctx context.Context) (*source.Arrival, error) {
	if c.first {
		if a, err := c.once(ctx); a != nil || err != nil {
			return a, err
		}
	}
	if c.ended {
		return nil, io.EOF
	}
	a, err := c.Arrivals.Next(ctx)
	if !errors.Is(err, io.EOF) {
		return a, err
	}
	c.ended = true
	if a, err := c.once(ctx); a != nil || err != nil {
		return a, err
	}
	return nil, io.EOF
}

// once counts, unless that was done, and returns the file.
func (c *counted) once(ctx context.Context) (*source.Arrival, error) {
	if c.done {
		return nil, nil //nolint:nilnil // nothing more to hand over
	}
	c.done = true
	counts, err := c.take(ctx)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		c.warn(fmt.Errorf("rows are not counted: %w", err))
		return nil, nil //nolint:nilnil // as above
	}
	return rowCountArrival(c.root, counts)
}

// rowCountArrival is the file of row counts.
func rowCountArrival(root string, counts *rowcount.Counts) (*source.Arrival, error) {
	text, err := counts.Encode()
	if err != nil {
		return nil, err
	}
	node := dumpNode()
	node.Size = uint64(len(text))
	return &source.Arrival{Path: rowcount.File(root), Node: node, Content: io.NopCloser(bytes.NewReader(text))}, nil
}
