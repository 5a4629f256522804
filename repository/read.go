package repository

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"holdfast/repository/blob"
	"holdfast/repository/id"
	"holdfast/repository/internal/codec"
	"holdfast/repository/internal/pack"
	"holdfast/repository/internal/seal"
	"holdfast/storage"
)

const (
	// maxReaders bounds the blobs being opened at once, and so the memory
	// for them.
	maxReaders = 8
	// maxBlobBytes bounds a sealed blob: packs of restic and rustic stay
	// below it, and a hostile index must not make us reserve 4 GiB.
	maxBlobBytes = 512 << 20
	// trustedBytes is how much memory an index entry alone is given: as much
	// as a blob of restic's or holdfast's cutters needs, and most trees.
	trustedBytes = 16 << 20
)

// reader holds what reading one blob needs; it is reused.
type reader struct {
	sealed []byte
}

// LoadBlob appends the plaintext of a blob to dst[:0], which it grows where
// needed. Every place where the blob is stored is tried, then
// Options.Elsewhere, before an error is returned.
func (r *Repository) LoadBlob(ctx context.Context, h blob.Handle, dst []byte) ([]byte, error) {
	if r.index == nil {
		return nil, errors.New("load blob: the index is not loaded")
	}
	plain, err := r.loadOwnBlob(ctx, h, dst)
	if err == nil || r.options.Elsewhere == nil || ctx.Err() != nil {
		return plain, err
	}
	return r.loadElsewhere(ctx, h, err)
}

// loadOwnBlob reads a blob from this repository.
func (r *Repository) loadOwnBlob(ctx context.Context, h blob.Handle, dst []byte) ([]byte, error) {
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

// loadElsewhere gets a blob, which this repository does not give for the
// cause, from whoever else may have it.
func (r *Repository) loadElsewhere(ctx context.Context, h blob.Handle, cause error) ([]byte, error) {
	plain, err := r.options.Elsewhere(ctx, h, cause)
	if err == nil && id.Hash(plain) != h.ID {
		err = fmt.Errorf("load %s from elsewhere: its content does not match its ID", h)
	}
	if err != nil {
		return nil, errors.Join(cause, err)
	}
	return plain, nil
}

// HasElsewhere tells whether LoadBlob may get blobs from elsewhere, so that
// it is worth asking for one that was just found damaged.
func (r *Repository) HasElsewhere() bool { return r.options.Elsewhere != nil }

// loadBlobAt reads one stored blob from its place.
func (r *Repository) loadBlobAt(ctx context.Context, b blob.Blob, dst []byte) ([]byte, error) {
	rd, err := r.takeReader(ctx)
	if err != nil {
		return nil, err
	}
	defer r.putReader(rd)
	if err := checkLengths(b); err != nil {
		return nil, err
	}
	if plain, err := r.loadCachedTree(ctx, rd, b, dst); err == nil {
		return plain, nil
	}
	stream, err := r.store.Get(ctx, PackFile.Key(b.Pack), int64(b.Offset), int64(b.Length))
	if err == nil {
		err = rd.fill(stream, int(b.Length))
		if cerr := stream.Close(); err == nil {
			err = cerr
		}
	}
	if err != nil {
		return nil, errorOfBlob(b, err)
	}
	return r.openBlob(b, rd.sealed, dst)
}

// errorOfBlob tells damage from a failure to read.
func errorOfBlob(b blob.Blob, err error) error {
	if isTooShort(err) {
		return corruptBlob(b, fmt.Errorf("the pack ends before the blob: %w", err))
	}
	return fmt.Errorf("load %s from pack %s: %w", b.Handle, b.Pack.Short(), err)
}

// isTooShort tells whether a pack ended before what was to be read of it.
func isTooShort(err error) bool {
	return errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) || errors.Is(err, storage.ErrInvalidRange)
}

// checkLengths refuses what no program writes.
func checkLengths(b blob.Blob) error {
	if n := max(b.Length, b.PlainLength); n > maxBlobBytes {
		return corruptBlob(b, fmt.Errorf("its index entry gives it %d bytes", n))
	}
	return nil
}

// fill reads n bytes into rd.sealed. What an index entry promises is not yet
// true: a large blob gets room only as its bytes arrive.
func (rd *reader) fill(stream io.Reader, n int) error {
	rd.sealed = grow(rd.sealed, min(n, trustedBytes))
	if _, err := io.ReadFull(stream, rd.sealed); err != nil {
		return err
	}
	for have := len(rd.sealed); have < n; have = len(rd.sealed) {
		rd.sealed = slices.Grow(rd.sealed, min(n-have, have))[:min(n, 2*have)]
		if _, err := io.ReadFull(stream, rd.sealed[have:]); err != nil {
			return err
		}
	}
	return nil
}

