package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"
	"time"

	"holdfast/storage"

	"github.com/minio/minio-go/v7"
)

var _ storage.Versioned = (*Store)(nil)

// CheckVersions tells whether the bucket keeps versions; see storage.Versioned.
func (s *Store) CheckVersions(ctx context.Context) error {
	v, err := s.core.GetBucketVersioning(ctx, s.options.Bucket)
	if err != nil {
		return fmt.Errorf("read whether the bucket keeps versions: %w", own(ctx, s.explain(err)))
	}
	if !v.Enabled() {
		return fmt.Errorf("%w: the bucket %q keeps no versions: turn versioning on with `holdfast storage apply`, before it is needed",
			storage.ErrUnsupported, s.options.Bucket)
	}
	return nil
}

// versions visits all versions of the objects whose names begin with prefix,
// each object's newest first, until visit returns false.
func (s *Store) versions(ctx context.Context, prefix string, visit func(*minio.ObjectInfo) bool) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	o := minio.ListObjectsOptions{Prefix: prefix, Recursive: true, WithVersions: true}
	for object := range s.core.ListObjectsIter(ctx, s.options.Bucket, o) {
		if object.Err != nil {
			return fmt.Errorf("list versions: %w", own(ctx, s.explain(object.Err)))
		}
		if !visit(&object) {
			return nil
		}
	}
	return ctx.Err()
}

// versionsOf visits the versions of one object, the newest first.
func (s *Store) versionsOf(ctx context.Context, name string, visit func(*minio.ObjectInfo) bool) error {
	return s.versions(ctx, name, func(o *minio.ObjectInfo) bool {
		// Other names that begin so come after it.
		return o.Key == name && visit(o)
	})
}

// Undelete brings back the newest version of a deleted object; see
// storage.Versioned. Taking the delete markers away costs nothing, but few
// credentials may; the others copy the version to the top, on the service.
func (s *Store) Undelete(ctx context.Context, key string) error {
	if err := s.undelete(ctx, key); err != nil {
		return fmt.Errorf("bring back %s: %w", key, own(ctx, err))
	}
	return nil
}

func (s *Store) undelete(ctx context.Context, key string) error {
	name, err := s.name(ctx, key)
	if err != nil {
		return err
	}
	var markers []string
	newest := ""
	err = s.versionsOf(ctx, name, func(o *minio.ObjectInfo) bool {
		if o.IsDeleteMarker {
			markers = append(markers, o.VersionID)
			return true
		}
		newest = o.VersionID
		return false
	})
	switch {
	case err != nil:
		return err
	case newest == "":
		return storage.ErrNotFound
	case len(markers) == 0:
		return nil
	}
	err = s.removeMarkers(ctx, name, markers)
	if errors.Is(err, fs.ErrPermission) {
		return s.copyToTop(ctx, name, newest)
	}
	return err
}

func (s *Store) removeMarkers(ctx context.Context, name string, markers []string) error {
	for _, id := range markers {
		err := s.core.RemoveObject(ctx, s.options.Bucket, name, minio.RemoveObjectOptions{VersionID: id})
		if err != nil {
			return s.explainWrite(err)
		}
	}
	return nil
}

func (s *Store) copyToTop(ctx context.Context, name, versionID string) error {
	src := minio.CopySrcOptions{VersionID: versionID}
	_, err := s.core.CopyObject(ctx, s.options.Bucket, name, s.options.Bucket, name, nil, src, minio.PutObjectOptions{})
	return s.explainWrite(err)
}

// AsOf is the bucket as it was; see storage.Versioned. An instant counts by
// the clock of the service, which stamps versions to the second or finer.
func (s *Store) AsOf(t time.Time) storage.Store {
	return &past{store: s, at: t, known: map[string]*minio.ObjectInfo{}}
}

// past is a bucket as it was at an instant.
type past struct {
	store *Store
	at    time.Time

	mu sync.Mutex
	// known holds the versions that List and Stat have come by, so that a Get
	// is one request. It grows with the objects listed, some 300 bytes each.
	known map[string]*minio.ObjectInfo
}

func (p *past) remember(key string, o *minio.ObjectInfo) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.known[key] = &minio.ObjectInfo{VersionID: o.VersionID, Size: o.Size, LastModified: o.LastModified}
}

// find returns the version of key that was current.
func (p *past) find(ctx context.Context, key string) (*minio.ObjectInfo, error) {
	name, err := p.store.name(ctx, key)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	o := p.known[key]
	p.mu.Unlock()
	if o != nil {
		return o, nil
	}
	err = p.store.versionsOf(ctx, name, func(v *minio.ObjectInfo) bool {
		if v.LastModified.After(p.at) {
			return true
		}
		o = v
		return false
	})
	switch {
	case err != nil:
		return nil, err
	case o == nil || o.IsDeleteMarker:
		return nil, storage.ErrNotFound
	}
	p.remember(key, o)
	return o, nil
}

func (p *past) Get(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	o, err := p.find(ctx, key)
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", key, err)
	}
	r, err := p.store.get(ctx, version{key, o.VersionID}, offset, length)
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", key, own(ctx, err))
	}
	return r, nil
}

func (p *past) Stat(ctx context.Context, key string) (storage.Info, error) {
	o, err := p.find(ctx, key)
	if err != nil {
		return storage.Info{}, fmt.Errorf("stat %s: %w", key, err)
	}
	return storage.Info{Key: key, SizeBytes: o.Size, Stored: o.LastModified}, nil
}

func (p *past) List(ctx context.Context, prefix string, visit func(storage.Info) error) error {
	if err := storage.CheckPrefix(prefix); err != nil {
		return err
	}
	decided := "" // the name whose version of that instant is known
	var stop error
	err := p.store.versions(ctx, p.store.root+prefix, func(o *minio.ObjectInfo) bool {
		if o.Key == decided || o.LastModified.After(p.at) {
			return true
		}
		decided = o.Key
		key, ok := p.store.key(o.Key)
		if o.IsDeleteMarker || !ok {
			return true
		}
		p.remember(key, o)
		if stop = visit(storage.Info{Key: key, SizeBytes: o.Size, Stored: o.LastModified}); stop == nil {
			stop = ctx.Err()
		}
		return stop == nil
	})
	if stop != nil {
		return stop
	}
	return err
}

func (p *past) Put(ctx context.Context, key string, _ storage.Body, _ storage.PutOptions) error {
	return p.refuse(ctx, "put", key)
}

func (p *past) Delete(ctx context.Context, key string) error { return p.refuse(ctx, "delete", key) }

func (p *past) refuse(ctx context.Context, op, key string) error {
	if _, err := p.store.name(ctx, key); err != nil {
		return err
	}
	return fmt.Errorf("%s %s: %w: the past cannot be changed", op, key, storage.ErrReadOnly)
}

func (p *past) Location() string {
	return p.store.Location() + " as of " + p.at.Format(time.RFC3339)
}
