// Package retry is a storage.Store that tries again what another one failed
// to do, for as long as its Policy allows.
//
// Only failures that may pass are tried again; an answer such as "not found"
// or "full" is given back at once (storage.IsPermanent). Trying again hides
// three things a caller should not have to know: that an earlier attempt had
// worked and only its answer was lost, that a stream broke half-way, and that
// a listing began anew.
package retry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"holdfast/storage"
)

// Store repeats operations of the Store it wraps. Make one with New.
type Store struct {
	storage.Store
	policy Policy
}

var _ storage.Wrapper = (*Store)(nil)

// New wraps s.
func New(s storage.Store, policy Policy) *Store {
	return &Store{Store: s, policy: policy.withDefaults()}
}

// Unwrap returns the store below.
func (s *Store) Unwrap() storage.Store { return s.Store }

// do runs attempt until it succeeds or is given up.
func (s *Store) do(ctx context.Context, op, key string, attempt func() error) error {
	a := s.begin(op, key)
	for {
		err := attempt()
		if err == nil {
			return nil
		}
		if err := a.again(ctx, err); err != nil {
			return err
		}
	}
}

// Put stores body. When an attempt failed and the next one meets an object
// under key, that object is read back: it may be the one just stored, with
// only the answer lost. Other bytes give storage.ErrConflict.
func (s *Store) Put(ctx context.Context, key string, body storage.Body, o storage.PutOptions) error {
	sent, bodyFailure := s.watch(body)
	failed := false // an attempt that may have stored something all the same
	bodyFailed := false
	err := s.do(ctx, "put", key, func() error {
		err := s.Store.Put(ctx, key, sent, o)
		if err != nil && bodyFailure() != nil {
			bodyFailed = true
			return nil // no failure of the store: do not try again
		}
		failed = failed || err != nil && !errors.Is(err, storage.ErrExists)
		return err
	})
	switch {
	case bodyFailed:
		return fmt.Errorf("put %s: read body: %w", key, bodyFailure())
	case failed && errors.Is(err, storage.ErrExists):
		return s.compare(ctx, key, body, o)
	default:
		return err
	}
}

// watch returns what to send for body, and a function that tells whether
// reading it failed. A spool is sent as it is where the store below may move
// it and not read it at all.
func (s *Store) watch(body storage.Body) (storage.Body, func() error) {
	if _, ok := body.(storage.Spool); ok {
		if _, moves := storage.As[storage.Spooler](s.Store); moves {
			return body, func() error { return nil }
		}
	}
	w := &watchedBody{Body: body}
	return w, w.failure
}

// compare returns nil when key holds exactly the bytes of body.
func (s *Store) compare(ctx context.Context, key string, body storage.Body, o storage.PutOptions) error {
	info, err := s.Stat(ctx, key)
	if err != nil {
		return readBackError(key, err)
	}
	if info.SizeBytes != body.Size() {
		return fmt.Errorf("put %s: %w: %d bytes instead of %d", key, storage.ErrConflict, info.SizeBytes, body.Size())
	}
	if stored, ok := s.storedHash(ctx, key, o.SHA256); ok {
		if stored != *o.SHA256 {
			return fmt.Errorf("put %s: %w: its hash is %x", key, storage.ErrConflict, stored)
		}
		o.WasChecked("SHA-256") // by the service, when it was put
		return nil
	}
	r, err := s.Get(ctx, key, 0, body.Size())
	if err != nil {
		return readBackError(key, err)
	}
	defer r.Close()
	offset, err := firstDifference(r, body)
	if err != nil {
		return readBackError(key, err)
	}
	if offset >= 0 {
		return fmt.Errorf("put %s: %w: from byte %d on", key, storage.ErrConflict, offset)
	}
	return nil
}

// storedHash asks the service for the hash of key, when there is one to
// compare it with. Whatever goes wrong, reading back decides.
func (s *Store) storedHash(ctx context.Context, key string, sum *[32]byte) (stored [32]byte, ok bool) {
	h, hashes := storage.As[storage.Hasher](s.Store)
	if sum == nil || !hashes {
		return stored, false
	}
	err := s.do(ctx, "stat", key, func() (err error) {
		stored, err = h.SHA256(ctx, key)
		return err
	})
	return stored, err == nil
}

// readBackError hides ErrNotFound, which is no answer to a Put: the object
// was there a moment ago, and somebody deleted it.
func readBackError(key string, err error) error {
	if errors.Is(err, storage.ErrNotFound) {
		return fmt.Errorf("read back %s: %v", key, err)
	}
	return fmt.Errorf("read back %s: %w", key, err)
}

// firstDifference returns the offset of a piece in which r differs from body,
// or -1. It reads as many bytes as body has.
func firstDifference(r io.Reader, body storage.Body) (int64, error) {
	const pieceBytes = 128 << 10
	size := body.Size()
	stored, ours := make([]byte, min(pieceBytes, size)), make([]byte, min(pieceBytes, size))
	for offset := int64(0); offset < size; {
		n := min(pieceBytes, size-offset)
		if _, err := io.ReadFull(r, stored[:n]); err != nil {
			return 0, err
		}
		if m, err := body.ReadAt(ours[:n], offset); int64(m) < n {
			return 0, fmt.Errorf("read body: %w", err)
		}
		if !bytes.Equal(stored[:n], ours[:n]) {
			return offset, nil
		}
		offset += n
	}
	return -1, nil
}

// Stat describes an object; see storage.Store.
func (s *Store) Stat(ctx context.Context, key string) (info storage.Info, err error) {
	err = s.do(ctx, "stat", key, func() (err error) {
		info, err = s.Store.Stat(ctx, key)
		return err
	})
	return info, err
}

// Delete removes an object. "Not found" after an attempt that failed means
// that the attempt had worked.
func (s *Store) Delete(ctx context.Context, key string) error {
	failed := false
	return s.do(ctx, "delete", key, func() error {
		err := s.Store.Delete(ctx, key)
		if failed && errors.Is(err, storage.ErrNotFound) {
			return nil
		}
		failed = true
		return err
	})
}

// List visits each object once, also when the listing breaks off and begins
// anew. It remembers the keys it visited: some 100 bytes each, for as many
// objects as lie below prefix (a repository of 1 TiB has 65,000 packs).
func (s *Store) List(ctx context.Context, prefix string, visit func(storage.Info) error) error {
	return s.listAgain(ctx, prefix, func(once func(key string, visit func() error) error) error {
		return s.Store.List(ctx, prefix, func(info storage.Info) error {
			return once(info.Key, func() error { return visit(info) })
		})
	})
}

// listAgain runs a listing until it comes to its end. What the listing finds
// it hands to once, which visits each key one time.
func (s *Store) listAgain(ctx context.Context, prefix string, list func(once func(key string, visit func() error) error) error) error {
	seen := map[string]struct{}{}
	var stop error // what visit returned
	once := func(key string, visit func() error) error {
		if _, ok := seen[key]; ok {
			return nil
		}
		seen[key] = struct{}{}
		stop = visit()
		return stop
	}
	err := s.do(ctx, "list", prefix, func() error {
		err := list(once)
		if stop != nil {
			return nil // no failure of the store
		}
		return err
	})
	if stop != nil {
		return stop
	}
	return err
}
