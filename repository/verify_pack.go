package repository

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"

	"holdfast/repository/blob"
	"holdfast/repository/id"
	"holdfast/repository/internal/pack"
)

// ErrIndexMismatch says that a pack is what was written, but that index files
// list other blobs for it than its own header does.
var ErrIndexMismatch = errors.New("the index does not say what the pack holds")

const (
	// verifyBufferBytes is the room a PackVerifier starts with.
	verifyBufferBytes = 512 << 10
	// verifyReadBytes is read and hashed at a time: little enough to be in
	// the CPU's cache still when it is opened.
	verifyReadBytes = 128 << 10
	// maxTailBytes is the longest end of a pack that is no blob.
	maxTailBytes = pack.MaxHeaderSize + headerLengthBytes

	// headerLengthBytes is the size of the last field of a pack.
	headerLengthBytes = 4
)

// PackVerifier proves packs, one at a time, reading each once from beginning
// to end. Its memory is that of the largest blob it meets, stored and opened.
// Each goroutine needs one of its own.
type PackVerifier struct {
	r    *Repository
	hash hash.Hash

	// The stored bytes from offset at of the pack are in buf[start:end].
	buf        []byte
	start, end int
	at         int64
	stream     io.Reader
	ended      bool

	group group
}

// NewPackVerifier returns a PackVerifier of the repository.
func (r *Repository) NewPackVerifier() *PackVerifier {
	return &PackVerifier{r: r, hash: sha256.New(), buf: make([]byte, verifyBufferBytes)}
}

// Verify reads a whole pack and checks that its bytes hash to its name, that
// every blob opens, decompresses and hashes to its ID, and that its header
// lists exactly the given blobs, which are those of the index in the order of
// their offsets.
//
// It calls visit with every one of them and its plaintext, which is valid
// only during the call, or a *CorruptError; an error of visit ends the work
// and is returned as it is. Damage of the pack itself is returned as an error
// for which IsCorrupt is true and which may wrap ErrIndexMismatch; any other
// error means that the pack could not be read.
func (v *PackVerifier) Verify(ctx context.Context, packID id.ID, blobs []blob.Blob, visit func(b blob.Blob, plain []byte, err error) error) error {
	return v.VerifyStarted(v.r.StartWholePack(ctx, packID, -1), blobs, visit)
}

// WholePack is a pack that was asked for, all of it, and not yet read. It is
// given to VerifyStarted or abandoned, once.
type WholePack struct {
	ctx     context.Context // of the one read
	id      id.ID
	request *pending
}

// StartWholePack asks for all of a pack and returns at once; see PacksAhead.
// sizeBytes is how large the store says it is, or -1: who knows it can tell a
// pack that arrives cut from one that is damaged.
func (r *Repository) StartWholePack(ctx context.Context, packID id.ID, sizeBytes int64) *WholePack {
	return &WholePack{ctx, packID, r.ask(ctx, packID, 0, sizeBytes)}
}

// Abandon gives the pack up.
func (p *WholePack) Abandon() { p.request.abandon() }

// VerifyStarted is Verify for a pack that is on its way.
func (v *PackVerifier) VerifyStarted(p *WholePack, blobs []blob.Blob, visit func(b blob.Blob, plain []byte, err error) error) error {
	packID := p.id
	defer p.Abandon()
	stream, err := p.request.wait()
	if err != nil {
		return fmt.Errorf("read pack %s: %w", packID.Short(), err)
	}
	v.reset(stream)
	v.group.again = func(b blob.Blob) ([]byte, error) { return v.r.lookAgain(p.ctx, b) }
	for _, b := range blobs {
		if err := v.blob(b, visit); err != nil {
			return v.describe(packID, err)
		}
	}
	if err := v.group.flush(visit); err != nil {
		return err
	}
	if err := v.readTail(); err != nil {
		return v.describe(packID, err)
	}
	return v.judge(packID, blobs)
}

func (v *PackVerifier) reset(stream io.Reader) {
	v.stream, v.ended = stream, false
	v.start, v.end, v.at = 0, 0, 0
	v.hash.Reset()
	v.group.reset() // an error may have left some
}

// readError is a failure to read, which must be told from visit's errors.
type readError struct{ error }

func (e readError) Unwrap() error { return e.error }

func (v *PackVerifier) describe(packID id.ID, err error) error {
	if e, ok := err.(readError); ok { //nolint:errorlint // made below, never wrapped
		return fmt.Errorf("read pack %s: %w", packID.Short(), e.error)
	}
	return err
}

// blob opens one blob and hands it to visit.
func (v *PackVerifier) blob(b blob.Blob, visit func(blob.Blob, []byte, error) error) error {
	switch {
	case b.Length > maxBlobBytes || b.PlainLength > maxBlobBytes:
		return v.show(b, corruptBlob(b, fmt.Errorf("its index entry gives it %d bytes", max(b.Length, b.PlainLength))), visit)
	case int64(b.Offset) < v.at:
		return v.show(b, corruptBlob(b, errors.New("its index entry overlaps another one")), visit)
	}
	if err := v.skip(int64(b.Offset) - v.at); err != nil {
		return err
	}
	whole, err := v.need(int(b.Length))
	if err != nil {
		return err
	}
	if !whole {
		return v.show(b, corruptBlob(b, errors.New("the pack ends before the blob")), visit)
	}
	sealed := v.buf[v.start : v.start+int(b.Length)]
	v.start += int(b.Length)
	v.at += int64(b.Length)
	return v.open(b, sealed, visit)
}

