// Package azure is a storage.Store in a container of Azure Blob Storage.
//
// A key is the name of a block blob below a prefix, as in the repositories
// restic makes, so both programs can work on one container.
//
// # Guarantees
//
// Put sends an object in one request, or as blocks that one request then
// makes the object: readers see all of it or nothing. The service itself
// refuses a name that is taken (If-None-Match: *), so of two writers one wins.
// It checks an MD5 of everything it receives, and keeps that of objects sent
// in one request. A killed process leaves at most blocks that belong to no
// object, which the service removes after a week.
//
// # Beyond the contract
//
// Retention is the immutability policy of a blob's version: Governance is its
// mode "unlocked", Compliance is "locked". It needs a container with support
// for version-level immutability. Earlier versions need blob versioning of
// the account; the service does not say when a blob was deleted, so AsOf shows
// deleted blobs too (see its comment). Bulk is a blob index tag. Versioning
// and lifecycle rules belong to the account, and are read and set with its
// management interface where Options name subscription and resource group;
// without, Apply says which command makes each change.
package azure

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync/atomic"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/service"

	"holdfast/storage"
	"holdfast/storage/internal/httpx"
)

// Store keeps objects as blobs of one container. Open and Create make it.
type Store struct {
	o          Options
	container  *container.Client
	idle       func() // closes connections that are not in use
	account    func() (*service.Client, error)
	management *management // nil where Options do not say which account it is
	root       string      // before every key: the prefix with a slash, or ""
	tuning     tuning
	retains    atomic.Bool // the service was seen to set a retention
}

// tuning is what tests make small.
type tuning struct {
	stall time.Duration // how long nothing may move on a request; 0: the default of httpx
	// singleBytes is the largest object sent in one request. The service takes
	// 5000 MiB; a request that breaks off begins anew, so the bound is what
	// one may lose. Packs are far below. blockBytes is the size of the blocks
	// of larger objects.
	singleBytes, blockBytes int64
	token                   azcore.TokenCredential // in place of the identity of this machine
	partDelay               time.Duration          // before a part that got lost is sent again; see httpx.Sent.Again
}

var usual = tuning{singleBytes: 256 << 20, blockBytes: 64 << 20, partDelay: httpx.PartDelay}

var (
	_ storage.Store     = (*Store)(nil)
	_ storage.Locker    = (*Store)(nil)
	_ storage.Versioned = (*Store)(nil)
	_ storage.Tiering   = (*Store)(nil)
	_ storage.Managed   = (*Store)(nil)
	_ storage.Prober    = (*Store)(nil)
)

// Open opens the store that o names. It sends nothing: a container that does
// not exist, or credentials that are refused, show with the first operation.
func Open(_ context.Context, o Options) (*Store, error) { return open(o, usual) }

func open(o Options, tuning tuning) (*Store, error) {
	o = o.withEnvironment()
	if err := o.check(); err != nil {
		return nil, err
	}
	s := &Store{o: o, tuning: tuning}
	if err := s.connect(); err != nil {
		return nil, fmt.Errorf("open %s: %w", o.location(), err)
	}
	if o.Prefix != "" {
		s.root = o.Prefix + "/"
	}
	return s, nil
}

// Create makes the container where it does not exist, private to the account,
// and opens it.
func Create(ctx context.Context, o Options) (*Store, error) {
	s, err := Open(ctx, o)
	if err != nil {
		return nil, err
	}
	// Asking comes first: credentials that may write blobs often may not make
	// containers.
	_, err = s.container.GetProperties(ctx, nil)
	if err = s.failure(ctx, err); errors.Is(err, storage.ErrNotFound) {
		_, err = s.container.Create(ctx, nil)
		if bloberror.HasCode(err, bloberror.ContainerAlreadyExists) {
			return s, nil // made by somebody else meanwhile
		}
		err = s.failure(ctx, err)
	} else if errors.Is(err, fs.ErrPermission) {
		// A shared access signature for blobs cannot ask for the properties of
		// the container. If more is missing, the first Put says so.
		err = nil
	}
	if err != nil {
		return nil, fmt.Errorf("create %s: %w", s.Location(), err)
	}
	return s, nil
}

// Close closes the connections.
func (s *Store) Close() error {
	s.idle()
	return nil
}

// Location names account, container and prefix.
func (s *Store) Location() string { return s.o.location() }

