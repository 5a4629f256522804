package gcs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"holdfast/storage"
	"holdfast/storage/internal/cloud"
)

// CheckVersions tells whether the bucket keeps versions; see
// storage.Versioned.
func (s *Store) CheckVersions(ctx context.Context) error {
	b, err := s.bucket(ctx)
	if err != nil {
		return fmt.Errorf("check whether %s keeps versions: %w", s.Location(), err)
	}
	if !b.Versioning.Enabled {
		return fmt.Errorf("the bucket %s keeps no versions of deleted objects: %w yet; turn it on with: gcloud storage buckets update gs://%s --versioning", s.o.Bucket, storage.ErrUnsupported, s.o.Bucket)
	}
	return nil
}

// AsOf returns the store as it was, from versions; see storage.Versioned.
func (s *Store) AsOf(t time.Time) storage.Store {
	return cloud.AsOf(s.Location(), t, cloud.Versions[object]{
		Find: func(ctx context.Context, key string) (object, error) {
			all, err := s.generations(ctx, key, "versions")
			if err != nil {
				return object{}, err
			}
			n := slices.IndexFunc(all, func(o object) bool { return o.wasThere(t) })
			if n < 0 {
				return object{}, storage.ErrNotFound
			}
			return all[n], nil
		},
		Info: object.info,
		Read: func(ctx context.Context, o object, key string, offset, length int64) (io.ReadCloser, error) {
			return s.read(ctx, key, o.Generation, offset, length)
		},
		List: func(ctx context.Context, prefix string, visit func(storage.Info) error) error {
			return s.list(ctx, prefix, url.Values{"versions": {"true"}}, versionFields, func(key string, o object) error {
				if !o.wasThere(t) {
					return nil
				}
				return visit(o.info(key))
			})
		},
	})
}

const versionFields = "name,size,timeCreated,timeDeleted,generation"

// wasThere tells whether readers saw this version at an instant.
func (o object) wasThere(t time.Time) bool {
	return !o.TimeCreated.After(t) && (o.TimeDeleted.IsZero() || o.TimeDeleted.After(t))
}

// generations returns the versions of one object that a listing shows which
// is asked for what ("versions" or "softDeleted").
func (s *Store) generations(ctx context.Context, key, what string) ([]object, error) {
	name, err := s.name(ctx, key)
	if err != nil {
		return nil, err
	}
	var all []object
	err = s.listNames(ctx, name, url.Values{what: {"true"}}, versionFields, func(k string, o object) error {
		if k != key { // names come in order: there is no more of ours
			return errSeen
		}
		all = append(all, o)
		return nil
	})
	if errors.Is(err, errSeen) {
		err = nil
	}
	return all, err
}

// errSeen ends a listing of which enough was seen.
var errSeen = errors.New("seen enough")

// newest returns the version that was put last.
func newest(all []object) (object, bool) {
	var last object
	for _, o := range all {
		if o.Generation > last.Generation {
			last = o
		}
	}
	return last, len(all) > 0
}

// Undelete brings the newest version back; see storage.Versioned. Without
// versions, soft delete does as well.
func (s *Store) Undelete(ctx context.Context, key string) error {
	if err := s.undelete(ctx, key); err != nil {
		return fmt.Errorf("undelete %s: %w", key, err)
	}
	return nil
}

func (s *Store) undelete(ctx context.Context, key string) error {
	all, err := s.generations(ctx, key, "versions")
	if err != nil {
		return err
	}
	if last, ok := newest(all); ok {
		if last.TimeDeleted.IsZero() {
			return nil
		}
		return s.promote(ctx, last)
	}
	all, err = s.generations(ctx, key, "softDeleted")
	if errors.Is(err, storage.ErrUnsupported) { // without soft delete
		return storage.ErrNotFound
	}
	if err != nil {
		return err
	}
	last, ok := newest(all)
	if !ok {
		return storage.ErrNotFound
	}
	return s.restore(ctx, last)
}

// promote makes a version the object again: by a copy within the service, of
// which very large objects take several requests.
func (s *Store) promote(ctx context.Context, o object) error {
	query := url.Values{
		"sourceGeneration": {strconv.FormatInt(o.Generation, 10)}, "ifGenerationMatch": {"0"},
		"fields": {"done,rewriteToken"},
	}
	for {
		var answer struct {
			Done         bool   `json:"done"`
			RewriteToken string `json:"rewriteToken"`
		}
		err := s.c.call(ctx, http.MethodPost, s.c.object(o.Name)+"/rewriteTo/b/"+url.PathEscape(s.o.Bucket)+"/o/"+url.PathEscape(o.Name), query, struct{}{}, &answer)
		if errors.Is(err, storage.ErrExists) {
			return nil // put or undeleted by somebody else meanwhile
		}
		if err != nil || answer.Done {
			return err
		}
		query.Set("rewriteToken", answer.RewriteToken)
	}
}

// restore brings back what soft delete kept.
func (s *Store) restore(ctx context.Context, o object) error {
	query := url.Values{"generation": {strconv.FormatInt(o.Generation, 10)}, "ifGenerationMatch": {"0"}, "fields": {"generation"}}
	err := s.c.call(ctx, http.MethodPost, s.c.object(o.Name)+"/restore", query, nil, nil)
	if errors.Is(err, storage.ErrExists) {
		return nil
	}
	return err
}
