package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"

	"holdfast/storage"
)

// Get reads a range of the file; see storage.Store.
func (s *Store) Get(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	path, err := s.path(key)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f, size, err := openObject(path)
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", key, s.readError(err))
	}
	end, err := rangeEnd(key, offset, length, size)
	if err != nil {
		f.Close()
		return nil, err
	}
	return &rangeReader{ctx: ctx, f: f, offset: offset, end: end}, nil
}

// openObject opens a file and returns its size. What is not a regular file is
// no object.
func openObject(path string) (*os.File, int64, error) {
	f, err := openFile(path)
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = storage.ErrNotFound
	}
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, info.Size(), nil
}

func rangeEnd(key string, offset, length, size int64) (int64, error) {
	if err := storage.CheckRange(key, offset, size); err != nil {
		return 0, err
	}
	if length < 0 {
		return size, nil
	}
	if length > math.MaxInt64-offset || offset+length > size {
		return 0, fmt.Errorf("get %s: the file has %d bytes: %w", key, size, io.ErrUnexpectedEOF)
	}
	return offset + length, nil
}

// rangeReader reads the bytes from offset to end, which were there when it
// was made.
type rangeReader struct {
	ctx         context.Context // of the one Get that hands out this reader
	f           *os.File
	offset, end int64
}

func (r *rangeReader) Read(p []byte) (int, error) {
	if r.offset >= r.end {
		return 0, io.EOF
	}
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := r.f.ReadAt(p[:min(int64(len(p)), r.end-r.offset)], r.offset)
	r.offset += int64(n)
	if errors.Is(err, io.EOF) { // somebody cut the file off meanwhile
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

func (r *rangeReader) Close() error { return r.f.Close() }

// Stat describes the object; see storage.Store.
func (s *Store) Stat(ctx context.Context, key string) (storage.Info, error) {
	path, err := s.path(key)
	if err != nil {
		return storage.Info{}, err
	}
	if err := ctx.Err(); err != nil {
		return storage.Info{}, err
	}
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		err = storage.ErrNotFound
	}
	if err != nil {
		return storage.Info{}, fmt.Errorf("stat %s: %w", key, s.readError(err))
	}
	return storage.Info{Key: key, SizeBytes: info.Size(), Stored: info.ModTime()}, nil
}

// Delete removes the object and flushes the folder. Without the flush a power
// cut could bring back an object deleted early (an index) and not one deleted
// later (a pack it names), which would look like damage.
func (s *Store) Delete(ctx context.Context, key string) error {
	path, err := s.path(key)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := s.remove(path); err != nil {
		return fmt.Errorf("delete %s: %w", key, err)
	}
	return nil
}

func (s *Store) remove(path string) error {
	info, err := os.Lstat(path)
	if err == nil && info.IsDir() { // os.Remove would take an empty one
		err = storage.ErrNotFound
	}
	if err == nil {
		err = os.Remove(path)
	}
	if err != nil {
		return writeError(s.readError(err))
	}
	return writeError(syncDir(filepath.Dir(path)))
}

// readError adds ErrNotFound where err means it. When the whole folder is
// gone (unmounted, moved) that is said instead: objects then are not missing,
// nobody can tell.
func (s *Store) readError(err error) error {
	if !isNotFound(err) {
		return err
	}
	if err := s.checkRoot(); err != nil {
		return err
	}
	return fmt.Errorf("%w: %w", storage.ErrNotFound, err)
}

// checkRoot returns an error when the folder of the store is not there.
func (s *Store) checkRoot() error {
	info, err := os.Stat(s.root)
	if err == nil && info.IsDir() {
		return nil
	}
	// No sentinel: this must not be taken for the absence of one object.
	return fmt.Errorf("folder %s is gone: is its disk still mounted? (%v)", s.root, err)
}
