package evidence

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/blake2b"
)

// Keys and signatures have minisign's forms
// (https://jedisct1.github.io/minisign/#signature-format), so that minisign,
// or whoever knows Ed25519 and BLAKE2b, verifies what holdfast signed.

// The algorithms as minisign names them: a key, a signature of a file's
// BLAKE2b-512, and a signature of the file itself, which older programs make.
var (
	algorithm       = []byte("Ed")
	algorithmHashed = []byte("ED")
)

// keyIDSize is that of a key's ID, drawn at random.
const keyIDSize = 8

// PublicKey verifies the records of one author.
type PublicKey struct {
	id  [keyIDSize]byte
	key [ed25519.PublicKeySize]byte
}

// PrivateKey signs records.
type PrivateKey struct {
	id  [keyIDSize]byte
	key ed25519.PrivateKey
}

// NewPrivateKey draws a key.
func NewPrivateKey() (*PrivateKey, error) {
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		return nil, fmt.Errorf("make key: %w", err)
	}
	k := &PrivateKey{key: key}
	rand.Read(k.id[:]) //nolint:errcheck // never fails
	return k, nil
}

// Public returns the other half.
func (k *PrivateKey) Public() PublicKey {
	p := PublicKey{id: k.id}
	copy(p.key[:], k.key[ed25519.SeedSize:])
	return p
}

// secretComment begins the file of a key. Whoever has the file signs as this
// machine.
const secretComment = "untrusted comment: holdfast evidence key: it signs, keep it secret\n"

// Marshal writes the key as minisign writes one without a password.
func (k *PrivateKey) Marshal() []byte {
	raw := bytes.Join([][]byte{privatePrefix[:], k.id[:], k.key, make([]byte, checksumSize)}, nil)
	return []byte(secretComment + base64.StdEncoding.EncodeToString(raw) + "\n")
}

// privatePrefix begins a key: the algorithm, no hash of a password, the kind of
// checksum, and salt and limits of the hash that is not used. The checksum at
// the end is only set in keys with a password.
var privatePrefix = [2 + 2 + 2 + 32 + 8 + 8]byte{'E', 'd', 0, 0, 'B', '2'}

const checksumSize = 32

var errNoKey = errors.New("not a key of minisign without a password")

// ParsePrivateKey reads what Marshal writes. No error holds any of it.
func ParsePrivateKey(text []byte) (*PrivateKey, error) {
	raw, err := keyLine(string(text))
	if err != nil || len(raw) != len(privatePrefix)+keyIDSize+ed25519.PrivateKeySize+checksumSize || !bytes.HasPrefix(raw, privatePrefix[:]) {
		return nil, errNoKey
	}
	rest := raw[len(privatePrefix):]
	stored := rest[keyIDSize:][:ed25519.PrivateKeySize]
	k := &PrivateKey{id: [keyIDSize]byte(rest), key: ed25519.NewKeyFromSeed(stored[:ed25519.SeedSize])}
	if !bytes.Equal(k.key, stored) {
		return nil, errNoKey
	}
	return k, nil
}

// keyLine decodes the line of base64 of a key's text, with or without a line
// of comment before it.
func keyLine(text string) ([]byte, error) {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return base64.StdEncoding.Strict().DecodeString(strings.TrimSpace(lines[len(lines)-1]))
}

// ParsePublicKey reads a public key: the line of base64 alone, or the file of
// minisign with its comment.
func ParsePublicKey(text string) (p PublicKey, err error) {
	raw, err := keyLine(text)
	if err != nil || len(raw) != 2+keyIDSize+ed25519.PublicKeySize || !bytes.HasPrefix(raw, algorithm) {
		return p, fmt.Errorf("%q is no public key of evidence: it is a line of 56 letters that begins with RW", strings.TrimSpace(text))
	}
	copy(p.id[:], raw[2:])
	copy(p.key[:], raw[2+keyIDSize:])
	return p, nil
}

// String is the key as one line.
func (p PublicKey) String() string {
	return base64.StdEncoding.EncodeToString(bytes.Join([][]byte{algorithm, p.id[:], p.key[:]}, nil))
}

// ID tells the key from others, as minisign writes it.
func (p PublicKey) ID() string { return fmt.Sprintf("%016X", binary.LittleEndian.Uint64(p.id[:])) }

// File is the key as minisign keeps it in a file.
func (p PublicKey) File() string {
	return "untrusted comment: minisign public key " + p.ID() + "\n" + p.String() + "\n"
}

// Sign returns the signature of a message, with a comment that is signed too.
func (k *PrivateKey) Sign(message []byte, comment string) string {
	hashed := blake2b.Sum512(message)
	signature := ed25519.Sign(k.key, hashed[:])
	global := ed25519.Sign(k.key, append(bytes.Clone(signature), comment...))
	encode := base64.StdEncoding.EncodeToString
	return "untrusted comment: signature of holdfast evidence\n" +
		encode(bytes.Join([][]byte{algorithmHashed, k.id[:], signature}, nil)) + "\n" +
		"trusted comment: " + comment + "\n" + encode(global) + "\n"
}

// signature is one as it is read.
type signature struct {
	id        [keyIDSize]byte
	signature []byte
	comment   string
	global    []byte
}

var errNoSignature = errors.New("it is not signed")

// parseSignature reads what Sign returns.
func parseSignature(text string) (*signature, error) {
	if text == "" {
		return nil, errNoSignature
	}
	bad := errors.New("its signature cannot be read")
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if len(lines) != 4 {
		return nil, bad
	}
	raw, err := base64.StdEncoding.Strict().DecodeString(lines[1])
	comment, ok := strings.CutPrefix(lines[2], "trusted comment: ")
	if err != nil || !ok || len(raw) != 2+keyIDSize+ed25519.SignatureSize || !bytes.HasPrefix(raw, algorithmHashed) {
		return nil, bad
	}
	global, err := base64.StdEncoding.Strict().DecodeString(lines[3])
	if err != nil {
		return nil, bad
	}
	return &signature{id: [keyIDSize]byte(raw[2:]), signature: raw[2+keyIDSize:], comment: comment, global: global}, nil
}

// verifies tells whether a signature of a message is the key's.
func (p PublicKey) verifies(message []byte, s *signature) bool {
	hashed := blake2b.Sum512(message)
	return p.id == s.id && ed25519.Verify(p.key[:], hashed[:], s.signature) &&
		ed25519.Verify(p.key[:], append(bytes.Clone(s.signature), s.comment...), s.global)
}

// derPrefix begins an Ed25519 public key in DER (RFC 8410).
var derPrefix = []byte{0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00}

// PEM is the key as OpenSSL reads it. Signatures are of the BLAKE2b-512 of a
// file.
func (p PublicKey) PEM() string {
	return "-----BEGIN PUBLIC KEY-----\n" +
		base64.StdEncoding.EncodeToString(append(bytes.Clone(derPrefix), p.key[:]...)) + "\n-----END PUBLIC KEY-----\n"
}
