package archive

import (
	"cmp"
	"context"
	"slices"

	"holdfast/repository/blob"
)

const (
	// batchBytes and batchBlobs are how much content is asked for together.
	// What follows each other in a tar mostly lies together in packs: small
	// files are then read by the megabyte, not by a request for each.
	batchBytes = 4 << 20
	batchBlobs = 2000
	// readsAtOnce bounds the packs that are read in parallel, and so the
	// memory for blobs being opened.
	readsAtOnce = 6
)

// wanted is a blob that the tar will come to. Its room is reserved.
type wanted struct {
	blob.Blob
	loaded chan []byte
}

// gather notes a blob, asks for all that has gathered when that is enough, and
// returns the blob's turn.
func (p *pipeline) gather(ctx context.Context, w wanted) (turn int, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.batch, p.batched = append(p.batch, w), p.batched+int(w.DataLength())
	p.gathered++
	if p.batched >= batchBytes || len(p.batch) >= batchBlobs {
		err = p.askAll(ctx)
	}
	return p.gathered, err
}

// ask makes sure that the blob of a turn is asked for, or all for turn 0.
func (p *pipeline) ask(ctx context.Context, turn int) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if turn != 0 && turn <= p.asked {
		return nil
	}
	return p.askAll(ctx)
}

// askAll begins to load what has gathered. It waits for a free place to read
// from, never for the tar.
func (p *pipeline) askAll(ctx context.Context) error {
	slices.SortStableFunc(p.batch, func(a, b wanted) int {
		return cmp.Or(a.Pack.Compare(b.Pack), cmp.Compare(a.Offset, b.Offset))
	})
	for rest := p.batch; len(rest) > 0; {
		n := 1
		for n < len(rest) && rest[n].Pack == rest[0].Pack {
			n++
		}
		some := slices.Clone(rest[:n])
		rest = rest[n:]
		select {
		case p.reading <- struct{}{}:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		p.group.Go(func() error {
			defer func() { <-p.reading }()
			return p.load(ctx, some)
		})
	}
	p.batch, p.batched, p.asked = p.batch[:0], 0, p.gathered
	return nil
}

// load loads blobs of one pack, which come in the order of their offsets.
func (p *pipeline) load(ctx context.Context, some []wanted) error {
	if len(some) > 1 {
		var err error
		if some, err = p.stream(ctx, some); err != nil {
			return err
		}
	}
	for _, w := range some {
		if err := p.loadOne(ctx, w); err != nil {
			return err
		}
	}
	return nil
}

// loadOne loads a blob by itself, from wherever it is sound.
func (p *pipeline) loadOne(ctx context.Context, w wanted) error {
	plain, err := p.repo.LoadBlob(ctx, w.Handle, p.buffers.Get(int(w.DataLength())))
	if err == nil {
		w.loaded <- plain
	}
	return err
}

// stream loads blobs in as few requests as is sensible. It returns those that
// are left when the pack cannot be read: they may be had elsewhere.
func (p *pipeline) stream(ctx context.Context, some []wanted) (left []wanted, err error) {
	var blobs []blob.Blob // each once, also where several files share it
	for _, w := range some {
		if len(blobs) == 0 || blobs[len(blobs)-1] != w.Blob {
			blobs = append(blobs, w.Blob)
		}
	}
	left = some
	var failed error
	err = p.repo.StreamPack(ctx, some[0].Pack, blobs, func(b blob.Blob, plain []byte, damage error) error {
		for len(left) > 0 && left[0].Blob == b {
			if damage != nil {
				failed = p.loadOne(ctx, left[0])
			} else {
				left[0].loaded <- append(p.buffers.Get(len(plain)), plain...)
			}
			if failed != nil {
				return failed
			}
			left = left[1:]
		}
		return nil
	})
	switch {
	case failed != nil:
		return nil, failed
	case err != nil && ctx.Err() != nil:
		return nil, context.Cause(ctx)
	}
	return left, nil // empty, or tried once more with the reason for failing
}
