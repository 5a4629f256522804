package backup

import (
	"context"
	"fmt"
	"io"

	"holdfast/internal/crc32c"
	"holdfast/internal/source"
	"holdfast/repository/blob"
)

// rewrite writes a file anew, cut as its size now asks for.
func (c *composer) rewrite(ctx context.Context, arrival *source.Arrival, m *composition) error {
	content := &composedReader{ctx: ctx, composition: m, arrived: arrival.Content, rest: m.Blocks}
	whole := *arrival
	whole.Content, whole.Changes = content, nil
	m.file.composed = true
	if err := c.in.read(ctx, &whole, m.file); err != nil {
		return err
	}
	c.in.a.progress.BytesRead.Add(uint64(len(m.Blocks) * m.BlockBytes)) //nolint:gosec // never negative
	m.done(content.sum)
	return nil
}

// composedReader reads a file that is composed, from its beginning to its end,
// and computes its checksum.
type composedReader struct {
	*composition
	ctx     context.Context // of the one read
	arrived io.Reader
	rest    []uint32 // the blocks not yet read

	offset int64
	sum    uint32
	number int   // of the earlier blob at hand
	start  int64 // where it begins
	blob   []byte
}

func (r *composedReader) Read(p []byte) (n int, err error) {
	p = p[:min(int64(len(p)), r.size-r.offset)]
	if len(p) == 0 {
		return 0, io.EOF
	}
	block := r.size
	if len(r.rest) > 0 {
		block = int64(r.rest[0]) * int64(r.BlockBytes)
	}
	switch kept := min(r.KeepBytes, r.earlier); {
	case block <= r.offset:
		n, err = r.readBlock(p, block)
	case r.offset < kept:
		n, err = r.readEarlier(p[:min(int64(len(p)), min(block, kept)-r.offset)])
	default:
		p = p[:min(int64(len(p)), block-r.offset)]
		clear(p)
		n = len(p)
	}
	r.sum = crc32c.Update(r.sum, p[:n])
	r.offset += int64(n)
	return n, err
}

// readBlock reads from a block that changed.
func (r *composedReader) readBlock(p []byte, from int64) (int, error) {
	left := from + int64(r.BlockBytes) - r.offset
	n, err := io.ReadFull(r.arrived, p[:min(int64(len(p)), left)])
	if err != nil {
		return n, fmt.Errorf("block %d arrives cut short: %w", r.rest[0], err)
	}
	if int64(n) == left {
		r.rest = r.rest[1:]
	}
	return n, nil
}

// readEarlier reads from the earlier state.
func (r *composedReader) readEarlier(p []byte) (int, error) {
	a := r.composer.in.a
	for r.blob == nil || r.offset >= r.start+int64(len(r.blob)) {
		if r.blob != nil {
			r.start += int64(len(r.blob))
			r.number++
		}
		h := blob.Handle{ID: r.Earlier.Content[r.number], Type: blob.Data}
		at, _ := a.repo.Index().Lookup(h)
		if next := r.start + int64(at.DataLength()); next <= r.offset { // all of it has changed
			r.start, r.blob = next, nil
			r.number++
			continue
		}
		var err error
		if r.blob, err = a.repo.LoadBlob(r.ctx, h, r.blob); err != nil {
			return 0, unusable(err)
		}
		a.progress.ReadBack.Add(uint64(at.Length))
	}
	return copy(p, r.blob[r.offset-r.start:]), nil
}
