package upkeep

import (
	"context"
	"errors"
	"fmt"

	"holdfast/repository"
	"holdfast/repository/blob"
	"holdfast/repository/id"
)

// mover reads blobs pack by pack to have them stored anew, in the same
// repository or others. Each blob is decrypted and hashed in between.
type mover struct {
	from *repository.Repository
	// save stores a blob; plain is valid only during the call.
	save    func(ctx context.Context, b blob.Blob, plain []byte) error
	counter *Counter
}

// into returns a save that stores everything with one writer.
func into(w *repository.Writer) func(context.Context, blob.Blob, []byte) error {
	return func(ctx context.Context, b blob.Blob, plain []byte) error {
		_, err := w.Save(ctx, b.Type, plain)
		return err
	}
}

// start asks for some blobs of one pack, given in the order of their offsets,
// and returns what moves them: they are on their way while others are moved.
func (m *mover) start(ctx context.Context, pack id.ID, blobs []blob.Blob) func() error {
	read := m.from.StartPack(ctx, pack, blobs)
	return func() error { return m.move(ctx, read) }
}

func (m *mover) move(ctx context.Context, read *repository.PackRead) error {
	return read.Each(func(b blob.Blob, plain []byte, err error) error {
		if err != nil {
			if plain, err = m.elsewhere(ctx, b, err); err != nil {
				return err
			}
		}
		if err := m.save(ctx, b, plain); err != nil {
			return err
		}
		m.counter.Items.Add(1)
		m.counter.Bytes.Add(uint64(b.Length))
		return nil
	})
}

// elsewhere reads a blob that is damaged in one pack from another one, if
// there is one.
func (m *mover) elsewhere(ctx context.Context, b blob.Blob, damage error) ([]byte, error) {
	plain, err := m.from.LoadBlob(ctx, b.Handle, nil)
	if err != nil {
		return nil, fmt.Errorf("no sound copy of %s: %w", b.Handle, errors.Join(damage, err))
	}
	return plain, nil
}
