package logarchive

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Digest is a SHA-256.
type Digest [sha256.Size]byte

// IsZero tells whether there is no digest.
func (d Digest) IsZero() bool { return d == Digest{} }

// MarshalText writes a digest in hex; none is empty.
func (d Digest) MarshalText() ([]byte, error) {
	if d.IsZero() {
		return []byte{}, nil
	}
	return hex.AppendEncode(nil, d[:]), nil
}

// UnmarshalText reads what MarshalText writes.
func (d *Digest) UnmarshalText(text []byte) error {
	*d = Digest{}
	if len(text) == 0 {
		return nil
	}
	if len(text) != 2*len(d) {
		return fmt.Errorf("digest of %d characters, want %d", len(text), 2*len(d))
	}
	if _, err := hex.Decode(d[:], text); err != nil {
		return fmt.Errorf("digest: %w", err)
	}
	return nil
}

// Record says what a segment is and where its payload lies.
type Record struct {
	Segment
	// SHA256 and SizeBytes are those of the plaintext.
	SHA256    Digest
	SizeBytes int64
	// Previous is the Link of the record before this one; zero begins a chain.
	Previous Digest
	// Durable is up to where the line was archived for certain when this record
	// was written: Start, or less when segments before it were on their way.
	Durable Position
	// Object is the name of the payload, beside the record; its digest and
	// size are those of the stored bytes.
	Object          string
	ObjectSHA256    Digest
	ObjectSizeBytes int64
	// Time is when the segment was appended, by the clock of who did it.
	Time time.Time
	// Key is the public key that signed the record.
	Key ed25519.PublicKey
}

// Link is what the next record names as its previous one. It covers what is
// said of the log, not how the payload is stored, nor what was archived before
// it: all archivers of one log make the same links, wherever they begin.
func (r *Record) Link() Digest {
	return sha256.Sum256(fmt.Appendf(nil, "%s\nlink %q %q %d %q %d %d %x %d\n",
		preamble, r.Stream, r.Kind, r.Line, r.Name, r.Start, r.End, r.SHA256[:], r.SizeBytes))
}

// Follows tells whether the record fits after what is archived before it,
// which ends where it begins. One that begins a chain fits after all: who
// wrote it knew of nothing before, as when older segments arrive later.
func (r *Record) Follows(before ...*Record) bool {
	return r.Previous.IsZero() || slices.ContainsFunc(before, func(b *Record) bool { return b.Link() == r.Previous })
}

// preamble begins every record and everything that is signed or hashed, so
// that no signature can be taken for one of something else.
const preamble = "holdfast log record 1"

// maxRecordBytes bounds a record; a real one has some 900 bytes.
const maxRecordBytes = 16 << 10

var (
	// ErrForged says that a record is not signed by a trusted key.
	ErrForged = errors.New("log record is not signed by a trusted key")
	// ErrOutOfChain says that a segment does not follow the one before it.
	ErrOutOfChain = errors.New("log segment is out of chain")
)

// wireRecord is a Record as it is stored.
type wireRecord struct {
	Stream   string   `json:"stream"`
	Line     uint32   `json:"line"`
	Kind     Kind     `json:"kind"`
	Name     string   `json:"name"`
	Start    Position `json:"start"`
	End      Position `json:"end"`
	SHA256   Digest   `json:"sha256"`
	Size     int64    `json:"size"`
	Previous Digest   `json:"previous"`
	// Durable is left out where it is Start.
	Durable      *Position `json:"durable,omitempty"`
	Object       string    `json:"object"`
	ObjectSHA256 Digest    `json:"object_sha256"`
	ObjectSize   int64     `json:"object_size"`
	Time         time.Time `json:"time"`
	Key          []byte    `json:"key"`
}

// sign returns the stored form of the record: the preamble, one line of JSON,
// and the signature over both in base64.
func (r *Record) sign(key ed25519.PrivateKey) ([]byte, error) {
	r.Key = key.Public().(ed25519.PublicKey) //nolint:errcheck // an ed25519 key has no other
	durable := &r.Durable
	if r.Durable == r.Start {
		durable = nil
	}
	line, err := json.Marshal(wireRecord{
		Stream: r.Stream, Line: r.Line, Kind: r.Kind, Name: r.Name, Start: r.Start, End: r.End,
		SHA256: r.SHA256, Size: r.SizeBytes, Previous: r.Previous, Durable: durable,
		Object: r.Object, ObjectSHA256: r.ObjectSHA256, ObjectSize: r.ObjectSizeBytes,
		Time: r.Time.UTC(), Key: r.Key,
	})
	if err != nil {
		return nil, fmt.Errorf("encode record of %s: %w", r.Name, err)
	}
	return sealText(preamble, line, key), nil
}

// ParseRecord reads the stored form of a record. Only keys of trusted may
// have signed it; anything else is an ErrForged.
func ParseRecord(stored []byte, trusted []ed25519.PublicKey) (*Record, error) {
	var w wireRecord
	if err := openText(preamble, stored, &w, func() []byte { return w.Key }, trusted); err != nil {
		return nil, fmt.Errorf("log record %s: %w", w.Name, err)
	}
	r := &Record{
		Segment: Segment{Stream: w.Stream, Line: w.Line, Kind: w.Kind, Name: w.Name, Start: w.Start, End: w.End},
		SHA256:  w.SHA256, SizeBytes: w.Size, Previous: w.Previous, Durable: w.Start,
		Object: w.Object, ObjectSHA256: w.ObjectSHA256, ObjectSizeBytes: w.ObjectSize,
		Time: w.Time, Key: w.Key,
	}
	if w.Durable != nil {
		r.Durable = *w.Durable
	}
	return r, r.check()
}
