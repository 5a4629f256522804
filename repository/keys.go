package repository

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/user"
	"time"

	"holdfast/repository/id"
	"holdfast/repository/internal/seal"
	"holdfast/storage"
)

// The default cost of deriving a key (docs/decisions/0009-key-cost.md).
const (
	keyTime   = 250 * time.Millisecond
	keyMemory = 60 // MiB
)

// KeyCost are scrypt's parameters: the work that guards a password.
type KeyCost = seal.Params

// ErrEmptyPassword refuses a key that protects nothing.
var ErrEmptyPassword = errors.New("add key: an empty password protects nothing")

// Key describes a key file: a password that opens the repository.
type Key struct {
	ID       id.ID
	Created  time.Time
	Username string
	Hostname string
	// Current tells that this key opened the repository.
	Current bool
}

// Keys lists the keys of the repository. Damaged key files are reported
// together at the end.
func (r *Repository) Keys(ctx context.Context) ([]Key, error) {
	ids, err := fileIDs(ctx, r.store, KeyFile)
	if err != nil {
		return nil, err
	}
	var keys []Key
	var damaged []error
	for _, i := range ids {
		f, err := loadKeyFile(ctx, r.store, i)
		if err != nil {
			damaged = append(damaged, err)
			continue
		}
		keys = append(keys, Key{ID: i, Created: f.Created, Username: f.Username, Hostname: f.Hostname, Current: i == r.keyID})
	}
	return keys, errors.Join(damaged...)
}

// NewKey says what a key is made of.
type NewKey struct {
	Password []byte
	// AllowEmpty permits a password of no characters, which protects nothing.
	AllowEmpty bool
	// Cost bounds the work of deriving the key; the zero value calibrates it to
	// this machine.
	Cost KeyCost
	// Username and Hostname are what Keys will say of whose password it is; ""
	// for the user and the host of this process.
	Username, Hostname string
}

// AddKey adds a password that opens the repository.
func (r *Repository) AddKey(ctx context.Context, password []byte, cost KeyCost) (id.ID, error) {
	return r.AddKeyFor(ctx, NewKey{Password: password, Cost: cost})
}

// AddKeyFor is AddKey for a password that may be someone else's.
func (r *Repository) AddKeyFor(ctx context.Context, k NewKey) (id.ID, error) {
	if err := r.writable(); err != nil {
		return id.ID{}, err
	}
	return r.addKey(ctx, k)
}

func (r *Repository) addKey(ctx context.Context, k NewKey) (id.ID, error) {
	password, cost := k.Password, k.Cost
	if len(password) == 0 && !k.AllowEmpty {
		return id.ID{}, ErrEmptyPassword
	}
	who := thisIdentity()
	who.User, who.Host = cmp.Or(k.Username, who.User), cmp.Or(k.Hostname, who.Host)
	if cost == (KeyCost{}) {
		var err error
		if cost, err = usualCost(); err != nil {
			return id.ID{}, fmt.Errorf("add key: %w", err)
		}
	}
	f, err := seal.NewKeyFile(password, r.key, cost, who, time.Now())
	if err != nil {
		return id.ID{}, fmt.Errorf("add key: %w", err)
	}
	plain, err := json.Marshal(f)
	if err != nil {
		return id.ID{}, fmt.Errorf("add key: %w", err)
	}
	// A key that does not open would lock its owner out: try it first.
	if err := verifyKeyFile(plain, password); err != nil {
		return id.ID{}, fmt.Errorf("add key: verify before upload: %w", err)
	}
	i := id.Hash(plain)
	if err := r.store.Put(ctx, KeyFile.Key(i), storage.Bytes(plain), storage.PutOptions{SHA256: (*[32]byte)(&i)}); err != nil {
		return id.ID{}, fmt.Errorf("add key: %w", err)
	}
	return i, nil
}

// testKeys is set by the linker alone, and only in the holdfast that
// test/program builds: unless it is "", keys guard nothing. Tests run thousands
// of commands, and each would work a quarter of a second for a password that
// everybody can read.
var testKeys string

// usualCost is what a key costs when nobody says otherwise.
func usualCost() (KeyCost, error) {
	if testKeys != "" {
		return KeyCost{N: 2, R: 1, P: 1}, nil
	}
	return seal.Calibrate(keyTime, keyMemory)
}

func verifyKeyFile(plain, password []byte) error {
	f, err := seal.ParseKeyFile(plain)
	if err == nil {
		_, err = f.Open(password)
	}
	return err
}

// RemoveKey deletes a key. The one that opened the repository stays.
func (r *Repository) RemoveKey(ctx context.Context, i id.ID) error {
	if i == r.keyID {
		return fmt.Errorf("remove key %s: it is the key in use; open the repository with another one first", i.Short())
	}
	return r.RemoveFile(ctx, KeyFile, i)
}

// ChangePassword adds the new password, proves that it opens the repository,
// then removes the key in use. A crash in between leaves both.
func (r *Repository) ChangePassword(ctx context.Context, password []byte, cost KeyCost) (id.ID, error) {
	return r.ReplaceKey(ctx, NewKey{Password: password, Cost: cost})
}

// ReplaceKey is ChangePassword for a key that may be someone else's.
func (r *Repository) ReplaceKey(ctx context.Context, k NewKey) (id.ID, error) {
	added, err := r.AddKeyFor(ctx, k)
	if err != nil {
		return id.ID{}, err
	}
	stored, err := readFile(ctx, r.store, KeyFile, added)
	if err == nil {
		err = verifyKeyFile(stored, k.Password)
	}
	if err != nil {
		return id.ID{}, fmt.Errorf("read new key back: %w; the old password still opens the repository", err)
	}
	old := r.keyID
	r.keyID = added
	return added, r.RemoveFile(ctx, KeyFile, old)
}

// loadKeyFile reads a key file. With damage that leaves its form sound, such
// as a flipped bit in its owner's name, it returns the key file too: the key
// in it may still open.
func loadKeyFile(ctx context.Context, s storage.Store, i id.ID) (*seal.KeyFile, error) {
	data, damage := readFile(ctx, s, KeyFile, i)
	if damage != nil && !IsCorrupt(damage) {
		return nil, damage
	}
	return parseKeyFile(i, data, damage)
}

// parseKeyFile is loadKeyFile for what was read.
func parseKeyFile(i id.ID, data []byte, damage error) (*seal.KeyFile, error) {
	f, err := seal.ParseKeyFile(data)
	if err != nil {
		return nil, errors.Join(damage, &CorruptError{Kind: KeyFile, ID: i, Err: err})
	}
	return f, damage
}

// thisIdentity tells who makes a key, for people who list keys later.
func thisIdentity() seal.Identity {
	var who seal.Identity
	if u, err := user.Current(); err == nil {
		who.User = u.Username
	}
	if h, err := os.Hostname(); err == nil {
		who.Host = h
	}
	return who
}
