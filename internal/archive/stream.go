package archive

import (
	"archive/tar"
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"

	"filippo.io/age"
	"github.com/klauspost/compress/zstd"

	"holdfast/repository/snapshot"
	"holdfast/storage"
)

// maxWindow bounds the memory that unpacking takes: what `zstd -d` takes
// without being asked.
const maxWindow = 128 << 20

// readBuffer is what is read of a part at once.
const readBuffer = 1 << 20

// stream reads an archive from its parts to the entries of its tar, and
// checks every hash on the way. What it yields is only known to be whole
// after finish.
type stream struct {
	*tar.Reader
	m        *Manifest
	snapshot *snapshot.Snapshot
	parts    *partReader
	inner    *hashed
	packed   *zstd.Decoder
	plain    *counter
	// first is the entry that was read to see where the label ends.
	first *tar.Header
}

// open opens an archive for reading; the caller closes it.
func open(ctx context.Context, at Placed, ids Identities, watch *Progress) (*stream, error) {
	s := &stream{m: at.Manifest, parts: &partReader{ctx: ctx, shelf: at.Shelf, m: at.Manifest, watch: watch}}
	opened, err := age.Decrypt(bufio.NewReaderSize(s.parts, readBuffer), ids.list...)
	var none *age.NoIdentityMatchError
	switch {
	case errors.As(err, &none):
		err = fmt.Errorf("none of the keys given opens it%s", keyHint(at.Manifest))
	case err != nil:
		err = s.damage(err)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("archive %s: %w", at.Name, err), s.parts.close())
	}
	s.inner = &hashed{r: opened, hash: sha256.New()}
	if s.packed, err = zstd.NewReader(s.inner, zstd.WithDecoderMaxWindow(maxWindow)); err == nil {
		s.plain = &counter{r: s.packed}
		s.Reader = tar.NewReader(s.plain)
		err = s.readLabel()
	}
	if err != nil {
		err = fmt.Errorf("archive %s: %w", at.Name, s.damage(err))
		s.close()
		return nil, err
	}
	return s, nil
}

// keyHint says which key is wanted.
func keyHint(m *Manifest) string {
	if m.Passphrase {
		return ": it wants a passphrase"
	}
	return ": it is encrypted to " + strings.Join(m.Recipients, ", ")
}

// damage marks an error as damage of the archive, unless the store failed or
// the work was stopped.
func (s *stream) damage(err error) error {
	if err == nil || s.parts.err != nil || s.parts.ctx.Err() != nil || errors.Is(err, ErrDamaged) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrDamaged, err)
}

// Next returns the next entry, or io.EOF.
func (s *stream) Next() (*tar.Header, error) {
	if h := s.first; h != nil {
		s.first = nil
		return h, nil
	}
	h, err := s.Reader.Next()
	if err != nil && !errors.Is(err, io.EOF) {
		err = s.damage(err)
	}
	return h, err
}

// readLabel reads what the archive says of itself and holds it to what the
// manifest says.
func (s *stream) readLabel() error {
	var text strings.Builder
	for {
		h, err := s.Reader.Next()
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		comment, ok := "", false
		if err == nil && h.Typeflag == tar.TypeXGlobalHeader {
			comment, ok = strings.CutPrefix(h.PAXRecords[nodeRecord], labelMark)
		}
		if !ok {
			s.first = h // nil at the end
			break
		}
		text.WriteString(comment)
		if text.Len() > maxManifestBytes {
			return errors.New("its label has no end")
		}
	}
	var l label
	if err := json.Unmarshal([]byte(text.String()), &l); err != nil {
		return fmt.Errorf("it has no label of holdfast's: %w", err)
	}
	snap, err := snapshot.Decode(l.Snapshot)
	if err != nil {
		return err
	}
	snap.ID = l.ID
	s.snapshot = snap
	return s.checkLabel(&l)
}

func (s *stream) checkLabel(l *label) error {
	m := s.m
	switch {
	case l.Format != m.Format, l.Kind != m.Kind, l.ID != m.Snapshot.ID, s.snapshot.Tree != m.Snapshot.Tree, !s.snapshot.Time.Equal(m.Snapshot.Time):
		return errors.New("the manifest is not that of what is inside")
	case (l.Parent == nil) != (m.Parent == nil), l.Parent != nil && *l.Parent != m.Parent.SHA256:
		return errors.New("the manifest names another parent than what is inside")
	}
	return nil
}