// open opens a stored blob, which it overwrites, and holds it until others are
// hashed with it. A large one that is not compressed is not copied, and must
// not wait: its memory is that of the pack.
func (v *PackVerifier) open(b blob.Blob, sealed []byte, visit func(blob.Blob, []byte, error) error) error {
	if !v.group.fits(int(b.DataLength())) {
		if err := v.group.flush(visit); err != nil {
			return err
		}
	}
	plain, err := v.r.decodeBlob(b, sealed, v.group.room(int(b.DataLength())))
	switch {
	case err != nil:
		return v.show(b, err, visit)
	case b.IsCompressed():
		v.group.add(b, plain)
	case len(plain) <= groupBytes:
		v.group.addCopy(b, plain)
	default:
		v.group.hold(b, plain)
		return v.group.flush(visit)
	}
	return nil
}

// show tells of a blob that cannot be had, after those before it.
func (v *PackVerifier) show(b blob.Blob, err error, visit func(blob.Blob, []byte, error) error) error {
	if err := v.group.flush(visit); err != nil {
		return err
	}
	return visit(b, nil, err)
}

// need makes the next n bytes of the pack stand in the buffer; false means
// that the pack ends before. It reads ahead only as far as a small read goes,
// so that little is ever moved.
func (v *PackVerifier) need(n int) (bool, error) {
	for v.end-v.start < n && !v.ended {
		if err := v.read(n); err != nil {
			return false, err
		}
	}
	return v.end-v.start >= n, nil
}

// read reads and hashes some more of the pack, on the way to n bytes.
func (v *PackVerifier) read(n int) error {
	v.makeRoom(n)
	free := v.buf[v.end:]
	got, err := v.stream.Read(free[:min(len(free), verifyReadBytes)])
	v.hash.Write(free[:got]) //nolint:errcheck // a hash.Hash never fails
	v.end += got
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		v.ended = true
		return nil
	}
	if err != nil {
		return readError{err}
	}
	return nil
}

// makeRoom moves what is left to the front when the rest of n bytes would
// not fit behind it, and makes the buffer larger when that is not enough.
func (v *PackVerifier) makeRoom(n int) {
	if v.start == v.end {
		v.start, v.end = 0, 0
	}
	if v.start+n <= len(v.buf) && v.end < len(v.buf) {
		return
	}
	buf := v.buf
	if n > len(buf) {
		buf = make([]byte, n+n/4)
	}
	v.end = copy(buf, v.buf[v.start:v.end])
	v.start = 0
	v.buf = buf
}

// skip passes over bytes that no blob claims.
func (v *PackVerifier) skip(n int64) error {
	for n > 0 {
		step := int(min(n, verifyReadBytes))
		whole, err := v.need(step)
		if err != nil {
			return err
		}
		if !whole {
			step = v.end - v.start
		}
		v.start += step
		v.at += int64(step)
		n -= int64(step)
		if !whole {
			return nil
		}
	}
	return nil
}

// readTail reads to the end of the pack, and keeps as much of it in the
// buffer as may be a header.
func (v *PackVerifier) readTail() error {
	for !v.ended {
		have := v.end - v.start
		if have > maxTailBytes {
			v.start += have - maxTailBytes
			v.at += int64(have - maxTailBytes)
			have = maxTailBytes
		}
		if err := v.read(have + 1); err != nil {
			return err
		}
	}
	return nil
}

// judge tells what is wrong with the pack as a whole.
func (v *PackVerifier) judge(packID id.ID, blobs []blob.Blob) error {
	var sum id.ID
	v.hash.Sum(sum[:0])
	var errs []error
	damaged := func(detail string, err error) {
		errs = append(errs, &CorruptError{Kind: PackFile, ID: packID, Detail: detail, Err: err})
	}
	if sum != packID {
		damaged("", errors.New("its content does not match its name"))
	}
	found, err := v.header()
	switch {
	case err != nil:
		damaged("its header", err)
	default:
		if err := compareWithIndex(packID, found, blobs); err != nil {
			damaged("its header", err)
		}
	}
	return errors.Join(errs...)
}

// header opens and reads the header at the end of the buffer.
func (v *PackVerifier) header() ([]blob.Blob, error) {
	tail := v.buf[v.start:v.end]
	if len(tail) < headerLengthBytes {
		return nil, fmt.Errorf("%w: it ends within its header", pack.ErrDamaged)
	}
	end := len(tail) - headerLengthBytes
	length := int64(binary.LittleEndian.Uint32(tail[end:]))
	if length > int64(end) {
		return nil, fmt.Errorf("%w: its header of %d bytes does not begin behind its blobs", pack.ErrDamaged, length)
	}
	plain, err := v.r.key.OpenInPlace(tail[int64(end)-length : end])
	if err != nil {
		return nil, err
	}
	return pack.DecodeHeader(plain, v.r.config.Version)
}

// compareWithIndex tells how the blobs of a header differ from those that
// index files list.
func compareWithIndex(packID id.ID, found, indexed []blob.Blob) error {
	for n := range min(len(found), len(indexed)) {
		found[n].Pack = packID
		if found[n] != indexed[n] {
			return fmt.Errorf("%w: blob %d is %s at %d there and %s at %d in the pack", ErrIndexMismatch,
				n, indexed[n].Handle, indexed[n].Offset, found[n].Handle, found[n].Offset)
		}
	}
	if len(found) != len(indexed) {
		return fmt.Errorf("%w: %d blobs there and %d in the pack", ErrIndexMismatch, len(indexed), len(found))
	}
	return nil
}
