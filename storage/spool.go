package storage

import (
	"fmt"
	"io"
	"os"

	"holdfast/storage/tempfile"
)

// Spool is a Body that is still being written: bytes are appended once and
// can be read back at any offset. It holds them on disk, not in memory.
//
// A Spool given to Put stays usable until Put has returned nil; a store may
// then have taken the bytes over. Discard releases whatever is left and may
// be called at any time, more than once.
type Spool interface {
	io.Writer
	Body
	Discard() error
}

// Spooler is a Store that can spool at a place from which its own Put takes
// the bytes over without copying them.
type Spooler interface {
	NewSpool() (Spool, error)
}

// NewSpool starts a Spool for an object that will be Put into s.
func NewSpool(s Store) (Spool, error) {
	if sp, ok := As[Spooler](s); ok {
		return sp.NewSpool()
	}
	f, left, err := tempfile.Create("holdfast-spool-")
	if err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	return &tempSpool{f: f, left: left}, nil
}

// tempSpool keeps a spool in the folder for temporary files.
type tempSpool struct {
	f         *os.File
	size      int64
	left      string // the name that is to be removed
	discarded bool
}

func (t *tempSpool) Write(p []byte) (int, error) {
	n, err := t.f.Write(p)
	t.size += int64(n)
	return n, err
}

func (t *tempSpool) ReadAt(p []byte, off int64) (int, error) { return t.f.ReadAt(p, off) }

func (t *tempSpool) Size() int64 { return t.size }

func (t *tempSpool) Discard() error {
	if t.discarded {
		return nil
	}
	t.discarded = true
	err := t.f.Close()
	if t.left == "" {
		return err
	}
	return os.Remove(t.left)
}
