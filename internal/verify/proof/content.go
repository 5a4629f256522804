package proof

import (
	"bytes"
	"context"
	"errors"
	"io"

	"holdfast/internal/source"
	"holdfast/repository/tree"
)

// content compares the content of a file that came back with the source, or
// with the snapshot where the source changed. Only errors that end the proof
// are returned.
func (it *item) content(ctx context.Context) error {
	err := it.compareContent(ctx)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	it.Progress.Items.Add(1)
	if err != nil {
		it.differs(it.path, err)
		return nil
	}
	if it.wrong {
		return nil
	}
	it.add(func(p *Proof) {
		p.Files++
		p.Bytes += it.node.Size
		if it.back == nil {
			p.addTooLarge(it.path)
		}
	})
	return nil
}

func (it *item) compareContent(ctx context.Context) error {
	if it.back == nil {
		return it.compareStored(ctx)
	}
	if !it.changed {
		same, err := it.sameAsSource(ctx)
		if err != nil || same {
			return err
		}
	}
	return it.sameAsRecorded(ctx)
}

// sameAsSource compares what came back with the source. false without an
// error says that the source cannot tell: it changed while it was read.
func (it *item) sameAsSource(ctx context.Context) (bool, error) {
	live, ok := it.openLive()
	if !ok {
		return false, nil
	}
	defer live.Close() //nolint:errcheck // it was only read
	back, err := it.back.Open(it.backEntry)
	if err != nil {
		return false, err
	}
	defer back.Close() //nolint:errcheck // it was only read
	same, err := it.equal(ctx, back, live)
	if err != nil || same {
		return same, err
	}
	if live.Check() != nil {
		it.nowChanged()
		return false, nil
	}
	return false, errContent
}

// openLive opens the file of the source if it still is what was backed up.
func (it *item) openLive() (source.File, bool) {
	live, err := it.live.Open(it.liveEntry)
	if err != nil {
		it.nowChanged()
		return nil, false
	}
	if e := live.Entry(); !sameState(&e, it.node) {
		it.nowChanged()
		live.Close() //nolint:errcheck // it was not even read
		return nil, false
	}
	return live, true
}

func (it *item) nowChanged() {
	if !it.changed {
		it.changed = true
		it.add(func(p *Proof) { p.ChangedSince++ })
	}
}

// sameAsRecorded compares what came back with the content in the repository,
// whose every blob is hashed as it is read.
func (it *item) sameAsRecorded(ctx context.Context) error {
	back, err := it.back.Open(it.backEntry)
	if err != nil {
		return err
	}
	defer back.Close() //nolint:errcheck // it was only read
	same, err := it.equalStored(ctx, back)
	if err == nil && !same {
		err = errRecorded
	}
	return err
}

// compareStored compares the content in the repository with the source, for
// files that there is no room to restore.
func (it *item) compareStored(ctx context.Context) error {
	if !it.changed {
		if live, ok := it.openLive(); ok {
			defer live.Close() //nolint:errcheck // it was only read
			same, err := it.equalStored(ctx, live)
			if err != nil || same {
				return err
			}
			if live.Check() == nil {
				return errStored
			}
			it.nowChanged()
		}
	}
	// Reading it all checks every hash and so that it is what was recorded.
	return it.Snapshot.WriteFile(ctx, it.node, &counter{progress: it.Progress})
}

// equalStored compares a file with the content that the snapshot records.
func (it *item) equalStored(ctx context.Context, file io.Reader) (bool, error) {
	e := &equalTo{other: file, progress: it.Progress}
	err := it.Snapshot.WriteFile(ctx, it.node, e)
	if errors.Is(err, errUnequal) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return e.ended()
}

// equal compares two files.
func (it *item) equal(ctx context.Context, a, b io.Reader) (bool, error) {
	e := &equalTo{other: b, progress: it.Progress}
	_, err := io.CopyBuffer(e, untilDone{ctx, a}, make([]byte, compareBuffer(it.node)))
	if errors.Is(err, errUnequal) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return e.ended()
}

func compareBuffer(n *tree.Node) int { return int(min(n.Size+1, 256<<10)) } //nolint:gosec // small

// untilDone reads until ctx ends.
type untilDone struct {
	ctx context.Context //nolint:containedctx // io.Reader takes none
	io.Reader
}

func (r untilDone) Read(p []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, context.Cause(r.ctx)
	}
	return r.Reader.Read(p)
}

var errUnequal = errors.New("unequal")

// equalTo is a writer that compares what is written with what it reads.
type equalTo struct {
	other    io.Reader
	buffer   []byte
	progress *Progress
}

func (e *equalTo) Write(p []byte) (int, error) {
	if cap(e.buffer) < len(p) {
		e.buffer = make([]byte, len(p))
	}
	other := e.buffer[:len(p)]
	_, err := io.ReadFull(e.other, other)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return 0, errUnequal
	}
	if err != nil {
		return 0, err
	}
	if !bytes.Equal(p, other) {
		return 0, errUnequal
	}
	e.progress.Bytes.Add(uint64(len(p)))
	return len(p), nil
}

// ended tells whether the other ends where what was written did.
func (e *equalTo) ended() (bool, error) {
	var one [1]byte
	_, err := io.ReadFull(e.other, one[:])
	if errors.Is(err, io.EOF) {
		return true, nil
	}
	return false, err
}

// counter counts what passes.
type counter struct{ progress *Progress }

func (c *counter) Write(p []byte) (int, error) {
	c.progress.Bytes.Add(uint64(len(p)))
	return len(p), nil
}
