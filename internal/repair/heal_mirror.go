package repair

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"holdfast/repository"
	"holdfast/repository/id"
	"holdfast/storage"
)

// errNoMirror says that no copy has the same files.
var errNoMirror = errors.New("none of the copies is a mirror, which would have the very file")

// fromMirror puts the file of a mirror in the place of one that is damaged or
// missing.
func (h *healer) fromMirror(ctx context.Context, f File) error {
	errs := []error{}
	for _, m := range h.mirrors {
		err := h.replace(ctx, m, f)
		if err == nil {
			return nil
		}
		errs = append(errs, err)
	}
	if len(errs) == 0 {
		return errNoMirror
	}
	return errors.Join(errs...)
}

// replace fetches a file, proves it by its hash, and only then lets go of the
// damaged one.
func (h *healer) replace(ctx context.Context, m *repository.Repository, f File) error {
	store, key := h.r.Store(), f.Kind.Key(f.ID)
	stream, err := m.Store().Get(ctx, key, 0, -1)
	if err != nil {
		return fmt.Errorf("mirror at %s: %w", m.Location(), err)
	}
	defer stream.Close() //nolint:errcheck // it was only read
	spool, err := storage.NewSpool(store)
	if err != nil {
		return err
	}
	sum := sha256.New()
	if _, err := io.Copy(io.MultiWriter(spool, sum), stream); err != nil {
		return errors.Join(fmt.Errorf("mirror at %s: %w", m.Location(), err), spool.Discard())
	}
	if id.ID(sum.Sum(nil)) != f.ID {
		damage := &repository.CorruptError{Kind: f.Kind, ID: f.ID, Err: errors.New("its content does not match its name")}
		return errors.Join(fmt.Errorf("mirror at %s: %w", m.Location(), damage), spool.Discard())
	}
	err = h.r.RemoveFile(ctx, f.Kind, f.ID)
	if err == nil {
		put := storage.PutOptions{SHA256: (*[32]byte)(&f.ID), Bulk: f.Kind == repository.PackFile && h.isBulk(f.ID)}
		err = store.Put(ctx, key, spool, put)
	}
	return errors.Join(err, spool.Discard())
}
