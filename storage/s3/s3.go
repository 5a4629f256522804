// Package s3 is a storage.Store in a bucket of AWS S3, or of a service that
// speaks the same protocol.
//
// A key is the name of an object below the prefix of the store, as in the
// repositories that restic makes, so both programs can work on one bucket.
//
// # Guarantees
//
// Put is atomic because the service's is. It only creates: where the service
// has conditional writes (If-None-Match) it refuses itself to put over an
// object. Where that is not known, Put looks first, unless the key is the hash
// of the body; where it is known to be missing, two machines that put other
// bytes under the same key in the same instant can both succeed, and the last
// one remains. Which it is, Probe tells.
//
// Each body is sent with its SHA-256, which the service verifies. Ranges are
// checked against what was asked for: a body that is cut, shorter than it
// claims or of another range is an error.
//
// # Requests
//
// They cost time and money. Each operation is one request, but for these: a
// Put looks first after an attempt whose outcome is not known, for a body that
// goes up in parts, and where nobody knows whether the service has conditional
// writes (see above); a Get of nothing, or past the end, asks for the size; and
// the region of the bucket is asked for once if nothing tells it. A Delete is
// one request because it does not find out whether there was something.
package s3

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"holdfast/storage"
	"holdfast/storage/internal/httpx"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/minio/minio-go/v7/pkg/encrypt"
	"github.com/minio/minio-go/v7/pkg/s3utils"
)

// Store keeps objects in one bucket. Open and Create make it.
type Store struct {
	options     Options
	root        string // what stands before keys: "" or ending in a slash
	core        *minio.Core
	credentials *credentials.Credentials
	connections *httpx.Transport
	sse         encrypt.ServerSide // nil: as the bucket is set to
	parts       partRule

	locating locating
	creating creating
	doubtful doubtful
	looking  keyLocks
}

var (
	_ storage.Store   = (*Store)(nil)
	_ storage.Cleaner = (*Store)(nil)
	_ storage.Hasher  = (*Store)(nil)
)

// Open makes a store in a bucket that exists. It sends no request: the first
// operation tells what is wrong with the place or the credentials.
func Open(_ context.Context, o Options) (*Store, error) {
	if o.Endpoint == "" || o.Bucket == "" {
		return nil, errors.New("open S3 storage: no endpoint or no bucket is named")
	}
	if err := s3utils.CheckValidBucketName(o.Bucket); err != nil {
		return nil, fmt.Errorf("open S3 storage: %w: bucket %q: %w", storage.ErrSetup, o.Bucket, err)
	}
	connections, err := httpx.NewTransport(httpx.Options{
		Connections: o.Connections, CACertFile: o.CACertFile, ClientCertFile: o.ClientCertFile, AnyServer: o.AnyServer, Stall: o.Stall,
	})
	if err != nil {
		return nil, fmt.Errorf("open S3 storage: %w", err)
	}
	s := &Store{options: o, connections: connections, parts: usualParts}
	if o.Prefix != "" {
		s.root = o.Prefix + "/"
	}
	if s.sse, err = o.encryption(); err != nil {
		return nil, fmt.Errorf("open S3 storage: %w", err)
	}
	if s.credentials, err = o.credentials(connections); err != nil {
		return nil, fmt.Errorf("open S3 storage: %w", err)
	}
	s.core, err = minio.NewCore(o.Endpoint, &minio.Options{
		Creds:        s.credentials,
		Secure:       !o.PlainHTTP,
		Transport:    transport{connections},
		Region:       o.region(),
		BucketLookup: o.lookup(),
		MaxRetries:   1, // storage/retry decides
	})
	if err != nil {
		return nil, fmt.Errorf("open S3 storage %s: %w", s.Location(), err)
	}
	s.locating.turn = make(chan struct{}, 1)
	s.creating.know(o.ConditionalCreate)
	if isAWS(o.Endpoint) {
		s.creating.know(Yes)
	}
	return s, nil
}

// Create is Open, and makes the bucket if it does not exist.
func Create(ctx context.Context, o Options) (*Store, error) {
	s, err := Open(ctx, o)
	if err != nil {
		return nil, err
	}
	if err := s.makeBucket(ctx); err != nil {
		return nil, fmt.Errorf("create S3 storage %s: %w", s.Location(), err)
	}
	return s, nil
}

func (s *Store) makeBucket(ctx context.Context) error {
	exists, err := s.core.BucketExists(ctx, s.options.Bucket)
	switch {
	case exists:
		return nil
	case err != nil && isDenied(err):
		// Credentials for one prefix often may not ask about the bucket.
		return nil
	case err != nil:
		return s.explain(err)
	}
	err = s.core.MakeBucket(ctx, s.options.Bucket, minio.MakeBucketOptions{
		Region: s.options.region(), ObjectLocking: s.options.ObjectLock,
	})
	switch code(err) {
	case "BucketAlreadyOwnedByYou": // by somebody who was quicker
		return nil
	case "BucketAlreadyExists":
		return fmt.Errorf("%w: the name of the bucket is taken by somebody else: %w", storage.ErrSetup, err)
	}
	return s.explainWrite(err)
}

// Close closes the connections that serve no request.
func (s *Store) Close() error {
	s.connections.CloseIdleConnections()
	return nil
}

// Location is the URL of the store as restic writes it.
func (s *Store) Location() string {
	scheme := "https"
	if s.options.PlainHTTP {
		scheme = "http"
	}
	return fmt.Sprintf("s3:%s://%s/%s", scheme, s.options.Endpoint, strings.TrimSuffix(s.options.Bucket+"/"+s.root, "/"))
}

// name turns key into the name of its object. It is where every operation on
// one key begins: an ended context stops it here.
func (s *Store) name(ctx context.Context, key string) (string, error) {
	if err := storage.CheckKey(key); err != nil {
		return "", err
	}
	name := s.root + key
	if len(name) > maxNameBytes {
		return "", fmt.Errorf("%w: with the prefix %q it is longer than %d bytes: %q", storage.ErrInvalidKey, s.options.Prefix, maxNameBytes, key)
	}
	return name, s.locate(ctx)
}

// maxNameBytes is the limit of S3.
const maxNameBytes = 1024
