package repository

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"holdfast/repository/id"
	"holdfast/storage"
)

// A record is a small object of holdfast's own, which restic never looks at:
// evidence of a check, for instance. Its content is encoded and sealed as
// that of a snapshot file is, so that whoever cannot open the repository can
// neither read nor make one. Its key is a prefix of the caller's and the
// SHA-256 of its stored bytes: "holdfast/evidence/20260102T150405.000Z-3f9a...".

// SaveRecord stores a record and returns its key. The prefix lies below
// "holdfast/" and may hold the beginning of the last segment. A store that
// keeps nothing but restic's files returns storage.ErrUnsupported.
func (r *Repository) SaveRecord(ctx context.Context, prefix string, plain []byte) (key string, err error) {
	if err := r.writable(); err != nil {
		return "", err
	}
	if !strings.HasPrefix(prefix, foreignFolder) {
		return "", fmt.Errorf("save record: %q does not begin with %q", prefix, foreignFolder)
	}
	sealed, err := r.files().seal(RecordFile, plain)
	if err != nil {
		return "", err
	}
	i := id.Hash(sealed)
	key = prefix + i.String()
	err = r.store.Put(ctx, key, storage.Bytes(sealed), storage.PutOptions{SHA256: (*[32]byte)(&i)})
	if err != nil {
		return "", fmt.Errorf("save record %s: %w", key, err)
	}
	return key, nil
}

// LoadRecord returns the plaintext of a record, once it is proven to be what
// its key says and what a program with the repository's key has written.
func (r *Repository) LoadRecord(ctx context.Context, key string) ([]byte, error) {
	i, ok := RecordID(key)
	if !ok {
		return nil, fmt.Errorf("load record %s: its key does not end with a hash", key)
	}
	sealed, err := storage.ReadAll(ctx, r.store, key)
	if err != nil {
		return nil, fmt.Errorf("load record: %w", err)
	}
	if id.Hash(sealed) != i {
		return nil, &CorruptError{Kind: RecordFile, ID: i, Err: errors.New("its content does not match its name")}
	}
	return r.files().open(RecordFile, i, sealed)
}

// RemoveRecord deletes a record, for those that are not kept for ever. One that
// is gone already is no error.
func (r *Repository) RemoveRecord(ctx context.Context, key string) error {
	if err := r.writable(); err != nil {
		return err
	}
	if _, ok := RecordID(key); !ok {
		return fmt.Errorf("remove record %s: its key is none of a record", key)
	}
	if err := r.store.Delete(ctx, key); err != nil && !isNotFound(err) {
		return fmt.Errorf("remove record %s: %w", key, err)
	}
	return nil
}

// RecordID returns the hash at the end of the key of a record; false for keys
// that are none of a record.
func RecordID(key string) (id.ID, bool) {
	const digits = 2 * len(id.ID{})
	if !strings.HasPrefix(key, foreignFolder) || len(key) < digits {
		return id.ID{}, false
	}
	i, err := id.Parse(key[len(key)-digits:])
	return i, err == nil
}

// ListRecords calls visit with the key of every record below a prefix that
// lies below "holdfast/", in no particular order.
func (r *Repository) ListRecords(ctx context.Context, prefix string, visit func(key string) error) error {
	err := r.store.List(ctx, prefix, func(info storage.Info) error {
		if _, ok := RecordID(info.Key); !ok {
			return nil
		}
		return visit(info.Key)
	})
	if err != nil {
		return fmt.Errorf("list records: %w", err)
	}
	return nil
}
