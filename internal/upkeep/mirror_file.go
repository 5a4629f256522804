package upkeep

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"

	"holdfast/repository"
	"holdfast/repository/id"
	"holdfast/storage"
)

// smallFileBytes is up to what size a file is copied by way of memory: all
// but packs and some index files.
const smallFileBytes = 1 << 20

// copyFile copies one object from store to store. It hashes what it reads and
// stores nothing that does not fit its name.
func copyFile(ctx context.Context, from, to storage.Store, f mirrorFile, put storage.PutOptions) error {
	sum := sha256.New()
	body, discard, err := fetchFile(ctx, from, to, f, sum)
	if err != nil {
		return err
	}
	if err := f.prove(body.Size(), sum); err != nil {
		return errors.Join(err, discard())
	}
	if !f.id.IsZero() {
		put.SHA256 = (*[32]byte)(&f.id)
	}
	if f.replace { // what is there is proven to be something else
		err = to.Delete(ctx, f.key)
	}
	if err == nil || errors.Is(err, storage.ErrNotFound) {
		err = to.Put(ctx, f.key, body, put)
	}
	if isThere(err) {
		err = nil
	}
	if err != nil {
		err = fmt.Errorf("mirror: %w", err)
	}
	return errors.Join(err, discard())
}

// fetchFile reads an object into memory or, if it is large, into a spool from
// which the destination may take it over.
func fetchFile(ctx context.Context, from, to storage.Store, f mirrorFile, sum hash.Hash) (body storage.Body, discard func() error, err error) {
	stream, err := from.Get(ctx, f.key, 0, -1)
	if err != nil {
		return nil, nil, fmt.Errorf("read %s: %w", f.key, err)
	}
	defer stream.Close() //nolint:errcheck // it was only read
	limited := io.TeeReader(io.LimitReader(stream, f.sizeBytes+1), sum)
	if f.sizeBytes <= smallFileBytes {
		data, err := io.ReadAll(limited)
		if err != nil {
			return nil, nil, fmt.Errorf("read %s: %w", f.key, err)
		}
		return bytes.NewReader(data), func() error { return nil }, nil
	}
	spool, err := storage.NewSpool(to)
	if err != nil {
		return nil, nil, fmt.Errorf("mirror: %w", err)
	}
	if _, err := io.Copy(spool, limited); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("copy %s: %w", f.key, err), spool.Discard())
	}
	return spool, spool.Discard, nil
}

// prove compares what was read of a file with its size and name.
func (f mirrorFile) prove(sizeBytes int64, sum hash.Hash) error {
	damaged := func(format string, args ...any) error {
		return &repository.CorruptError{Kind: f.kind, ID: f.id, Err: fmt.Errorf(format, args...)}
	}
	if sizeBytes != f.sizeBytes {
		return damaged("it was listed with %d bytes, and %d or more came", f.sizeBytes, sizeBytes)
	}
	if !f.id.IsZero() && id.ID(sum.Sum(nil)) != f.id {
		return damaged("its content does not match its name")
	}
	return nil
}
