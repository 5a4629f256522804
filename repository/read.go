package repository

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"

	"holdfast/repository/blob"
	"holdfast/repository/id"
	"holdfast/repository/internal/pack"
	"holdfast/repository/internal/seal"
	"holdfast/storage"
)

const (
	// maxReaders bounds the blobs being opened at once, and so the memory
	// for them.
	maxReaders = 8
	// maxGapBytes is how much of a pack that nobody asked for is read rather
	// than starting another request.
	maxGapBytes = 512 << 10
	// maxBlobBytes bounds a sealed blob: packs of restic and rustic stay
	// below it, and a hostile index must not make us reserve 4 GiB.
	maxBlobBytes = 512 << 20
	// streamBufferBytes is how much of a pack is read ahead.
	streamBufferBytes = 256 << 10
)

// reader holds what opening one blob needs; it is reused.
type reader struct {
	sealed []byte
}

// LoadBlob appends the plaintext of a blob to dst[:0], which it grows where
// needed. Every place where the blob is stored is tried before an error is
// returned.
func (r *Repository) LoadBlob(ctx context.Context, h blob.Handle, dst []byte) ([]byte, error) {
	if r.index == nil {
		return nil, errors.New("load blob: the index is not loaded")
	}
	var errs []error
	for _, l := range r.index.LookupAll(nil, h) {
		plain, err := r.loadBlobAt(ctx, blob.Blob{Handle: h, Location: l}, dst)
		if err == nil {
			return plain, nil
		}
		errs = append(errs, err)
		if ctx.Err() != nil {
			break
		}
	}
	if len(errs) == 0 {
		return nil, fmt.Errorf("load %s: %w", h, ErrNotIndexed)
	}
	return nil, errors.Join(errs...)
}

// loadBlobAt reads one stored blob from its place.
func (r *Repository) loadBlobAt(ctx context.Context, b blob.Blob, dst []byte) ([]byte, error) {
	if b.Length > maxBlobBytes {
		return nil, corruptBlob(b, fmt.Errorf("its index entry gives it %d bytes", b.Length))
	}
	rd, err := r.takeReader(ctx)
	if err != nil {
		return nil, err
	}
	defer r.putReader(rd)
	rd.sealed = grow(rd.sealed, int(b.Length))
	err = storage.ReadRange(ctx, r.store, PackFile.Key(b.Pack), int64(b.Offset), rd.sealed)
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, storage.ErrInvalidRange):
		return nil, corruptBlob(b, fmt.Errorf("the pack ends before the blob: %w", err))
	case err != nil:
		return nil, fmt.Errorf("load %s from pack %s: %w", b.Handle, b.Pack.Short(), err)
	}
	return r.openBlob(b, rd.sealed, dst)
}

// openBlob authenticates, decrypts, decompresses and hashes a stored blob.
// It overwrites sealed.
func (r *Repository) openBlob(b blob.Blob, sealed, dst []byte) ([]byte, error) {
	plain, err := r.key.OpenInPlace(sealed)
	if err != nil {
		return nil, corruptBlob(b, err)
	}
	if b.IsCompressed() {
		dst, err = r.codec.Decompress(dst[:0], plain, int(b.PlainLength))
	} else {
		dst = append(dst[:0], plain...)
	}
	if err != nil {
		return nil, corruptBlob(b, err)
	}
	if id.Hash(dst) != b.ID {
		return nil, corruptBlob(b, errors.New("its content does not match its ID"))
	}
	return dst, nil
}

func corruptBlob(b blob.Blob, err error) error {
	return &CorruptError{Kind: PackFile, ID: b.Pack, Detail: fmt.Sprintf("%s (offset %d, %d bytes)", b.Handle, b.Offset, b.Length), Err: err}
}

// LoadTree returns the JSON of a tree; dst as in LoadBlob.
func (r *Repository) LoadTree(ctx context.Context, i id.ID, dst []byte) ([]byte, error) {
	return r.LoadBlob(ctx, blob.Handle{ID: i, Type: blob.Tree}, dst)
}

// StreamPack reads some blobs of one pack in the order of their offsets, in
// as few requests as is sensible, and calls visit with the plaintext of each.
// The plaintext is valid only during the call. Damage of one blob is given to
// visit as a *CorruptError and the others are still read; an error returned by
// visit, or a pack that cannot be read, ends the stream.
func (r *Repository) StreamPack(ctx context.Context, packID id.ID, blobs []blob.Blob, visit func(b blob.Blob, plain []byte, err error) error) error {
	rd, err := r.takeReader(ctx)
	if err != nil {
		return err
	}
	defer r.putReader(rd)
	var plain []byte
	for len(blobs) > 0 {
		n := runLength(blobs)
		plain, err = r.streamRun(ctx, rd, packID, blobs[:n], plain, visit)
		if err != nil {
			return err
		}
		blobs = blobs[n:]
	}
	return nil
}

