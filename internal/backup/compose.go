package backup

import (
	"context"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"holdfast/internal/crc32c"
	"holdfast/internal/source"
	"holdfast/repository/blob"
	"holdfast/repository/id"
)

// composer makes whole files of an earlier state and the blocks that changed.
//
// Pieces of a file that hold no changed block are taken over by their ID. The
// others are read back, the blocks put in, and stored. Where the cuts of both
// states differ (the file has grown or shrunk beyond the size at which they
// do), or most of the file is gone, it is written anew (see rewrite).
//
// The checksum of the whole is computed from that of the earlier state and the
// pieces that differ, which are read back in any case: nothing else is read.
type composer struct {
	in      *arrivals
	g       *errgroup.Group
	batch   []*piece
	batches chan struct{} // a place for each batch being worked on
	open    atomic.Int64  // files not yet composed
}

const (
	// batchPieces is how many pieces are read back together, in the order in
	// which they lie in packs; batchesAtOnce how many such batches are under
	// way. They bound the memory to 64 MiB: two pieces of 128 KiB each, as they
	// were and as they are.
	batchPieces   = 64
	batchesAtOnce = 4
)

func newComposer(in *arrivals, g *errgroup.Group) *composer {
	return &composer{in: in, g: g, batches: make(chan struct{}, batchesAtOnce)}
}

// composition is a file being composed.
type composition struct {
	*source.Changes
	file     *arrivedFile
	size     int64 // of the whole
	cut      int64
	earlier  int64 // the earlier size
	composer *composer

	mu       sync.Mutex
	open     int    // pieces not yet stored, and one until all are known
	out, put uint32 // sums of the pieces taken out of the earlier state, and put in
}

// piece is a part of a file, between two cuts, that differs.
type piece struct {
	*composition
	number int
	// was is the blob of the earlier state; at where it lies. Zero if the
	// earlier file did not reach so far.
	was id.ID
	at  blob.Location
	// is holds the changed blocks in their places, and zeros; nil for a piece
	// that is gone.
	is     []byte
	blocks []uint32
}

// file composes a file.
func (c *composer) file(ctx context.Context, arrival *source.Arrival, f *arrivedFile) error {
	m := &composition{
		Changes: arrival.Changes, file: f, composer: c, open: 1,
		size: int64(arrival.Node.Size), cut: int64(arrival.CutBytes), earlier: int64(arrival.Changes.Earlier.Size), //nolint:gosec // no file is larger
	}
	c.open.Add(1)
	f.item.State, f.item.Size = Changed, arrival.Node.Size
	if m.isUnchanged() {
		f.item.State = Unchanged
	}
	agree, err := m.cutsAgree()
	if err != nil {
		return fmt.Errorf("%s: %w", arrival.Path, err)
	}
	if !agree || m.mostIsGone() {
		return c.rewrite(ctx, arrival, m)
	}
	if err := m.gather(ctx, arrival); err != nil {
		return fmt.Errorf("%s: %w", arrival.Path, err)
	}
	c.in.a.progress.count(&f.item)
	m.pieceDone(0, 0)
	return nil
}

func (m *composition) isUnchanged() bool {
	return len(m.Blocks) == 0 && m.size == m.earlier && m.KeepBytes >= m.size
}

// mostIsGone tells whether more would be read to take the end of the earlier
// state out of its checksum than to read the beginning that stays.
func (m *composition) mostIsGone() bool {
	return m.earlier-m.size > min(m.size, m.KeepBytes)
}

// cutsAgree tells whether the earlier state is cut where this one is to be;
// that of a file that is the same does not matter. All of it must be stored.
func (m *composition) cutsAgree() (bool, error) {
	agree, end := true, int64(0)
	for _, i := range m.Earlier.Content {
		h := blob.Handle{ID: i, Type: blob.Data}
		at, ok := m.composer.in.a.repo.Index().Lookup(h)
		if !ok || !m.composer.in.a.target.holds(h) {
			return false, fmt.Errorf("%w: %s is missing", source.ErrEarlier, h)
		}
		agree = agree && end%m.cut == 0
		end += int64(at.DataLength())
		agree = agree && (end%m.cut == 0 || end == m.earlier)
	}
	if end != m.earlier {
		return false, fmt.Errorf("%w: its blobs have %d bytes instead of %d", source.ErrEarlier, end, m.earlier)
	}
	agree = agree && int64(len(m.Earlier.Content)) == pieces(m.earlier, m.cut)
	return agree || m.isUnchanged(), nil
}

// pieces returns how many pieces a file is cut into.
func pieces(size, cut int64) int64 { return (size + cut - 1) / cut }

