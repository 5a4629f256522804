package repository

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"holdfast/repository/id"
	"holdfast/storage"
)

// maxUnpackedBytes bounds a file that is read into memory as a whole: index
// files of restic hold at most 50,000 blobs, about 8 MiB.
const maxUnpackedBytes = 512 << 20

func isNotFound(err error) bool { return errors.Is(err, storage.ErrNotFound) }

// readFile returns the stored bytes of a file after checking them against
// its name.
func readFile(ctx context.Context, s storage.Store, k FileKind, i id.ID) ([]byte, error) {
	key := k.Key(i)
	rd, err := s.Get(ctx, key, 0, -1)
	if err != nil {
		return nil, fmt.Errorf("read %s %s: %w", k, i.Short(), err)
	}
	data, err := io.ReadAll(io.LimitReader(rd, maxUnpackedBytes))
	if cerr := rd.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return nil, fmt.Errorf("read %s %s: %w", k, i.Short(), err)
	}
	if k != ConfigFile && id.Hash(data) != i {
		return nil, &CorruptError{Kind: k, ID: i, Err: errors.New("its content does not match its name")}
	}
	return data, nil
}

// LoadUnpacked returns the plaintext of an index, snapshot, lock or config
// file.
func (r *Repository) LoadUnpacked(ctx context.Context, k FileKind, i id.ID) ([]byte, error) {
	data, err := readFile(ctx, r.store, k, i)
	if err != nil {
		return nil, err
	}
	plain, err := r.key.OpenInPlace(data)
	if err != nil {
		return nil, &CorruptError{Kind: k, ID: i, Err: err}
	}
	if k == ConfigFile {
		return plain, nil
	}
	plain, err = r.codec.DecodeUnpacked(plain, maxUnpackedBytes)
	if err != nil {
		return nil, &CorruptError{Kind: k, ID: i, Err: err}
	}
	return plain, nil
}

// saveUnpacked seals and stores the plaintext of a file and returns its ID.
// As with blobs, what will be stored is opened again first and compared.
func (r *Repository) saveUnpacked(ctx context.Context, k FileKind, plain []byte) (id.ID, error) {
	encoded := plain
	if k != ConfigFile && r.config.Version >= 2 {
		encoded = r.codec.EncodeUnpacked(nil, plain)
	}
	sealed := r.key.Seal(nil, encoded)
	opened, err := r.key.Open(nil, sealed)
	if err == nil && k != ConfigFile {
		opened, err = r.codec.DecodeUnpacked(opened, maxUnpackedBytes)
	}
	if err != nil || string(opened) != string(plain) {
		return id.ID{}, fmt.Errorf("verify %s before upload: sealed data does not open to what was given; this machine may have faulty memory or CPU: %w", k, errors.Join(err))
	}
	i := id.Hash(sealed)
	if err := r.store.Put(ctx, k.Key(i), storage.Bytes(sealed)); err != nil {
		return id.ID{}, fmt.Errorf("save %s %s: %w", k, i.Short(), err)
	}
	return i, nil
}

func (r *Repository) saveJSON(ctx context.Context, k FileKind, v any) (id.ID, error) {
	plain, err := json.Marshal(v)
	if err != nil {
		return id.ID{}, fmt.Errorf("encode %s: %w", k, err)
	}
	return r.saveUnpacked(ctx, k, plain)
}
