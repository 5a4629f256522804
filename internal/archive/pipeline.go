package archive

import (
	"archive/tar"
	"context"
	"fmt"
	"sync"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"holdfast/repository"
	"holdfast/repository/blob"
	"holdfast/repository/id"
)

const (
	// contentAhead bounds the memory of the blobs that are loaded before the
	// tar has come to them, in bytes: three of the largest of common
	// repositories, or a link of 1 Gbit/s and 150 ms kept busy.
	contentAhead = 24 << 20
	// piecesAhead bounds the headers and blobs in the queue: so many small
	// files that what is asked for together is worth a request.
	piecesAhead = 4096
)

// piece is a part of the tar: a header, a short content, or a blob that is
// on its way.
type piece struct {
	header *tar.Header
	inline []byte
	loaded chan []byte
	weight int64
	turn   int // of the blob, among all of them, from 1 on
}

// pipeline takes the pieces of a tar in order, loads blobs in parallel, and
// writes the tar in order.
type pipeline struct {
	repo    *repository.Repository
	group   *errgroup.Group
	room    *semaphore.Weighted
	queue   chan piece
	reading chan struct{} // a place for each read under way
	buffers buffers

	mu sync.Mutex
	// batch are the blobs that are not asked for yet, batched their bytes.
	batch   []wanted
	batched int
	// gathered counts the blobs so far, asked those that were asked for.
	gathered, asked int
}

// run calls produce, which sends pieces, while it writes them to tw.
func runPipeline(ctx context.Context, r *repository.Repository, tw *tar.Writer, produce func(ctx context.Context, p *pipeline) error) error {
	g, gctx := errgroup.WithContext(ctx)
	p := &pipeline{
		repo: r, group: g, room: semaphore.NewWeighted(contentAhead),
		queue: make(chan piece, piecesAhead), reading: make(chan struct{}, readsAtOnce),
	}
	g.Go(func() error {
		defer close(p.queue)
		if err := produce(gctx, p); err != nil {
			return err
		}
		return p.ask(gctx, 0)
	})
	g.Go(func() error { return p.write(gctx, tw) })
	return g.Wait()
}

func (p *pipeline) send(ctx context.Context, next piece) error {
	select {
	case p.queue <- next:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// content sends the blobs of a file. Room for them is taken in the order in
// which they are needed: so the one needed next always has room.
func (p *pipeline) content(ctx context.Context, blobs []id.ID) error {
	for _, i := range blobs {
		h := blob.Handle{ID: i, Type: blob.Data}
		at, ok := p.repo.Index().Lookup(h)
		if !ok {
			return fmt.Errorf("%s: %w", h, repository.ErrNotIndexed)
		}
		length := int(at.DataLength())
		weight := min(int64(roomFor(length)), contentAhead)
		if err := p.room.Acquire(ctx, weight); err != nil {
			return context.Cause(ctx)
		}
		w := wanted{blob.Blob{Handle: h, Location: at}, make(chan []byte, 1)}
		turn, err := p.gather(ctx, w)
		if err == nil {
			err = p.send(ctx, piece{loaded: w.loaded, weight: weight, turn: turn})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// write writes the pieces.
func (p *pipeline) write(ctx context.Context, tw *tar.Writer) error {
	for next := range p.queue {
		if err := p.writePiece(ctx, tw, next); err != nil {
			return err
		}
	}
	return nil
}

func (p *pipeline) writePiece(ctx context.Context, tw *tar.Writer, next piece) error {
	switch {
	case next.header != nil:
		return tw.WriteHeader(next.header)
	case next.inline != nil:
		_, err := tw.Write(next.inline)
		return err
	}
	if err := p.ask(ctx, next.turn); err != nil { // it may wait for more to gather
		return err
	}
	var plain []byte
	select {
	case plain = <-next.loaded:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	_, err := tw.Write(plain)
	p.room.Release(next.weight)
	p.buffers.Put(plain)
	return err
}
