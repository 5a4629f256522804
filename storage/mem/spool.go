package mem

import (
	"bytes"
	"os"
	"slices"
	"sync"

	"holdfast/storage"
)

// NewSpool starts a spool in memory.
func (s *Store) NewSpool() (storage.Spool, error) { return new(spool), nil }

// spool gathers bytes in memory. Its bytes are only ever appended to, so a
// store can share what was written so far.
type spool struct {
	mu        sync.RWMutex
	data      []byte
	sizeBytes int64 // outlives the data: a discarded spool must not look empty
	discarded bool
}

func (s *spool) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.discarded {
		return 0, os.ErrClosed
	}
	s.data = append(s.data, p...)
	s.sizeBytes += int64(len(p))
	return len(p), nil
}

func (s *spool) ReadAt(p []byte, off int64) (int, error) {
	data, err := s.bytes()
	if err != nil {
		return 0, err
	}
	return bytes.NewReader(data).ReadAt(p, off)
}

func (s *spool) Size() int64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.sizeBytes
}

func (s *spool) Discard() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.data, s.discarded = nil, true
	return nil
}

// bytes returns what was written so far. It is clipped, so that no later
// Write can reach into it.
func (s *spool) bytes() ([]byte, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.discarded {
		return nil, os.ErrClosed
	}
	return slices.Clip(s.data), nil
}