// gather takes over what is the same, and has the other pieces composed. All
// of the arrival's content is read.
func (m *composition) gather(ctx context.Context, arrival *source.Arrival) error {
	m.file.content = make([]id.ID, pieces(m.size, m.cut))
	if m.isUnchanged() {
		m.file.content = m.Earlier.Content
		return nil
	}
	blocks := m.Blocks
	for number := range m.file.content {
		from := int64(number) * m.cut
		to := min(from+m.cut, m.size)
		count := 0
		for count < len(blocks) && int64(blocks[count])*int64(m.BlockBytes) < to {
			count++
		}
		p := &piece{composition: m, number: number, blocks: blocks[:count]}
		blocks = blocks[count:]
		if count == 0 && to <= m.KeepBytes && min(from+m.cut, m.earlier) == to {
			m.file.content[number] = m.Earlier.Content[number]
			continue
		}
		if err := p.receive(arrival, from, to); err != nil {
			return err
		}
		if err := m.composer.add(ctx, p); err != nil {
			return err
		}
	}
	if len(blocks) > 0 {
		return fmt.Errorf("block %d lies beyond the %d bytes of the file", blocks[0], m.size)
	}
	for number := len(m.file.content); number < len(m.Earlier.Content); number++ {
		if err := m.composer.add(ctx, &piece{composition: m, number: number}); err != nil {
			return err
		}
	}
	return nil
}

// receive reads the changed blocks of a piece.
func (p *piece) receive(arrival *source.Arrival, from, to int64) error {
	p.is = p.composer.in.a.buffers.Get(int(to - from))[:to-from]
	clear(p.is)
	for _, number := range p.blocks {
		block := p.is[int64(number)*int64(p.BlockBytes)-from:][:p.BlockBytes]
		if _, err := io.ReadFull(arrival.Content, block); err != nil {
			return fmt.Errorf("block %d arrives cut short: %w", number, err)
		}
	}
	p.composer.in.a.progress.BytesRead.Add(uint64(len(p.blocks) * p.BlockBytes)) //nolint:gosec // never negative
	return nil
}

// add puts a piece into the batch.
func (c *composer) add(ctx context.Context, p *piece) error {
	if p.number < len(p.Earlier.Content) {
		p.was = p.Earlier.Content[p.number]
		p.at, _ = c.in.a.repo.Index().Lookup(blob.Handle{ID: p.was, Type: blob.Data})
	}
	p.mu.Lock()
	p.open++
	p.mu.Unlock()
	c.batch = append(c.batch, p)
	if len(c.batch) < batchPieces {
		return nil
	}
	return c.flush(ctx)
}

// flush has the batch worked on.
func (c *composer) flush(ctx context.Context) error {
	batch := c.batch
	if len(batch) == 0 {
		return nil
	}
	c.batch = nil
	select {
	case c.batches <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	c.g.Go(func() error {
		defer func() { <-c.batches }()
		return c.in.a.readBack(ctx, batch)
	})
	return nil
}

// wait waits until all files are composed.
func (c *composer) wait(ctx context.Context) error {
	if err := c.flush(ctx); err != nil {
		return err
	}
	for range batchesAtOnce {
		select {
		case c.batches <- struct{}{}:
			defer func() { <-c.batches }()
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	if c.open.Load() > 0 { // the batch that failed has ended, and its error is on its way
		<-ctx.Done()
		return context.Cause(ctx)
	}
	return nil
}

// compose puts the earlier state under the changed blocks and stores the
// piece. was is nil if there is none.
func (p *piece) compose(ctx context.Context, a *archiver, was []byte) error {
	from := int64(p.number) * p.cut
	out := crc32c.Shift(crc32c.Part(was), p.earlier-from-int64(len(was)))
	if p.is == nil {
		p.pieceDone(out, 0)
		return nil
	}
	p.fill(was[:max(0, min(int64(len(was)), p.KeepBytes-from, int64(len(p.is))))], from)
	put := crc32c.Shift(crc32c.Part(p.is), p.size-from-int64(len(p.is)))
	saved, err := a.storeChunk(ctx, p.is)
	if err != nil {
		return err
	}
	p.file.content[p.number] = saved.ID
	p.pieceDone(out, put)
	return nil
}

// fill copies the earlier content to where no block has changed.
func (p *piece) fill(was []byte, from int64) {
	at := 0
	for _, number := range p.blocks {
		block := int(int64(number)*int64(p.BlockBytes) - from)
		if at < len(was) {
			copy(p.is[at:block], was[at:])
		}
		at = block + p.BlockBytes
	}
	if at < len(was) {
		copy(p.is[at:], was[at:])
	}
}

// pieceDone counts a piece; after the last one the file is composed.
func (m *composition) pieceDone(out, put uint32) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.out ^= out
	m.put ^= put
	if m.open--; m.open > 0 {
		return
	}
	stays := crc32c.Whole(m.EarlierSum, m.earlier) ^ m.out
	m.done(crc32c.Whole(crc32c.Shift(stays, m.size-m.earlier)^m.put, m.size))
}

// done ends a file.
func (m *composition) done(sum uint32) {
	m.Composed(sum)
	m.composer.open.Add(-1)
}
