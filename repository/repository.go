package repository

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/semaphore"

	"holdfast/repository/blob"
	"holdfast/repository/id"
	"holdfast/repository/internal/cache"
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
	keys    KeysRead
	options Options

	codec *codec.Codec
	// decompress is what decompresses blobs first: codec.Decompress.
	decompress func(dst, frame []byte, plainLength int) ([]byte, error)
	index      *index.Index
	others     atomic.Int64        // see Others
	readers    chan *reader        // of LoadBlob, which they bound
	streams    sync.Pool           // of packReaders
	ahead      *semaphore.Weighted // see aheadOf
	cache      func() string       // the result of openCache, asked for once
	objects    func() *cache.Cache // likewise of openObjects; nil: none
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
	// CacheObjects keeps snapshots and the packs of trees in CacheDir too,
	// sealed as they are stored. It pays when the store is far away. What a
	// check reads, it reads from the store all the same: see VerifyFile and
	// StreamPack.
	CacheObjects bool
	// ReadOnly refuses every change.
	ReadOnly bool
	// Elsewhere, if set, is asked for a blob that LoadBlob cannot get from
	// this repository, and is told why not: a copy may have it. What it
	// returns is used only if it hashes to the blob's ID. It may be called
	// from many goroutines at once.
	Elsewhere func(ctx context.Context, h blob.Handle, cause error) ([]byte, error)
	// Deriving, if set, is held while a key is derived from the password,
	// which takes up to 64 MiB and half a second of a processor: programs that
	// open many repositories do so one after the other.
	Deriving sync.Locker
	// Warn, if set, is told of what went wrong without harm: of a cache that
	// cannot be used. It may be called from many goroutines at once.
	Warn func(error)
}

// Open opens the repository in a store. Errors wrap ErrNoRepository,
// ErrWrongPassword or ErrUnknownVersion where these say what is wrong.
func Open(ctx context.Context, s storage.Store, o Options) (*Repository, error) {
	// Asked for at the same time: a distant store answers all in one trip.
	ahead := readLastKey(ctx, s, o)
	defer ahead.abandon()
	keys, answered := []id.ID(nil), make(chan error, 1)
	go func() {
		var err error
		keys, err = fileIDs(ctx, s, KeyFile)
		answered <- err
	}()
	sealed, err := readFile(ctx, s, ConfigFile, id.ID{})
	keysErr := <-answered
	if isNotFound(err) {
		return nil, fmt.Errorf("%w at %s: there is no config file; make one with `holdfast init`, or check the address", ErrNoRepository, s.Location())
	}
	if err := cmp.Or(err, keysErr); err != nil {
		return nil, fmt.Errorf("open repository at %s: %w", s.Location(), err)
	}
	r, err := newRepository(s, o)
	if err != nil {
		return nil, err
	}
	var plain []byte
	found, err := findKey(ctx, r.store, keys, ahead, o, func(k *seal.Key) (err error) {
		if plain, err = k.Open(nil, sealed); err != nil {
			return &CorruptError{Kind: ConfigFile, Err: err}
		}
		return nil
	})
	if err == nil {
		r.keyID, r.key = found.id, found.master
		r.keys.Listed = keys
		if found.sound {
			r.keys.Sound = found.id
		}
		r.config, err = decodeConfig(plain)
	}
	if err != nil {
		return nil, fmt.Errorf("open repository at %s: %w", s.Location(), err)
	}
	r.rememberKey()
	return r, nil
}

func newRepository(s storage.Store, o Options) (*Repository, error) {
	o.Password = nil
	c, err := codec.New(codec.Default, runtime.GOMAXPROCS(0))
	if err != nil {
		return nil, err
	}
	c.TellMistakes(o.Warn)
	r := &Repository{store: &gate{Store: s}, options: o, codec: c, decompress: c.Decompress, readers: make(chan *reader, maxReaders), ahead: aheadOf(s)}
	r.streams.New = func() any { return newPackReader() }
	r.cache = sync.OnceValue(r.openCache)
	r.objects = sync.OnceValue(r.openObjects)
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

// KeysRead tells what Open has seen of the keys: for those who would read
// them at once again.
type KeysRead struct {
	Listed []id.ID
	// Sound is the key in use if its file is what was written. A damaged one
	// may open the repository, too.
	Sound id.ID
}

// KeysRead tells what Open has seen of the keys.
func (r *Repository) KeysRead() KeysRead { return r.keys }

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