// finish reads to the end and returns nil if everything is what was written.
func (s *stream) finish() error {
	_, err := io.Copy(io.Discard, s.plain)
	if err == nil {
		_, err = io.Copy(io.Discard, s.inner) // nothing may follow the zstd frame
	}
	if err == nil {
		err = s.parts.drain()
	}
	if err != nil {
		return s.damage(err)
	}
	if got := (Digest{s.inner.n, Sum(s.inner.hash.Sum(nil))}); got != s.m.Inner || s.plain.n != s.m.TarBytes {
		return fmt.Errorf("%w: its tar.zst has %d bytes and SHA-256 %s; the manifest says %d and %s",
			ErrDamaged, got.Bytes, got.SHA256, s.m.Inner.Bytes, s.m.Inner.SHA256)
	}
	return nil
}

func (s *stream) close() {
	if s.packed != nil {
		s.packed.Close()
	}
	s.parts.close() //nolint:errcheck // it was only read
}

// hashed hashes and counts what is read.
type hashed struct {
	r    io.Reader
	hash hash.Hash
	n    int64
}

func (h *hashed) Read(p []byte) (int, error) {
	n, err := h.r.Read(p)
	h.hash.Write(p[:n])
	h.n += int64(n)
	return n, err
}

// counter counts what is read.
type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// partReader reads the parts of an archive one after the other, and checks
// each at its end.
type partReader struct {
	ctx   context.Context //nolint:containedctx // io.Reader takes none
	shelf Shelf
	m     *Manifest
	watch *Progress

	next int // the part to open next
	at   io.ReadCloser
	hash hash.Hash
	n    int64
	// ahead is the part after that, being opened.
	ahead *opening
	// err is a failure of the store, as opposed to damage.
	err error
}

// openAheadBytes is how much of a part is left when the next one is opened: the
// line is busy with that meanwhile. Opened much sooner, it would wait for its
// turn until its server gives up.
const openAheadBytes = 4 << 20

// opening is a part that is being opened, until done is closed.
type opening struct {
	done chan struct{}
	body io.ReadCloser
	err  error
}

func (r *partReader) Read(p []byte) (int, error) {
	for {
		if r.at == nil {
			if r.next == len(r.m.Parts) {
				return 0, io.EOF
			}
			if err := r.open(); err != nil {
				return 0, err
			}
		}
		n, err := r.at.Read(p)
		r.hash.Write(p[:n])
		r.n += int64(n)
		if r.watch != nil {
			r.watch.Bytes.Add(uint64(n)) //nolint:gosec // never negative
		}
		if r.ahead == nil && r.next < len(r.m.Parts) && r.m.Parts[r.next-1].Bytes-r.n <= openAheadBytes {
			r.openAhead()
		}
		switch {
		case errors.Is(err, io.EOF):
			err = r.endPart()
		case err != nil:
			part := r.m.Parts[r.next-1].Name
			if errors.Is(err, io.ErrUnexpectedEOF) {
				err = fmt.Errorf("%w: %s ends early", ErrDamaged, part)
			} else {
				r.err = err
				err = fmt.Errorf("read %s: %w", part, err)
			}
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

// openAhead begins to open the next part.
func (r *partReader) openAhead() {
	key := r.shelf.key(r.m.Name, r.m.Parts[r.next].Name)
	o := &opening{done: make(chan struct{})}
	r.ahead = o
	go func() { // open or close waits for it
		defer close(o.done)
		o.body, o.err = r.shelf.Store.Get(r.ctx, key, 0, -1)
	}()
}

func (r *partReader) open() error {
	part := r.m.Parts[r.next]
	if r.ahead == nil {
		r.openAhead()
	}
	<-r.ahead.done
	at, err := r.ahead.body, r.ahead.err
	r.ahead = nil
	if errors.Is(err, storage.ErrNotFound) {
		return fmt.Errorf("%w: %s is missing", ErrDamaged, part.Name)
	}
	if err != nil {
		r.err = err
		return fmt.Errorf("read %s: %w", part.Name, err)
	}
	r.at, r.hash, r.n = at, sha256.New(), 0
	r.next++
	return nil
}

// endPart checks a part that was read to its end.
func (r *partReader) endPart() error {
	part := r.m.Parts[r.next-1]
	err := r.at.Close()
	r.at = nil
	if err != nil {
		return fmt.Errorf("read %s: %w", part.Name, err)
	}
	if got := (Digest{r.n, Sum(r.hash.Sum(nil))}); got != part.Digest {
		return fmt.Errorf("%w: %s has %d bytes and SHA-256 %s; %s says %d and %s",
			ErrDamaged, part.Name, got.Bytes, got.SHA256, SumsName, part.Bytes, part.SHA256)
	}
	return nil
}

// drain reads what is left.
func (r *partReader) drain() error {
	_, err := io.Copy(io.Discard, r)
	return err
}

func (r *partReader) close() (err error) {
	if r.at != nil {
		err = r.at.Close()
		r.at = nil
	}
	if r.ahead != nil {
		<-r.ahead.done
		if r.ahead.err == nil {
			r.ahead.body.Close() //nolint:errcheck // nothing of it was read
		}
		r.ahead = nil
	}
	return err
}
