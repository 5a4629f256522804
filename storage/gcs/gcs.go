// Package gcs is a storage.Store in a bucket of Google Cloud Storage.
//
// A key is the name of an object below a prefix, as in the repositories restic
// makes, so both programs can work on one bucket. It speaks the service's JSON
// API itself: a dozen requests, all of them here.
//
// # Guarantees
//
// Put sends an object in one request, or in parts of one upload: readers see
// all of it or nothing. The service itself refuses a name that is taken
// (ifGenerationMatch=0), so of two writers one wins; and it checks the CRC32C
// of the whole object before that exists. Of a killed upload nothing is left;
// the service forgets it after a week.
//
// # Beyond the contract
//
// Retention is that of single objects: Governance is the service's mode
// "Unlocked", Compliance is "Locked". The bucket must have been made with
// object retention. Bulk is a custom time, which lifecycle rules count from.
// Nothing is ever cold here: all classes are read at once, at their price.
package gcs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"holdfast/storage"
	"holdfast/storage/internal/httpx"
)

// Store keeps objects in one bucket. Open and Create make it.
type Store struct {
	o      Options
	c      *client
	root   string // before every key: the prefix with a slash, or ""
	tuning tuning
}

type stallTime = time.Duration

// tuning is what tests make small.
type tuning struct {
	stall stallTime // how long nothing may move on a request; 0: the default of httpx
	// singleBytes is the largest object sent in one request: one that breaks
	// off begins anew. partBytes is the size of the parts of larger objects,
	// a multiple of 256 KiB.
	singleBytes, partBytes int64
	partDelay              time.Duration // before a part that got lost is sent again; see httpx.Sent.Again
}

var usual = tuning{singleBytes: 256 << 20, partBytes: 64 << 20, partDelay: httpx.PartDelay}

var (
	_ storage.Store     = (*Store)(nil)
	_ storage.Locker    = (*Store)(nil)
	_ storage.Versioned = (*Store)(nil)
	_ storage.Tiering   = (*Store)(nil)
	_ storage.Managed   = (*Store)(nil)
	_ storage.Prober    = (*Store)(nil)
)

// Open opens the store that o names. A bucket that does not exist, or
// credentials that are refused, show with the first operation.
func Open(ctx context.Context, o Options) (*Store, error) { return open(ctx, o, usual) }

func open(ctx context.Context, o Options, tuning tuning) (*Store, error) {
	o = o.withEnvironment()
	if err := o.check(); err != nil {
		return nil, err
	}
	c, err := newClient(ctx, o, tuning.stall)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", o.location(), err)
	}
	s := &Store{o: o, c: c, tuning: tuning}
	if o.Prefix != "" {
		s.root = o.Prefix + "/"
	}
	return s, nil
}

// Create makes the bucket where it does not exist, for nobody but the project,
// and opens it.
func Create(ctx context.Context, o Options) (*Store, error) {
	s, err := Open(ctx, o)
	if err != nil {
		return nil, err
	}
	// Asking comes first: credentials that may write objects often may not
	// make buckets, nor ask about them. Then the first Put says what is missing.
	err = s.c.call(ctx, http.MethodGet, s.c.objects(), url.Values{"maxResults": {"1"}, "fields": {"kind"}}, nil, nil)
	switch {
	case errors.Is(err, storage.ErrNotFound):
		err = s.makeBucket(ctx)
	case errors.Is(err, fs.ErrPermission):
		err = nil
	}
	if err != nil {
		return nil, fmt.Errorf("create %s: %w", s.Location(), err)
	}
	return s, nil
}

func (s *Store) makeBucket(ctx context.Context) error {
	if s.o.ProjectID == "" {
		return fmt.Errorf("there is no bucket %q, and no project to make it in: set GOOGLE_PROJECT_ID, or make the bucket", s.o.Bucket)
	}
	query := url.Values{"project": {s.o.ProjectID}}
	if s.o.Lockable {
		query.Set("enableObjectRetention", "true")
	}
	return s.c.call(ctx, http.MethodPost, s.c.endpoint+"/storage/v1/b", query, map[string]any{
		"name":     s.o.Bucket,
		"location": cmp.Or(s.o.Region, "US"),
		"iamConfiguration": map[string]any{
			"uniformBucketLevelAccess": map[string]any{"enabled": true},
			"publicAccessPrevention":   "enforced",
		},
	}, nil)
}

