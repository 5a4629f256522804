package seal

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"holdfast/repository/internal/scrypt"
)

// ErrWrongPassword says that a key file is sound but belongs to another
// password. Since a password is proven by opening what it sealed, damage
// inside the sealed data cannot be told from it.
var ErrWrongPassword = errors.New("wrong password")

// ErrDamagedKeyFile marks a key file that no password can open.
var ErrDamagedKeyFile = errors.New("damaged key file")

// kdfName is the only key derivation function of the format.
const kdfName = "scrypt"

// saltSize is the length of a salt in bytes. restic refuses any other.
const saltSize = 64

// KeyFile is a file below keys/ in a repository: the master key, sealed with
// a key derived from one password. A repository has one per password. The
// file is plain JSON; the order of the fields is the order they are stored in.
type KeyFile struct {
	Created  time.Time `json:"created"`
	Username string    `json:"username"`
	Hostname string    `json:"hostname"`
	KDF      string    `json:"kdf"`
	Params
	Salt []byte `json:"salt"`
	Data []byte `json:"data"`
}

// Identity names who made a key file, for people to tell them apart.
type Identity struct {
	User string
	Host string
}

// NewKeyFile seals the master key under a password. It takes as long as p
// demands.
func NewKeyFile(password []byte, master *Key, p Params, who Identity, now time.Time) (*KeyFile, error) {
	if err := p.Validate(); err != nil {
		return nil, fmt.Errorf("making a key file: %w", err)
	}
	f := &KeyFile{
		Created: now, Username: who.User, Hostname: who.Host,
		KDF: kdfName, Params: p, Salt: make([]byte, saltSize),
	}
	rand.Read(f.Salt) //nolint:errcheck // crypto/rand.Read never fails (Go 1.24)
	user, err := f.derive(password, scrypt.ProvenKey)
	if err != nil {
		return nil, fmt.Errorf("making a key file: %w", err)
	}
	plain, err := json.Marshal(master)
	if err != nil {
		return nil, fmt.Errorf("making a key file: %w", err)
	}
	f.Data = user.Seal(nil, plain)
	return f, nil
}

// ParseKeyFile reads the JSON of a key file and checks all that can be
// checked without a password. It returns ErrDamagedKeyFile, or ErrParams if
// opening the file would take too much memory or time.
func ParseKeyFile(text []byte) (*KeyFile, error) {
	f := new(KeyFile)
	if err := json.Unmarshal(text, f); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamagedKeyFile, err)
	}
	switch {
	case f.KDF != kdfName:
		return nil, fmt.Errorf("%w: unknown key derivation function %q", ErrDamagedKeyFile, f.KDF)
	case len(f.Salt) != saltSize:
		return nil, fmt.Errorf("%w: salt of %d bytes, want %d", ErrDamagedKeyFile, len(f.Salt), saltSize)
	case len(f.Data) <= Overhead:
		return nil, fmt.Errorf("%w: sealed key of %d bytes", ErrDamagedKeyFile, len(f.Data))
	}
	if err := f.Params.Validate(); err != nil {
		return nil, fmt.Errorf("key file: %w", err)
	}
	return f, nil
}

// Open returns the master key. It takes as long as the file's parameters
// demand. It returns ErrWrongPassword, or ErrDamagedKeyFile if the password
// is right and what it opens is not a key.
func (f *KeyFile) Open(password []byte) (*Key, error) {
	if err := f.Params.Validate(); err != nil {
		return nil, fmt.Errorf("opening a key file: %w", err)
	}
	user, err := f.derive(password, scrypt.Key)
	if err != nil {
		return nil, fmt.Errorf("opening a key file: %w", err)
	}
	plain, err := user.Open(nil, f.Data)
	if err != nil {
		return nil, ErrWrongPassword
	}
	master := new(Key)
	if err := json.Unmarshal(plain, master); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamagedKeyFile, err)
	}
	return master, nil
}

// derive returns the key that belongs to a password: scrypt's output is the
// encryption key, then k and r of the MAC.
func (f *KeyFile) derive(password []byte, by scrypt.Derivation) (*Key, error) {
	var m material
	const total = len(m.Encrypt) + len(m.MACK) + len(m.MACR)
	out, err := by(password, f.Salt, f.N, f.R, f.P, total)
	if err != nil {
		return nil, fmt.Errorf("deriving a key: %w", err)
	}
	copy(m.Encrypt[:], out)
	copy(m.MACK[:], out[32:])
	copy(m.MACR[:], out[48:])
	return expand(m)
}
