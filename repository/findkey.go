package repository

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"holdfast/repository/id"
	"holdfast/repository/internal/seal"
	"holdfast/storage"
)

// maxKeysTried bounds the work of opening a repository: each try costs half
// a second on purpose. restic uses the same bound.
const maxKeysTried = 20

// openKey is a key that a password opened.
type openKey struct {
	id     id.ID
	master *seal.Key
	sound  bool // its file is what was written
}

// findKey returns the first of the keys that the password opens and that fits:
// one which an interrupted Init left behind may open and belong to nothing.
func findKey(ctx context.Context, s storage.Store, ids []id.ID, ahead *keyAhead, o Options, fits func(*seal.Key) error) (openKey, error) {
	if len(ids) == 0 {
		return openKey{}, errors.New("there is a config but no key; without a key file nothing can be decrypted: bring one back from another copy")
	}
	ids, err := hintFirst(ids, o.KeyHint)
	if err != nil {
		return openKey{}, err
	}
	ids = ahead.first(ids)
	tried := keyTrial{deriving: o.Deriving, ahead: ahead}
	for _, i := range ids[:min(len(ids), maxKeysTried)] {
		damaged := len(tried.damage)
		master, err := tried.open(ctx, s, i, o.Password)
		if err != nil {
			return openKey{}, err
		}
		if master == nil {
			continue
		}
		if tried.misfit = fits(master); tried.misfit == nil {
			return openKey{i, master, len(tried.damage) == damaged}, nil
		}
		if !IsCorrupt(tried.misfit) {
			return openKey{}, tried.misfit
		}
	}
	return openKey{}, tried.judge(len(ids))
}

// keyTrial gathers why keys did not open.
type keyTrial struct {
	deriving sync.Locker // nil for none
	ahead    *keyAhead   // likewise
	wrong    int         // sound keys of other passwords
	damage   []error     // of damaged keys, those that open all the same included
	misfit   error       // of a key that opened
}

// open returns the master key in a key file, or nil if the password does not
// open it. An error means that the file could not be read.
func (t *keyTrial) open(ctx context.Context, s storage.Store, i id.ID, password []byte) (*seal.Key, error) {
	f, damage := t.load(ctx, s, i)
	switch {
	case isNotFound(damage): // removed since it was listed
		return nil, nil
	case damage != nil && !IsCorrupt(damage):
		return nil, damage
	case f == nil:
		t.damage = append(t.damage, damage)
		return nil, nil
	}
	if damage != nil {
		t.damage = append(t.damage, damage)
	}
	if t.deriving != nil {
		t.deriving.Lock()
	}
	master, err := f.Open(password)
	if t.deriving != nil {
		t.deriving.Unlock()
	}
	switch {
	case err == nil:
		return master, nil
	case damage != nil:
	case errors.Is(err, seal.ErrWrongPassword):
		t.wrong++
	default:
		t.damage = append(t.damage, &CorruptError{Kind: KeyFile, ID: i, Err: err})
	}
	return nil, nil
}

// load reads a key file, unless it was read ahead.
func (t *keyTrial) load(ctx context.Context, s storage.Store, i id.ID) (*seal.KeyFile, error) {
	if data, damage, ok := t.ahead.of(i); ok {
		return parseKeyFile(i, data, damage)
	}
	return loadKeyFile(ctx, s, i)
}

// judge tells why none of the keys opened the repository.
func (t *keyTrial) judge(keys int) error {
	damage := errors.Join(t.damage...)
	switch {
	case t.misfit != nil:
		return t.misfit
	case keys > maxKeysTried:
		return errors.Join(fmt.Errorf("%w, or its key is not among the first %d of %d: name it with --key-hint", ErrWrongPassword, maxKeysTried, keys), damage)
	case t.wrong == 0 && damage != nil:
		return fmt.Errorf("no key can be used: %w; bring one back from another copy", damage)
	case damage != nil:
		return fmt.Errorf("%w, or its key is damaged: %w", ErrWrongPassword, damage)
	}
	return ErrWrongPassword
}

// hintFirst moves the keys whose ID begins with hint to the front.
func hintFirst(ids []id.ID, hint string) ([]id.ID, error) {
	if hint == "" {
		return ids, nil
	}
	var first, rest []id.ID
	for _, i := range ids {
		if strings.HasPrefix(i.String(), hint) {
			first = append(first, i)
		} else {
			rest = append(rest, i)
		}
	}
	if len(first) == 0 {
		return nil, fmt.Errorf("no key has an ID that begins with %q", hint)
	}
	return append(first, rest...), nil
}