// runLength returns how many of the first blobs lie close enough together to
// be read in one request.
func runLength(blobs []blob.Blob) int {
	end := uint64(blobs[0].Offset) + uint64(blobs[0].Length)
	for n, b := range blobs[1:] {
		if uint64(b.Offset) < end || uint64(b.Offset)-end > maxGapBytes {
			return n + 1
		}
		end = uint64(b.Offset) + uint64(b.Length)
	}
	return len(blobs)
}

func (r *Repository) streamRun(ctx context.Context, rd *reader, packID id.ID, blobs []blob.Blob, plain []byte, visit func(blob.Blob, []byte, error) error) ([]byte, error) {
	start := int64(blobs[0].Offset)
	last := blobs[len(blobs)-1]
	stream, err := r.store.Get(ctx, PackFile.Key(packID), start, int64(last.Offset)+int64(last.Length)-start)
	if errors.Is(err, storage.ErrInvalidRange) || errors.Is(err, io.ErrUnexpectedEOF) {
		return plain, visitAll(blobs, fmt.Errorf("the pack is too short: %w", err), visit)
	}
	if err != nil {
		return plain, fmt.Errorf("read pack %s: %w", packID.Short(), err)
	}
	defer stream.Close() //nolint:errcheck // it was only read
	buffered := bufio.NewReaderSize(stream, streamBufferBytes)
	at := start
	for n, b := range blobs {
		sealed, err := r.nextSealed(rd, buffered, b, &at)
		if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
			return plain, visitAll(blobs[n:], errors.New("the pack ends before the blob"), visit)
		}
		if err != nil {
			return plain, fmt.Errorf("read pack %s: %w", packID.Short(), err)
		}
		opened, err := r.openBlob(b, sealed, plain)
		if err == nil {
			plain = opened
		}
		if err := visit(b, opened, err); err != nil {
			return plain, err
		}
	}
	return plain, nil
}

// nextSealed reads the stored bytes of b from a stream that stands at *at.
func (r *Repository) nextSealed(rd *reader, stream *bufio.Reader, b blob.Blob, at *int64) ([]byte, error) {
	if b.Length > maxBlobBytes {
		return nil, fmt.Errorf("the index gives %s %d bytes", b.Handle, b.Length)
	}
	if _, err := stream.Discard(int(int64(b.Offset) - *at)); err != nil {
		return nil, err
	}
	rd.sealed = grow(rd.sealed, int(b.Length))
	_, err := io.ReadFull(stream, rd.sealed)
	*at = int64(b.Offset) + int64(b.Length)
	return rd.sealed, err
}

func visitAll(blobs []blob.Blob, err error, visit func(blob.Blob, []byte, error) error) error {
	for _, b := range blobs {
		if err := visit(b, nil, corruptBlob(b, err)); err != nil {
			return err
		}
	}
	return nil
}

// ReadPackHeader returns what a pack's own header says it holds, without the
// index. sizeBytes is the size of the stored pack.
func (r *Repository) ReadPackHeader(ctx context.Context, packID id.ID, sizeBytes int64) ([]blob.Blob, error) {
	get := func(ctx context.Context, offset, length int64) (io.ReadCloser, error) {
		return r.store.Get(ctx, PackFile.Key(packID), offset, length)
	}
	blobs, err := pack.ReadHeader(ctx, get, sizeBytes, r.config.Version, r.key.Open)
	if errors.Is(err, pack.ErrDamaged) || errors.Is(err, seal.ErrUnauthenticated) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, &CorruptError{Kind: PackFile, ID: packID, Detail: "its header", Err: err}
	}
	for n := range blobs {
		blobs[n].Pack = packID
	}
	return blobs, err
}

func (r *Repository) takeReader(ctx context.Context) (*reader, error) {
	select {
	case rd := <-r.readers:
		return rd, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (r *Repository) putReader(rd *reader) { r.readers <- rd }

// grow returns a buffer of n bytes, b itself when it is large enough.
func grow(b []byte, n int) []byte {
	if cap(b) >= n {
		return b[:n]
	}
	return make([]byte, n, n+n/4)
}
