package cloud

import (
	"context"
	"errors"

	"holdfast/storage"
)

// ProbeCreate tries whether a store refuses a key that is taken, as that of an
// object that was put is. nil is for one that does.
func ProbeCreate(ctx context.Context, s storage.Store, key string) error {
	err := s.Put(ctx, key, storage.Bytes([]byte("other")), storage.PutOptions{})
	switch {
	case errors.Is(err, storage.ErrExists):
		return nil
	case err == nil:
		return errors.New("the service replaced an object though it was told not to")
	default:
		return err
	}
}
