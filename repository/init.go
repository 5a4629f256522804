package repository

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"holdfast/repository/id"
	"holdfast/repository/internal/chunk"
	"holdfast/repository/internal/seal"
	"holdfast/storage"
)

// InitOptions tell how a repository is made.
type InitOptions struct {
	// Password opens the first key.
	Password []byte
	// AllowEmpty permits a password of no characters, which protects nothing.
	AllowEmpty bool
	// Cutter is GearCutter (the default) or RabinCutter.
	Cutter string
	// Like, if set, is a repository whose cut points are shared, so that
	// copies between the two dedup.
	Like *Repository
	// KeyCost bounds the work of deriving a key; the zero value calibrates
	// it to this machine.
	KeyCost KeyCost
}

// Init makes a repository in a store that holds none, and opens it.
//
// It writes a key, then the config. When it is cut off in between, it may be
// run again with the same password, and takes up the key it finds. Whatever
// else of a repository is there without a config is what is left of one that
// lost it: Init refuses with ErrExists, for a new master key would open none
// of it.
func Init(ctx context.Context, s storage.Store, in InitOptions, o Options) (*Repository, error) {
	r, err := initRepositoryIn(ctx, s, in, o)
	if err != nil {
		return nil, fmt.Errorf("init repository at %s: %w", s.Location(), err)
	}
	return r, nil
}

func initRepositoryIn(ctx context.Context, s storage.Store, in InitOptions, o Options) (*Repository, error) {
	keys, err := mustBeVacant(ctx, s)
	if err != nil {
		return nil, err
	}
	cfg, err := newConfig(in)
	if err != nil {
		return nil, err
	}
	r, err := newRepository(s, o)
	if err != nil {
		return nil, err
	}
	r.config = cfg
	made, err := r.firstKey(ctx, in, keys)
	if err != nil {
		return nil, err
	}
	err = r.saveConfig(ctx)
	if errors.Is(err, ErrExists) && made {
		err = errors.Join(err, r.giveUpKey(ctx))
	}
	if err != nil {
		return nil, err
	}
	return r, nil
}

// mustBeVacant returns an ErrExists when the store holds a repository, or
// anything that only a repository leaves behind but keys, which it returns.
func mustBeVacant(ctx context.Context, s storage.Store) (keys []id.ID, err error) {
	found, err := hasConfig(ctx, s)
	if err != nil {
		return nil, err
	}
	if found {
		return nil, ErrExists
	}
	// One listing of all is one request where there is next to nothing.
	others := 0
	look := func(found storage.Info) error {
		switch folder, name, _ := strings.Cut(found.Key, "/"); folder + "/" {
		case SnapshotFile.folder(), IndexFile.folder(), PackFile.folder(), foreignFolder:
			return fmt.Errorf("%w, but its config is lost (%s is there): bring config back from another copy, or use an empty place", ErrExists, found.Key)
		case KeyFile.folder():
			if i, err := id.Parse(name); err == nil {
				keys = append(keys, i)
			}
		default:
			if others++; others > maxOthers {
				return errManyOthers
			}
		}
		return nil
	}
	err = s.List(ctx, "", look)
	if !errors.Is(err, errManyOthers) && !errors.Is(err, fs.ErrPermission) {
		return keys, err
	}
	// What others have there is none of our business, nor readable always.
	keys, others = nil, 0
	for _, folder := range []string{SnapshotFile.folder(), IndexFile.folder(), PackFile.folder(), foreignFolder, KeyFile.folder()} {
		if err := s.List(ctx, folder, look); err != nil {
			return nil, err
		}
	}
	return keys, nil
}

// maxOthers is how many objects of others a look around a place may meet
// before it looks only where a repository has its files.
const maxOthers = 500

var errManyOthers = errors.New("many other objects")

// firstKey makes the master key and a key file for it, or takes up what an
// Init left behind that was cut off, one of ids; made tells which.
func (r *Repository) firstKey(ctx context.Context, in InitOptions, ids []id.ID) (made bool, err error) {
	for _, i := range ids[:min(len(ids), maxKeysTried)] {
		var tried keyTrial
		master, err := tried.open(ctx, r.store, i, in.Password)
		switch {
		case err != nil:
			return false, err
		case master != nil:
			r.key, r.keyID = master, i
			return false, nil
		case tried.wrong > 0:
			return false, fmt.Errorf("%w, or the beginning of one: key %s is there, of another password, but no config; use that password, or delete the folder keys if the place never held a repository", ErrExists, i.Short())
		case len(tried.damage) > 0:
			// Nothing is sealed with it, and restic would stop at it.
			if err := r.removeFile(ctx, KeyFile, i); err != nil {
				return false, err
			}
		}
	}
	r.key = seal.NewKey()
	r.keyID, err = r.addKey(ctx, NewKey{Password: in.Password, AllowEmpty: in.AllowEmpty, Cost: in.KeyCost})
	return true, err
}

// giveUpKey deletes the key just made when another process was faster to write
// the config: the key would open nothing. But that process may have taken up
// our key, which then is the only one there is.
func (r *Repository) giveUpKey(ctx context.Context) error {
	_, err := r.LoadUnpacked(ctx, ConfigFile, id.ID{})
	if !errors.Is(err, seal.ErrUnauthenticated) {
		return err
	}
	return r.removeFile(ctx, KeyFile, r.keyID)
}

// newConfig chooses the parameters of a new repository.
func newConfig(in InitOptions) (Config, error) {
	cfg := Config{Version: maxVersion, ID: id.Random().String()}
	if in.Like != nil {
		cfg.ChunkerPolynomial, cfg.Cutter = in.Like.config.ChunkerPolynomial, in.Like.config.Cutter
		_, err := cfg.cutMethod(cfg.CutterName())
		return cfg, err
	}
	pol, err := chunk.RandomPolynomial()
	if err != nil {
		return cfg, fmt.Errorf("choose polynomial: %w", err)
	}
	cfg.ChunkerPolynomial = pol.String()
	switch in.Cutter {
	case "", GearCutter:
		seed := id.Random()
		cfg.Cutter = &CutterConfig{Name: GearCutter, Seed: seed[:]}
	case RabinCutter:
	default:
		return cfg, fmt.Errorf("unknown cutter %q: want %s or %s", in.Cutter, GearCutter, RabinCutter)
	}
	return cfg, nil
}

// saveConfig writes the config, which makes the store a repository.
func (r *Repository) saveConfig(ctx context.Context) error {
	plain, err := json.Marshal(r.config)
	if err != nil {
		return fmt.Errorf("encode config: %w", err)
	}
	_, err = r.saveUnpacked(ctx, ConfigFile, plain)
	if errors.Is(err, storage.ErrExists) {
		return ErrExists
	}
	return err
}
