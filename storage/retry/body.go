package retry

import (
	"errors"
	"fmt"
	"io"
	"sync"

	"holdfast/storage"
)

// watchedBody remembers that reading the body itself failed. That is no
// failure of the store, and sending again would not mend it.
type watchedBody struct {
	storage.Body
	mu  sync.Mutex
	err error
}

func (b *watchedBody) ReadAt(p []byte, off int64) (int, error) {
	n, err := b.Body.ReadAt(p, off)
	if errors.Is(err, io.EOF) && off+int64(n) < b.Size() {
		err = fmt.Errorf("it ends after %d of %d bytes: %w", off+int64(n), b.Size(), io.ErrUnexpectedEOF)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.err = err
	}
	return n, err
}

// failure returns the error of the body, if there was one.
func (b *watchedBody) failure() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err
}