// Close closes the connections.
func (s *Store) Close() error {
	s.c.transport.CloseIdleConnections()
	return nil
}

// Location names bucket and prefix.
func (s *Store) Location() string { return s.o.location() }

// maxNameBytes bounds the name of an object.
const maxNameBytes = 1024

// name returns the name of the object under key.
func (s *Store) name(ctx context.Context, key string) (string, error) {
	if err := storage.CheckKey(key); err != nil {
		return "", err
	}
	name := s.root + key
	if len(name) > maxNameBytes {
		return "", fmt.Errorf("%w: with the prefix %q it has %d bytes, and the service takes %d", storage.ErrInvalidKey, s.o.Prefix, len(name), maxNameBytes)
	}
	return name, ctx.Err()
}

// object is what the service says about an object, as far as it is used here.
type object struct {
	Name           string     `json:"name"`
	Size           int64      `json:"size,string"`
	Generation     int64      `json:"generation,string"`
	Metageneration int64      `json:"metageneration,string"`
	TimeCreated    time.Time  `json:"timeCreated"`
	TimeDeleted    time.Time  `json:"timeDeleted"` // of a version that is no longer the object
	StorageClass   string     `json:"storageClass"`
	CustomTime     string     `json:"customTime"`
	CRC32C         string     `json:"crc32c"`
	Retention      *retention `json:"retention"`
	// RetentionExpiration is how long the bucket's own policy protects it.
	RetentionExpiration time.Time `json:"retentionExpirationTime"`
}

func (o object) info(key string) storage.Info {
	return storage.Info{Key: key, SizeBytes: o.Size, Stored: o.TimeCreated}
}

// describe asks for the fields of an object. A generation of 0 is the newest.
func (s *Store) describe(ctx context.Context, key string, generation int64, fields string) (object, error) {
	name, err := s.name(ctx, key)
	if err != nil {
		return object{}, err
	}
	query := url.Values{"fields": {fields}}
	if generation != 0 {
		query.Set("generation", strconv.FormatInt(generation, 10))
	}
	var o object
	err = s.c.call(ctx, http.MethodGet, s.c.object(name), query, nil, &o)
	return o, s.failure(err)
}

// failure says more about a bucket that is not there.
func (s *Store) failure(err error) error {
	answer, ok := errors.AsType[*answerError](err)
	if ok && answer.status == http.StatusNotFound && strings.Contains(strings.ToLower(answer.message), "bucket does not exist") {
		return fmt.Errorf("there is no bucket %q: check its name, or make it: %w", s.o.Bucket, err)
	}
	return err
}

// Stat describes an object; see storage.Store.
func (s *Store) Stat(ctx context.Context, key string) (storage.Info, error) {
	o, err := s.describe(ctx, key, 0, "size,timeCreated")
	if err != nil {
		return storage.Info{}, fmt.Errorf("stat %s: %w", key, err)
	}
	return o.info(key), nil
}

// Get reads a range; see storage.Store. It is one request, but for ranges
// that begin at the end of the object or after it: the service refuses those,
// and the length has to be asked for to know which they are.
func (s *Store) Get(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	r, err := s.read(ctx, key, 0, offset, length)
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", key, err)
	}
	return r, nil
}

