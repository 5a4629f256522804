package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"holdfast/storage"
)

// spoolFolder is where spools are written: below the root, so that they are
// on the device where their objects will be.
const spoolFolder = "holdfast/tmp"

// NewSpool starts a spool that Put turns into an object by moving it.
func (s *Store) NewSpool() (storage.Spool, error) {
	dir := filepath.Join(s.root, filepath.FromSlash(spoolFolder))
	var f *os.File
	err := s.inDir(dir, func() (err error) {
		f, err = s.newTemporary(dir)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("spool: %w", writeError(err))
	}
	return &spool{store: s, f: f}, nil
}

// spoolBufferBytes gathers the small writes of a packer; a larger one goes
// to the file directly.
const spoolBufferBytes = 64 << 10

// spool is a temporary file that is still being written. It stays open, and
// readable, after it has become an object and until it is discarded: the Put
// that moved it may have been one of several attempts.
type spool struct {
	store *Store

	mu      sync.Mutex
	f       *os.File
	written int64  // bytes in the file
	tail    []byte // bytes that follow them, not yet in the file
	err     error  // first error of a write, after which it takes no more

	moved     bool // the file has its final name
	unflushed bool // a flush failed: the file's state is unknown from then on
	discarded bool
}

func (p *spool) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.discarded:
		return 0, os.ErrClosed
	case p.moved:
		return 0, fmt.Errorf("spool: %w", storage.ErrExists) // objects never change
	case len(p.tail)+len(b) <= spoolBufferBytes:
		p.buffer(b)
		return len(b), nil
	}
	if err := p.flush(); err != nil {
		return 0, err
	}
	if len(b) < spoolBufferBytes {
		p.buffer(b)
		return len(b), nil
	}
	return len(b), p.writeOut(b)
}

func (p *spool) buffer(b []byte) {
	if p.tail == nil {
		p.tail = make([]byte, 0, spoolBufferBytes)
	}
	p.tail = append(p.tail, b...)
}

// flush hands the buffered bytes to the system.
func (p *spool) flush() error {
	if len(p.tail) == 0 {
		return p.err
	}
	if err := p.writeOut(p.tail); err != nil {
		return err
	}
	p.tail = p.tail[:0]
	return nil
}

// writeOut appends b to the file. An error sticks: bytes are missing from
// then on, and a Put of what is there must not succeed.
func (p *spool) writeOut(b []byte) error {
	if p.err != nil {
		return p.err
	}
	n, err := p.f.WriteAt(b, p.written)
	if err != nil {
		p.err = fmt.Errorf("spool: %w", writeError(err))
		return p.err
	}
	p.written += int64(n)
	return nil
}

func (p *spool) ReadAt(b []byte, off int64) (int, error) {
	if err := p.flushForReading(); err != nil {
		return 0, err
	}
	return p.f.ReadAt(b, off)
}

func (p *spool) flushForReading() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.discarded {
		return os.ErrClosed
	}
	return p.flush()
}

func (p *spool) Size() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.written + int64(len(p.tail))
}

// moveTo makes the spool the object dst, or returns errMustCopy.
func (p *spool) moveTo(ctx context.Context, dst string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.discarded {
		return os.ErrClosed
	}
	if p.moved || p.unflushed {
		return errMustCopy
	}
	if err := p.flush(); err != nil {
		return err
	}
	if err := syncFile(p.f); err != nil {
		// The kernel reports lost pages once and then takes them for clean,
		// so a second flush of this file would prove nothing.
		p.unflushed = true
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	err := p.store.inDir(filepath.Dir(dst), func() error { return p.store.place(p.f.Name(), dst) })
	if isCrossDevice(err) {
		return errMustCopy
	}
	if err != nil {
		return err
	}
	p.moved = true
	return p.store.confirm(dst)
}

func (p *spool) Discard() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.discarded {
		return nil
	}
	p.discarded = true // the tail stays, so that Size does not change
	err := p.f.Close()
	if p.moved {
		return err
	}
	// Somebody may have cleaned it away, which is as well.
	return errors.Join(err, ignoreNotFound(os.Remove(p.f.Name())))
}
