package storage

import (
	"bytes"
	"context"
	"fmt"
	"io"
)

// Bytes makes a Body of b, which must not change while it is in use.
func Bytes(b []byte) Body { return bytes.NewReader(b) }

// Unpaced returns body to be read at full speed, for a store that reads it
// once more than it sends it, to hash it: a limit of the bandwidth is about
// what is sent. Every wrapper of a Body that paces reads has a method Unpaced.
func Unpaced(body Body) Body {
	if paced, ok := body.(interface{ Unpaced() Body }); ok {
		return paced.Unpaced()
	}
	return body
}

// ReadAll returns the whole object under key.
func ReadAll(ctx context.Context, s Store, key string) ([]byte, error) {
	r, err := s.Get(ctx, key, 0, -1)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(r)
	if cerr := r.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", key, err)
	}
	return b, nil
}

// ReadRange fills buf with the object's bytes from offset on.
func ReadRange(ctx context.Context, s Store, key string, offset int64, buf []byte) error {
	r, err := s.Get(ctx, key, offset, int64(len(buf)))
	if err != nil {
		return err
	}
	_, err = io.ReadFull(r, buf)
	if cerr := r.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", key, err)
	}
	return nil
}
