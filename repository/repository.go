package repository

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"sync"

	"holdfast/repository/id"
	"holdfast/repository/internal/chunk"
	"holdfast/repository/internal/codec"
	"holdfast/repository/internal/index"
	"holdfast/repository/internal/seal"
	"holdfast/storage"
)

// Repository is an open repository. Its methods may be called from many
// goroutines at once, but for Close and LoadIndex.
type Repository struct {
	store   *gate
	config  Config
	key     *seal.Key
	keyID   id.ID
	options Options

	codec   *codec.Codec
	index   *index.Index
	readers chan *reader  // of LoadBlob, which they bound
	streams sync.Pool     // of readers for StreamPack
	cache   func() string // the result of openCache, asked for once
}

// Options tell how a repository is opened.
type Options struct {
	// Password opens one of the repository's keys. It is not kept.
	Password []byte
	// KeyHint, if set, is the ID or an ID prefix of the key to try first.
	KeyHint string
	// CacheDir is a folder of this user in which each repository gets a
	// folder named by its ID: the compiled index, and records that let an
	// interrupted backup go on. "" uses temporary files and keeps nothing.
	CacheDir string
	// ReadOnly refuses every change.
	ReadOnly bool
	// Warn, if set, is told of what went wrong without harm: of a cache that
	// cannot be used. It may be called from many goroutines at once.
	Warn func(error)
}

// InitOptions tell how a repository is made.
type InitOptions struct {
	// Password opens the first key.
	Password []byte
	// Cutter is GearCutter (the default) or RabinCutter.
	Cutter string
	// Like, if set, is a repository whose cut points are shared, so that
	// copies between the two dedup.
	Like *Repository
	// KeyCost bounds the work of deriving a key; the zero value calibrates
	// it to this machine.
	KeyCost KeyCost
}

// Init makes a repository in an empty store and opens it. When it is cut
// off, Init may be run again with the same password: the config is written
// last, and the key that was written first is used.
func Init(ctx context.Context, s storage.Store, in InitOptions, o Options) (*Repository, error) {
	if err := initiable(ctx, s); err != nil {
		return nil, fmt.Errorf("init repository at %s: %w", s.Location(), err)
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
	if err := r.firstKey(ctx, in); err != nil {
		return nil, err
	}
	if err := r.saveConfig(ctx); err != nil {
		return nil, err
	}
	return r, nil
}

// initiable returns why no repository can be made in a store, if so.
func initiable(ctx context.Context, s storage.Store) error {
	found, err := hasConfig(ctx, s)
	if err != nil {
		return err
	}
	if found {
		return ErrExists
	}
	for _, k := range []FileKind{SnapshotFile, IndexFile} {
		ids, err := fileIDs(ctx, s, k)
		if err != nil {
			return err
		}
		if len(ids) > 0 {
			return fmt.Errorf("%w whose config is lost: bring the file config back from another copy, or choose another place", ErrExists)
		}
	}
	return nil
}

// firstKey makes the first key, or takes the one that an interrupted Init has
// left. With two keys that open to different masters, which one opens the
// repository would depend on the order in which they are tried.
func (r *Repository) firstKey(ctx context.Context, in InitOptions) error {
	left, err := fileIDs(ctx, r.store, KeyFile)
	if err != nil {
		return err
	}
	if len(left) == 0 {
		r.key = seal.NewKey()
		r.keyID, err = r.addKey(ctx, in.Password, in.KeyCost)
		return err
	}
	if err := r.findKey(ctx, in.Password, ""); err != nil {
		return fmt.Errorf("init repository at %s: an interrupted init has left a key there; delete the folder keys, which protects nothing yet, or use the same password: %w", r.Location(), err)
	}
	return nil
}

// newConfig chooses the parameters of a new repository.
func newConfig(in InitOptions) (Config, error) {
	cfg := Config{Version: maxVersion, ID: id.Random().String()}
	if in.Like != nil {
		cfg.ChunkerPolynomial, cfg.Cutter = in.Like.config.ChunkerPolynomial, in.Like.config.Cutter
		return cfg, nil
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
		return fmt.Errorf("init repository at %s: %w", r.store.Location(), ErrExists)
	}
	return err
}

// Open opens the repository in a store. Errors wrap ErrNoRepository,
// ErrWrongPassword or ErrUnknownVersion where these say what is wrong.
func Open(ctx context.Context, s storage.Store, o Options) (*Repository, error) {
	found, err := hasConfig(ctx, s)
	if err != nil {
		return nil, fmt.Errorf("open repository at %s: %w", s.Location(), err)
	}
	if !found {
		return nil, fmt.Errorf("%w at %s: there is no config file; make one with `holdfast init`, or check the address", ErrNoRepository, s.Location())
	}
	r, err := newRepository(s, o)
	if err != nil {
		return nil, err
	}
	if err := r.findKey(ctx, o.Password, o.KeyHint); err != nil {
		return nil, err
	}
	if err := r.loadConfig(ctx); err != nil {
		return nil, fmt.Errorf("open repository at %s: %w", s.Location(), err)
	}
	return r, nil
}

func newRepository(s storage.Store, o Options) (*Repository, error) {
	o.Password = nil
	c, err := codec.New(codec.Default, runtime.GOMAXPROCS(0))
	if err != nil {
		return nil, err
	}
	r := &Repository{store: &gate{Store: s}, options: o, codec: c, readers: make(chan *reader, maxReaders)}
	r.streams.New = func() any { return new(reader) }
	r.cache = sync.OnceValue(r.openCache)
	for range maxReaders {
		r.readers <- new(reader)
	}
	return r, nil
}

// Close releases what the repository holds open on this machine.
func (r *Repository) Close() error {
	if r.index == nil {
		return nil
	}
	return r.index.Close()
}

// ID returns the random ID of the repository.
func (r *Repository) ID() string { return r.config.ID }

// Config returns the repository's parameters.
func (r *Repository) Config() Config { return r.config }

// KeyID returns the ID of the key that opened the repository.
func (r *Repository) KeyID() id.ID { return r.keyID }

// Location names the place of the repository, without secrets.
func (r *Repository) Location() string { return r.store.Location() }

// Store returns the store the repository lives in, behind the gate that
// holds operations back while a lock is in doubt.
func (r *Repository) Store() storage.Store { return r.store }

// writable returns why nothing may be changed, if so.
func (r *Repository) writable() error {
	if r.options.ReadOnly {
		return fmt.Errorf("change repository at %s: it was opened read-only: %w", r.Location(), storage.ErrReadOnly)
	}
	return nil
}

// writableBlobs returns why no blobs may be written, if so.
func (r *Repository) writableBlobs() error {
	if err := r.writable(); err != nil {
		return err
	}
	if r.config.Version < 2 {
		return fmt.Errorf("%w: `restic migrate upgrade_repo_v2` upgrades the repository", ErrVersion1)
	}
	return nil
}
