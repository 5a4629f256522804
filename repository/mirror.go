package repository

import (
	"context"
	"errors"
	"fmt"

	"holdfast/repository/id"
	"holdfast/repository/internal/seal"
	"holdfast/storage"
)

// ErrOtherRepository says that a store holds another repository than the one
// whose byte copy was expected there.
var ErrOtherRepository = errors.New("another repository is there")

// OpenMirror opens the byte copy of the repository that another store holds,
// with the key that is open already: the two have the same ID and the same
// keys. Errors wrap ErrNoRepository where there is no config, and
// ErrOtherRepository where the config is not one that this repository wrote.
func (r *Repository) OpenMirror(ctx context.Context, s storage.Store, o Options) (*Repository, error) {
	m, err := r.openMirror(ctx, s, o)
	if err != nil {
		return nil, fmt.Errorf("open mirror at %s: %w", s.Location(), err)
	}
	return m, nil
}

func (r *Repository) openMirror(ctx context.Context, s storage.Store, o Options) (*Repository, error) {
	sealed, err := readFile(ctx, s, ConfigFile, id.ID{})
	if isNotFound(err) {
		return nil, fmt.Errorf("%w: there is no config file", ErrNoRepository)
	}
	if err != nil {
		return nil, err
	}
	plain, err := r.key.Open(nil, sealed)
	if errors.Is(err, seal.ErrUnauthenticated) {
		return nil, fmt.Errorf("%w, or its config is damaged: this one's key does not open it", ErrOtherRepository)
	}
	if err != nil {
		return nil, err
	}
	config, err := decodeConfig(plain)
	if err != nil {
		return nil, err
	}
	if config.ID != r.config.ID {
		return nil, fmt.Errorf("%w: its ID is %s", ErrOtherRepository, config.ID)
	}
	m, err := newRepository(s, o)
	if err != nil {
		return nil, err
	}
	m.key, m.keyID, m.config = r.key, r.keyID, config
	return m, nil
}
