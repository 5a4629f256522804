package pack

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"

	"holdfast/repository/blob"
	"holdfast/repository/id"
)

// MaxSize bounds a whole pack in bytes. Offsets and lengths are uint32; 20 MiB
// below 4 GiB is where rustic stops too, which leaves room for any header.
const MaxSize = 4076 << 20

// ErrFull says that a blob does not fit into the pack any more. The pack is
// unchanged; the blob belongs into the next one.
var ErrFull = errors.New("pack is full")

// A Sealer encrypts and authenticates plain and appends the result, which is
// blob.Overhead bytes longer, to dst.
type Sealer func(dst, plain []byte) ([]byte, error)

// Builder writes one pack. It is not safe for concurrent use.
type Builder struct {
	w      io.Writer
	hash   hash.Hash
	target int64

	blobs []blob.Blob
	// offset is where the next blob begins.
	offset int64
	// entries is the size of the header entries so far.
	entries int64
	// err is the first error of the writer: what was written is unknown from
	// then on, so the pack is lost.
	err error
}

// NewBuilder starts a pack that is written to w, which must be empty, and
// counts as full at target bytes (at most MaxSize).
func NewBuilder(w io.Writer, target int64) *Builder {
	return &Builder{w: w, hash: sha256.New(), target: min(target, MaxSize)}
}

// Expect makes room for the entries of so many blobs.
func (p *Builder) Expect(blobs int) { p.blobs = slices.Grow(p.blobs, blobs) }

// Add appends a sealed blob. PlainLength counts the blob's bytes before they
// were compressed, and is 0 when they were not.
//
// A blob that does not fit gives ErrFull. After any other error the pack
// cannot be finished.
func (p *Builder) Add(h blob.Handle, sealed []byte, plainLength uint32) error {
	b := blob.Blob{Handle: h, Location: blob.Location{PlainLength: plainLength}}
	switch {
	case p.err != nil:
		return p.err
	case h.Type > blob.Tree:
		return fmt.Errorf("add blob to pack: %s", h.Type)
	case len(sealed) < blob.Overhead:
		return fmt.Errorf("add blob to pack: %d bytes are not a sealed blob", len(sealed))
	case len(p.blobs) > 0 && p.blobs[0].Type != h.Type:
		return fmt.Errorf("add %s blob to a pack of %s blobs", h.Type, p.blobs[0].Type)
	case !p.fits(int64(len(sealed)), int64(EntrySize(b))):
		return ErrFull
	}
	b.Offset, b.Length = uint32(p.offset), uint32(len(sealed))
	if err := p.write(sealed); err != nil {
		return err
	}
	p.offset += int64(len(sealed))
	p.entries += int64(EntrySize(b))
	p.blobs = append(p.blobs, b)
	return nil
}

// fits tells whether a blob of length bytes keeps pack and header within the
// format's limits.
func (p *Builder) fits(length, entry int64) bool {
	return p.entries+entry <= maxPlainHeader && p.Size()+length+entry <= MaxSize
}

// Size returns how many bytes the pack would have if it were finished now.
func (p *Builder) Size() int64 { return p.offset + p.entries + Overhead }

// Len returns the number of blobs added.
func (p *Builder) Len() int { return len(p.blobs) }

// Full tells whether the pack has reached its target size, or its header has
// no room for one more blob.
func (p *Builder) Full() bool {
	return p.Size() >= p.target || p.entries+CompressedEntrySize > maxPlainHeader
}

// Finish writes the header and returns the name of the pack and its blobs
// with their locations. The Builder must not be used again.
func (p *Builder) Finish(seal Sealer) (id.ID, []blob.Blob, error) {
	if p.err != nil {
		return id.ID{}, nil, p.err
	}
	if len(p.blobs) == 0 {
		return id.ID{}, nil, errors.New("finish pack: it holds no blob")
	}
	header, err := seal(nil, EncodeHeader(p.blobs))
	if err != nil {
		return id.ID{}, nil, fmt.Errorf("seal the header of a pack: %w", err)
	}
	header = binary.LittleEndian.AppendUint32(header, uint32(len(header)))
	if err := p.write(header); err != nil {
		return id.ID{}, nil, err
	}
	var name id.ID
	p.hash.Sum(name[:0])
	for i := range p.blobs {
		p.blobs[i].Pack = name
	}
	return name, p.blobs, nil
}

func (p *Builder) write(b []byte) error {
	p.hash.Write(b) //nolint:errcheck // a hash.Hash never fails
	if _, err := p.w.Write(b); err != nil {
		p.err = fmt.Errorf("write pack: %w", err)
	}
	return p.err
}

// Blobs returns the blobs added so far, in the order of their offsets. They
// have no pack before Finish.
func (p *Builder) Blobs() []blob.Blob { return p.blobs }