// openBlob authenticates, decrypts, decompresses and hashes a stored blob.
// It overwrites sealed.
func (r *Repository) openBlob(b blob.Blob, sealed, dst []byte) ([]byte, error) {
	content, err := r.key.OpenInPlace(sealed)
	if err != nil {
		return nil, corruptBlob(b, err)
	}
	if !b.IsCompressed() {
		content = append(dst[:0], content...)
		if id.Hash(content) != b.ID {
			return nil, corruptBlob(b, errWrongContent)
		}
		return content, nil
	}
	plain, err := r.decompressBlob(b, content, dst)
	if err == nil && id.Hash(plain) != b.ID {
		return r.decompressAgain(b, content, plain)
	}
	return plain, err
}

// decompressAgain has the library judge what our decoder made something wrong
// of, or what is wrong itself.
func (r *Repository) decompressAgain(b blob.Blob, frame, dst []byte) ([]byte, error) {
	plain, err := r.codec.DecompressAgain(dst[:0], frame, int(b.PlainLength))
	if err != nil || id.Hash(plain) != b.ID {
		return nil, corruptBlob(b, errWrongContent)
	}
	r.warn(fmt.Errorf("%s: %w", b.Handle, codec.ErrOwnMistake))
	return plain, nil
}

// decodeBlob is openBlob without the hash. It overwrites sealed, and returns a
// part of it if the blob is not compressed; otherwise it appends to dst[:0].
func (r *Repository) decodeBlob(b blob.Blob, sealed, dst []byte) ([]byte, error) {
	content, err := r.key.OpenInPlace(sealed)
	if err != nil {
		return nil, corruptBlob(b, err)
	}
	if !b.IsCompressed() {
		return content, nil
	}
	return r.decompressBlob(b, content, dst)
}

// decompressBlob appends the plaintext of a blob to dst[:0].
func (r *Repository) decompressBlob(b blob.Blob, frame, dst []byte) ([]byte, error) {
	plain, err := []byte(nil), codec.ErrDamaged
	if b.PlainLength <= trustedBytes || !codec.Contradicts(frame, int(b.PlainLength)) {
		plain, err = r.decompress(dst[:0], frame, int(b.PlainLength))
	}
	if err != nil {
		return nil, corruptBlob(b, err)
	}
	return plain, nil
}

// errReadAgain tells of a wrong content that was not found again.
var errReadAgain = errors.New("a blob's content did not match its ID, and did when it was read again: this machine may have faulty memory or a faulty CPU")

// lookAgain reads a blob once more that did not match its ID when it was hashed
// with others.
func (r *Repository) lookAgain(ctx context.Context, b blob.Blob) ([]byte, error) {
	plain, err := r.loadBlobAt(ctx, b, nil)
	if err != nil {
		return nil, corruptBlob(b, errWrongContent)
	}
	r.warn(fmt.Errorf("%s: %w", b.Handle, errReadAgain))
	return plain, nil
}

func corruptBlob(b blob.Blob, err error) error {
	return &CorruptError{Kind: PackFile, ID: b.Pack, Detail: fmt.Sprintf("%s (offset %d, %d bytes)", b.Handle, b.Offset, b.Length), Err: err}
}

// LoadTree returns the JSON of a tree; dst as in LoadBlob.
func (r *Repository) LoadTree(ctx context.Context, i id.ID, dst []byte) ([]byte, error) {
	return r.LoadBlob(ctx, blob.Handle{ID: i, Type: blob.Tree}, dst)
}

// ReadPackHeader returns what a pack's own header says it holds, without the
// index. sizeBytes is the size of the stored pack.
func (r *Repository) ReadPackHeader(ctx context.Context, packID id.ID, sizeBytes int64) ([]blob.Blob, error) {
	get := func(ctx context.Context, offset, length int64) (io.ReadCloser, error) {
		return r.store.Get(ctx, PackFile.Key(packID), offset, length)
	}
	blobs, err := pack.ReadHeader(ctx, get, sizeBytes, r.config.Version, r.key.Open)
	if errors.Is(err, pack.ErrDamaged) || errors.Is(err, seal.ErrUnauthenticated) || isTooShort(err) {
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

// maxKeptSealed bounds what each reader keeps for the next blob. Nearly all
// are smaller, but for large folders.
const maxKeptSealed = 2 << 20

func (r *Repository) putReader(rd *reader) {
	if cap(rd.sealed) > maxKeptSealed {
		rd.sealed = nil
	}
	r.readers <- rd
}

// grow returns a buffer of n bytes, b itself when it is large enough.
func grow(b []byte, n int) []byte {
	if cap(b) >= n {
		return b[:n]
	}
	return make([]byte, n, n+n/4)
}
