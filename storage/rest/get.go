package rest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"

	"holdfast/storage"
	"holdfast/storage/internal/httpx"
)

// Get reads a range; see storage.Store. It is one request, but for ranges
// that hold no byte.
func (s *Store) Get(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	name, ok, err := remoteName(key)
	if err != nil {
		return nil, err
	}
	if err := storage.CheckRange(key, offset, math.MaxInt64); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if !ok {
		return nil, fmt.Errorf("get %s: %w", key, storage.ErrNotFound)
	}
	r, err := s.get(ctx, key, name, offset, length)
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", key, asNotFound(name, err))
	}
	return r, nil
}

func (s *Store) get(ctx context.Context, key, name string, offset, length int64) (io.ReadCloser, error) {
	if length == 0 {
		return s.getNothing(ctx, key, name, offset, length)
	}
	req := s.request(ctx, http.MethodGet, name)
	switch {
	case length > 0 && length <= math.MaxInt64-offset:
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", offset, offset+length-1))
	case offset > 0 || length > 0:
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", offset))
	}
	resp, err := s.send(req)
	if errors.Is(err, storage.ErrInvalidRange) {
		return s.getNothing(ctx, key, name, offset, length)
	}
	if err != nil {
		return nil, err
	}
	if resp.StatusCode == http.StatusOK {
		if err := cut(resp, key, offset, length); err != nil {
			resp.Body.Close()
			return nil, err
		}
	}
	return httpx.Received(ctx, resp, offset, length, func(err error) error { return err })
}

// getNothing answers for a range that holds no byte of the object.
func (s *Store) getNothing(ctx context.Context, key, name string, offset, length int64) (io.ReadCloser, error) {
	size, err := s.size(ctx, name)
	if err != nil {
		return nil, err
	}
	if err := storage.CheckRange(key, offset, size); err != nil {
		return nil, err
	}
	switch {
	case length > size-offset:
		return nil, endsEarly(size)
	case length == 0 || offset == size:
		return httpx.Nothing(), nil
	}
	// The server refused a range that by its own account exists.
	return nil, fmt.Errorf("the server refuses bytes from %d on of an object with %d", offset, size)
}

func endsEarly(size int64) error {
	return fmt.Errorf("the object has %d bytes: %w", size, io.ErrUnexpectedEOF)
}

// cut makes the answer to a range of one that holds the whole object: what
// restic's rest-server gives for the config, and every server for an empty
// object.
func cut(resp *http.Response, key string, offset, length int64) error {
	size := resp.ContentLength
	if size < 0 {
		return errors.New("the answer does not say how long it is")
	}
	if err := storage.CheckRange(key, offset, size); err != nil {
		return err
	}
	if length < 0 {
		length = size - offset
	}
	if length > size-offset {
		return endsEarly(size)
	}
	if _, err := io.CopyN(io.Discard, resp.Body, offset); err != nil {
		return fmt.Errorf("skip to byte %d: %w", offset, err)
	}
	resp.ContentLength = length
	resp.Header.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", offset, offset+length-1, size))
	return nil
}

// Stat describes the object; see storage.Store.
func (s *Store) Stat(ctx context.Context, key string) (storage.Info, error) {
	name, ok, err := remoteName(key)
	if err != nil {
		return storage.Info{}, err
	}
	if err := ctx.Err(); err != nil {
		return storage.Info{}, err
	}
	if !ok {
		return storage.Info{}, fmt.Errorf("stat %s: %w", key, storage.ErrNotFound)
	}
	size, err := s.size(ctx, name)
	if err != nil {
		return storage.Info{}, fmt.Errorf("stat %s: %w", key, asNotFound(name, err))
	}
	return storage.Info{Key: key, SizeBytes: size}, nil
}

func (s *Store) size(ctx context.Context, name string) (int64, error) {
	resp, err := s.send(s.request(ctx, http.MethodHead, name))
	if err != nil {
		return 0, err
	}
	resp.Body.Close()
	// restic's rest-server gives an answer without a length to HEAD as 0.
	length := resp.Header.Get("Content-Length")
	size, err := strconv.ParseInt(length, 10, 64)
	if err != nil || size < 0 {
		return 0, fmt.Errorf("the server gives the length %q", length)
	}
	return size, nil
}

// asNotFound makes ErrNotFound of the answers by which servers that do not
// know keys of our own say that there is none.
func asNotFound(name string, err error) error {
	if strings.HasPrefix(name, ownKeys) && isStatus(err, http.StatusMethodNotAllowed, http.StatusNotImplemented) {
		return fmt.Errorf("%w (%v)", storage.ErrNotFound, err)
	}
	return err
}

// Delete removes the object. The server is asked first whether there is one:
// its answer to a deletion does not tell.
func (s *Store) Delete(ctx context.Context, key string) error {
	if _, err := s.Stat(ctx, key); err != nil {
		if errors.Is(err, storage.ErrInvalidKey) || ctx.Err() != nil {
			return err
		}
		return fmt.Errorf("delete %s: %w", key, err)
	}
	name, _, err := remoteName(key)
	if err != nil {
		return err
	}
	resp, err := s.send(s.request(ctx, http.MethodDelete, name))
	if err != nil {
		return fmt.Errorf("delete %s: %w", key, err)
	}
	resp.Body.Close()
	return nil
}
