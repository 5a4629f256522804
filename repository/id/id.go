// Package id holds the SHA-256 name under which a repository stores
// everything: files by the hash of their stored bytes, blobs by the hash of
// their plaintext.
package id

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// Size is the length of an ID in bytes.
const Size = sha256.Size

// shortHexDigits is how much of an ID people are shown.
const shortHexDigits = 8

// ID is the SHA-256 of what it names. The zero ID names nothing.
type ID [Size]byte

// Hash returns the ID of data.
func Hash(data []byte) ID { return sha256.Sum256(data) }

// Random returns an ID that names nothing known: for repository IDs and tests.
func Random() ID {
	var i ID
	rand.Read(i[:]) //nolint:errcheck // crypto/rand.Read never fails (Go 1.24)
	return i
}

// Parse reads the 64 hex digits of an ID, in lower case only, as the
// format writes them.
func Parse(s string) (ID, error) {
	var i ID
	if !Valid(s) {
		return i, fmt.Errorf("invalid ID %q: want %d lower-case hex digits", s, 2*Size)
	}
	_, err := hex.Decode(i[:], []byte(s))
	return i, err
}

// Valid tells whether s is an ID as Parse reads it. Listings skip every name
// that is not.
func Valid(s string) bool {
	if len(s) != 2*Size {
		return false
	}
	for _, c := range []byte(s) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// String returns all 64 hex digits.
func (i ID) String() string { return hex.EncodeToString(i[:]) }

// Short returns the first eight hex digits, as shown to people.
func (i ID) Short() string { return i.String()[:shortHexDigits] }

// IsZero tells whether i names nothing.
func (i ID) IsZero() bool { return i == ID{} }

// Compare orders IDs by their bytes.
func (i ID) Compare(o ID) int { return bytes.Compare(i[:], o[:]) }

// MarshalText makes an ID a hex string in JSON.
func (i ID) MarshalText() ([]byte, error) { return i.AppendText(nil) }

// AppendText appends the hex form of i to b.
func (i ID) AppendText(b []byte) ([]byte, error) { return hex.AppendEncode(b, i[:]), nil }

// UnmarshalText reads what MarshalText wrote.
func (i *ID) UnmarshalText(text []byte) error {
	p, err := Parse(string(text))
	if err == nil {
		*i = p
	}
	return err
}

// Set is a set of IDs.
type Set map[ID]struct{}

// NewSet returns the set of the given IDs.
func NewSet(ids ...ID) Set {
	s := make(Set, len(ids))
	for _, i := range ids {
		s.Add(i)
	}
	return s
}

// Add puts i into the set.
func (s Set) Add(i ID) { s[i] = struct{}{} }

// Has tells whether i is in the set.
func (s Set) Has(i ID) bool { _, ok := s[i]; return ok }