// blob returns the client of the blob under key.
func (s *Store) blob(ctx context.Context, key string) (*blockblob.Client, error) {
	if err := storage.CheckKey(key); err != nil {
		return nil, err
	}
	name := s.root + key
	if len(name) > maxNameBytes {
		return nil, fmt.Errorf("%w: with the prefix %q it has %d bytes, and Azure takes %d", storage.ErrInvalidKey, s.o.Prefix, len(name), maxNameBytes)
	}
	return s.container.NewBlockBlobClient(name), ctx.Err()
}

// maxNameBytes bounds the name of a blob.
const maxNameBytes = 1024

// Stat describes an object; see storage.Store.
func (s *Store) Stat(ctx context.Context, key string) (storage.Info, error) {
	p, err := s.properties(ctx, key)
	if err != nil {
		return storage.Info{}, fmt.Errorf("stat %s: %w", key, err)
	}
	return storage.Info{Key: key, SizeBytes: *p.ContentLength, Stored: firstTime(p.CreationTime, p.LastModified)}, nil
}

// properties asks for everything the service says about a blob.
func (s *Store) properties(ctx context.Context, key string) (blob.GetPropertiesResponse, error) {
	b, err := s.blob(ctx, key)
	if err != nil {
		return blob.GetPropertiesResponse{}, err
	}
	p, err := b.GetProperties(ctx, nil)
	if err == nil && p.ContentLength == nil {
		err = errors.New("the service does not say how long the object is")
	}
	return p, s.failure(ctx, err)
}

// firstTime returns the first of times that is known.
func firstTime(times ...*time.Time) time.Time {
	for _, t := range times {
		if t != nil {
			return *t
		}
	}
	return time.Time{}
}

// List visits the blobs below prefix; see storage.Store. One request gives up
// to 5000 of them.
func (s *Store) List(ctx context.Context, prefix string, visit func(storage.Info) error) error {
	return s.list(ctx, prefix, container.ListBlobsInclude{}, func(key string, b *container.BlobItem) error {
		return visit(infoOf(key, b))
	})
}

func infoOf(key string, b *container.BlobItem) storage.Info {
	info := storage.Info{Key: key, Stored: firstTime(b.Properties.CreationTime, b.Properties.LastModified)}
	if b.Properties.ContentLength != nil {
		info.SizeBytes = *b.Properties.ContentLength
	}
	return info
}

// list visits what include names of the blobs below prefix, those excepted
// that are no objects.
func (s *Store) list(ctx context.Context, prefix string, include container.ListBlobsInclude, visit func(key string, b *container.BlobItem) error) error {
	if err := storage.CheckPrefix(prefix); err != nil {
		return err
	}
	pages := s.container.NewListBlobsFlatPager(&container.ListBlobsFlatOptions{
		Prefix: to.Ptr(s.root + prefix), Include: include,
	})
	for pages.More() {
		if err := ctx.Err(); err != nil {
			return err
		}
		page, err := pages.NextPage(ctx)
		if err != nil {
			return fmt.Errorf("list %s: %w", s.Location(), s.failure(ctx, err))
		}
		if page.Segment == nil {
			return fmt.Errorf("list %s: the answer is no listing: is there an Azure Blob service at %s?", s.Location(), s.o.serviceURL())
		}
		for _, b := range page.Segment.BlobItems {
			key, ok := s.keyOf(b)
			if !ok {
				continue
			}
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := visit(key, b); err != nil {
				return err
			}
		}
	}
	return nil
}

// keyOf returns the key of a listed blob. What is no object of ours is left
// out: names that no key can have, and the folders that accounts with a
// hierarchical namespace list as empty blobs.
func (s *Store) keyOf(b *container.BlobItem) (string, bool) {
	if b.Name == nil || b.Properties == nil {
		return "", false
	}
	if kind := b.Properties.ResourceType; kind != nil && *kind == "directory" {
		return "", false
	}
	key, ok := strings.CutPrefix(*b.Name, s.root)
	return key, ok && storage.CheckKey(key) == nil
}

// Delete removes an object; see storage.Store. Where the account keeps
// versions, the blob stays as one of them.
func (s *Store) Delete(ctx context.Context, key string) error {
	b, err := s.blob(ctx, key)
	if err == nil {
		// Snapshots that somebody made of a blob would keep it from being deleted.
		_, err = b.Delete(ctx, &blob.DeleteOptions{DeleteSnapshots: to.Ptr(blob.DeleteSnapshotsOptionTypeInclude)})
	}
	if err != nil {
		return fmt.Errorf("delete %s: %w", key, s.failure(ctx, err))
	}
	return nil
}
