// Package seal encrypts and authenticates everything a repository stores,
// and opens the key files that hold the repository's master key under a
// password (doc/design.rst, "Keys, Encryption and MAC").
//
// Sealed bytes are
//
//	IV (16) ‖ AES-256-CTR of the plaintext ‖ Poly1305 tag of the ciphertext (16)
//
// where the one-time key of Poly1305 is r ‖ AES-128_k(IV).
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
)

// Lengths in bytes, all part of the format.
const (
	ivSize  = aes.BlockSize
	tagSize = 16

	// Overhead is what sealing adds to the plaintext.
	Overhead = ivSize + tagSize
)

// ErrInvalidKey marks a key with a part that is missing or all zero.
var ErrInvalidKey = errors.New("invalid key")

// Key is a repository's master key, or the key that a password gives. It is
// safe for concurrent use and is not changed once made.
type Key struct {
	material material
	// The expanded forms of material, so that a blob does not pay for them.
	encrypt cipher.Block
	mac     cipher.Block
}

// material is what a key consists of. R is kept as it was made: Poly1305
// clears the bits of it that must be zero (RFC 8439, section 2.5), and other
// programs store it with these bits as they are.
type material struct {
	Encrypt [32]byte
	MACK    [16]byte
	MACR    [16]byte
}

// NewKey returns a random key.
func NewKey() *Key {
	var m material
	rand.Read(m.Encrypt[:]) //nolint:errcheck // crypto/rand.Read never fails (Go 1.24)
	rand.Read(m.MACK[:])    //nolint:errcheck // as above
	rand.Read(m.MACR[:])    //nolint:errcheck // as above
	k, err := expand(m)
	if err != nil {
		panic("seal: random key is all zero")
	}
	return k
}

// expand makes a key of its material. It returns ErrInvalidKey if a part is
// all zero.
func expand(m material) (*Key, error) {
	if m.Encrypt == [32]byte{} || m.MACK == [16]byte{} || m.MACR == [16]byte{} {
		return nil, fmt.Errorf("%w: a part is all zero", ErrInvalidKey)
	}
	encrypt, err := aes.NewCipher(m.Encrypt[:])
	if err != nil {
		return nil, fmt.Errorf("expanding the encryption key: %w", err)
	}
	mac, err := aes.NewCipher(m.MACK[:])
	if err != nil {
		return nil, fmt.Errorf("expanding the MAC key: %w", err)
	}
	return &Key{material: m, encrypt: encrypt, mac: mac}, nil
}

// Equal tells whether both are the same key.
func (k *Key) Equal(o *Key) bool { return k.material == o.material }

// String keeps a key out of logs.
func (k *Key) String() string { return "***" }

// GoString keeps a key out of logs.
func (k *Key) GoString() string { return "***" }

// storedKey is a master key's JSON form, inside a key file's sealed data.
type storedKey struct {
	MAC struct {
		K []byte `json:"k"`
		R []byte `json:"r"`
	} `json:"mac"`
	Encrypt []byte `json:"encrypt"`
}

// MarshalJSON returns the form that a key file holds, sealed. It is the bare
// secret.
func (k *Key) MarshalJSON() ([]byte, error) {
	var s storedKey
	s.MAC.K, s.MAC.R, s.Encrypt = k.material.MACK[:], k.material.MACR[:], k.material.Encrypt[:]
	return json.Marshal(s)
}

// UnmarshalJSON reads what MarshalJSON wrote. It returns ErrInvalidKey if a
// part is of the wrong length or all zero.
func (k *Key) UnmarshalJSON(text []byte) error {
	var s storedKey
	if err := json.Unmarshal(text, &s); err != nil {
		return fmt.Errorf("%w: %w", ErrInvalidKey, err)
	}
	var m material
	if len(s.Encrypt) != len(m.Encrypt) || len(s.MAC.K) != len(m.MACK) || len(s.MAC.R) != len(m.MACR) {
		return fmt.Errorf("%w: parts of %d, %d and %d bytes", ErrInvalidKey, len(s.Encrypt), len(s.MAC.K), len(s.MAC.R))
	}
	copy(m.Encrypt[:], s.Encrypt)
	copy(m.MACK[:], s.MAC.K)
	copy(m.MACR[:], s.MAC.R)
	expanded, err := expand(m)
	if err == nil {
		*k = *expanded
	}
	return err
}