// read reads a range of a generation of an object; 0 is the newest.
func (s *Store) read(ctx context.Context, key string, generation, offset, length int64) (io.ReadCloser, error) {
	name, err := s.name(ctx, key)
	if err != nil {
		return nil, err
	}
	if err := storage.CheckRange(key, offset, math.MaxInt64); err != nil {
		return nil, err
	}
	if length == 0 {
		return s.readNothing(ctx, key, generation, offset, length)
	}
	query := url.Values{"alt": {"media"}}
	if generation != 0 {
		query.Set("generation", strconv.FormatInt(generation, 10))
	}
	req, err := request(ctx, http.MethodGet, s.c.object(name), query, nil)
	if err != nil {
		return nil, err
	}
	if r := rangeHeader(offset, length); r != "" {
		req.Header.Set("Range", r)
	}
	resp, err := s.c.send(ctx, req)
	if errors.Is(err, storage.ErrInvalidRange) {
		return s.readNothing(ctx, key, generation, offset, length)
	}
	if err != nil {
		return nil, s.failure(err)
	}
	return httpx.Received(ctx, resp, offset, length, func(err error) error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return err
	})
}

func rangeHeader(offset, length int64) string {
	switch {
	case offset == 0 && length < 0:
		return ""
	case length < 0, length > math.MaxInt64-offset: // no object is that long
		return fmt.Sprintf("bytes=%d-", offset)
	default:
		return fmt.Sprintf("bytes=%d-%d", offset, offset+length-1)
	}
}

// readNothing answers for a range that holds no byte of the object.
func (s *Store) readNothing(ctx context.Context, key string, generation, offset, length int64) (io.ReadCloser, error) {
	o, err := s.describe(ctx, key, generation, "size")
	if err != nil {
		return nil, err
	}
	if err := storage.CheckRange(key, offset, o.Size); err != nil {
		return nil, err
	}
	switch {
	case length > 0 && length > o.Size-offset:
		return nil, fmt.Errorf("the object has %d bytes: %w", o.Size, io.ErrUnexpectedEOF)
	case length == 0 || offset == o.Size:
		return httpx.Nothing(), nil
	default:
		// The service refused a range that by its own account exists.
		return nil, fmt.Errorf("the service refuses bytes from %d on of an object with %d", offset, o.Size)
	}
}

// List visits the objects below prefix; see storage.Store. One request gives
// up to 1000 of them.
func (s *Store) List(ctx context.Context, prefix string, visit func(storage.Info) error) error {
	return s.list(ctx, prefix, url.Values{}, "name,size,timeCreated", func(key string, o object) error {
		return visit(o.info(key))
	})
}

// list visits the objects below prefix that query selects, with the fields.
func (s *Store) list(ctx context.Context, prefix string, query url.Values, fields string, visit func(key string, o object) error) error {
	if err := storage.CheckPrefix(prefix); err != nil {
		return err
	}
	return s.listNames(ctx, s.root+prefix, query, fields, visit)
}

// listNames is list for any beginning of names.
func (s *Store) listNames(ctx context.Context, prefix string, query url.Values, fields string, visit func(key string, o object) error) error {
	query.Set("prefix", prefix)
	query.Set("fields", "nextPageToken,items("+fields+")")
	for {
		var page struct {
			Items         []object `json:"items"`
			NextPageToken string   `json:"nextPageToken"`
		}
		if err := s.c.call(ctx, http.MethodGet, s.c.objects(), query, nil, &page); err != nil {
			return fmt.Errorf("list %s: %w", s.Location(), s.failure(err))
		}
		for _, o := range page.Items {
			key, ok := strings.CutPrefix(o.Name, s.root)
			if !ok || storage.CheckKey(key) != nil {
				continue // what consoles make to show folders, among others
			}
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := visit(key, o); err != nil {
				return err
			}
		}
		if page.NextPageToken == "" {
			return nil
		}
		query.Set("pageToken", page.NextPageToken)
	}
}

// Delete removes an object; see storage.Store. Where the bucket keeps
// versions, it stays as one of them.
func (s *Store) Delete(ctx context.Context, key string) error {
	name, err := s.name(ctx, key)
	if err == nil {
		err = s.failure(s.c.call(ctx, http.MethodDelete, s.c.object(name), nil, nil, nil))
	}
	if err != nil {
		return fmt.Errorf("delete %s: %w", key, err)
	}
	return nil
}
