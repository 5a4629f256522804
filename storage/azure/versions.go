package azure

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"holdfast/storage"
	"holdfast/storage/internal/cloud"
)

// CheckVersions tells whether the account keeps versions; see
// storage.Versioned. The service does not say so to those who only read and
// write blobs; but each blob put while versions are kept has the name of one.
// So the whole store is listed: the blob put last tells.
func (s *Store) CheckVersions(ctx context.Context) error {
	on, err := s.versioning(ctx)
	switch {
	case err != nil:
		return fmt.Errorf("check whether %s keeps versions: %w", s.Location(), err)
	case on == storage.Off:
		return fmt.Errorf("the account keeps no versions of deleted blobs: %w yet; turn it on: %s", storage.ErrUnsupported, s.versioningCommand())
	case on == storage.Unknown:
		return fmt.Errorf("whether versions are kept shows on objects, and %s has none yet: %w", s.Location(), storage.ErrUnsupported)
	default:
		return nil
	}
}

func (s *Store) versioningCommand() string {
	return fmt.Sprintf("az storage account blob-service-properties update --account-name %s --enable-versioning true", s.o.Account)
}

// versioning tells whether versions were kept when the newest blob was put.
func (s *Store) versioning(ctx context.Context) (storage.Toggle, error) {
	var last version
	state := storage.Unknown
	err := s.list(ctx, "", container.ListBlobsInclude{Versions: true}, func(key string, b *container.BlobItem) error {
		v := versionOf(key, b)
		if state != storage.Unknown && !v.put.After(last.put) {
			return nil
		}
		last, state = v, storage.Off
		if v.id != "" {
			state = storage.On
		}
		return nil
	})
	return state, err
}

// AsOf returns the store as it was, from versions; see storage.Versioned.
//
// The service does not keep when a blob was deleted. So the view shows every
// object that had been put by then and of which a version is left: those too
// that were deleted before. For a repository these are packs and index files
// that prune had removed, with what they hold, and forgotten snapshots.
func (s *Store) AsOf(t time.Time) storage.Store {
	return cloud.AsOf(s.Location(), t, cloud.Versions[version]{
		Find: func(ctx context.Context, key string) (version, error) {
			all, err := s.versionsOf(ctx, key)
			v, ok := asOf(all, t)
			if err == nil && !ok {
				err = storage.ErrNotFound
			}
			return v, err
		},
		Info: version.info,
		Read: func(ctx context.Context, v version, key string, offset, length int64) (io.ReadCloser, error) {
			b, err := s.versionClient(ctx, key, v)
			if err != nil {
				return nil, err
			}
			return s.read(ctx, key, b, offset, length)
		},
		List: func(ctx context.Context, prefix string, visit func(storage.Info) error) error {
			return s.versions(ctx, prefix, func(key string, all []version) error {
				if v, ok := asOf(all, t); ok {
					return visit(v.info(key))
				}
				return nil
			})
		},
	})
}

// version is one version of a blob.
type version struct {
	id        string // "" for a blob from before versions were kept
	put       time.Time
	sizeBytes int64
	current   bool
	gone      bool // soft-deleted: known, and not readable before it is undeleted
}

func (v version) info(key string) storage.Info {
	return storage.Info{Key: key, SizeBytes: v.sizeBytes, Stored: v.put}
}

// asOf picks the version that had been put last at t.
func asOf(all []version, t time.Time) (version, bool) {
	var then version
	found := false
	for _, v := range all {
		if !v.gone && !v.put.After(t) && (!found || v.put.After(then.put)) {
			then, found = v, true
		}
	}
	return then, found
}

// versions visits the versions of each blob below prefix.
func (s *Store) versions(ctx context.Context, prefix string, visit func(key string, all []version) error) error {
	var key string
	var all []version // of key
	err := s.list(ctx, prefix, container.ListBlobsInclude{Versions: true, Deleted: true}, func(k string, b *container.BlobItem) error {
		v := versionOf(k, b)
		if k == key { // the versions of one blob come one after another
			all = append(all, v)
			return nil
		}
		last, lastAll := key, all
		key, all = k, []version{v}
		if len(lastAll) == 0 {
			return nil
		}
		return visit(last, lastAll)
	})
	if err != nil || len(all) == 0 {
		return err
	}
	return visit(key, all)
}

func versionOf(key string, b *container.BlobItem) version {
	info := infoOf(key, b)
	v := version{put: info.Stored, sizeBytes: info.SizeBytes}
	v.gone = b.Deleted != nil && *b.Deleted
	v.current = b.IsCurrentVersion != nil && *b.IsCurrentVersion
	if b.VersionID == nil || *b.VersionID == "" {
		v.current = !v.gone
		return v
	}
	v.id = *b.VersionID
	// The name of a version is the instant it was put.
	if t, err := time.Parse(time.RFC3339Nano, v.id); err == nil {
		v.put = t
	}
	return v
}

// versionsOf returns the versions of one blob. The listing may begin with it
// and go on with names that it is the beginning of.
func (s *Store) versionsOf(ctx context.Context, key string) ([]version, error) {
	if _, err := s.blob(ctx, key); err != nil { // checks the key
		return nil, err
	}
	pages := s.container.NewListBlobsFlatPager(&container.ListBlobsFlatOptions{
		Prefix: to.Ptr(s.root + key), Include: container.ListBlobsInclude{Versions: true, Deleted: true},
	})
	var all []version
	for pages.More() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, s.failure(ctx, err)
		}
		for _, b := range page.Segment.BlobItems {
			if k, ok := s.keyOf(b); !ok || k != key {
				return all, nil // names come in order: there is no more of ours
			}
			all = append(all, versionOf(key, b))
		}
	}
	return all, nil
}

// versionClient returns the client of one version of a blob.
func (s *Store) versionClient(ctx context.Context, key string, v version) (*blob.Client, error) {
	b, err := s.blob(ctx, key)
	if err != nil {
		return nil, err
	}
	if v.id == "" {
		return b.BlobClient(), nil
	}
	return b.BlobClient().WithVersionID(v.id)
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
	all, err := s.versionsOf(ctx, key)
	if err != nil {
		return err
	}
	newest, softDeleted := version{}, false
	found := false
	for _, v := range all {
		switch {
		case v.gone:
			softDeleted = true
		case v.current:
			return nil
		case !found || v.put.After(newest.put):
			newest, found = v, true
		}
	}
	switch {
	case found:
		return s.promote(ctx, key, newest)
	case softDeleted:
		return s.restoreSoftDeleted(ctx, key)
	default:
		return storage.ErrNotFound
	}
}

// restoreSoftDeleted brings back what soft delete kept. Where versions are
// kept too, that is versions only, and the newest is made the blob again.
func (s *Store) restoreSoftDeleted(ctx context.Context, key string) error {
	b, err := s.blob(ctx, key)
	if err != nil {
		return err
	}
	if _, err := b.Undelete(ctx, nil); err != nil {
		return s.failure(ctx, err)
	}
	all, err := s.versionsOf(ctx, key)
	if err != nil {
		return err
	}
	newest, ok := asOf(all, time.Now().AddDate(100, 0, 0))
	switch {
	case !ok:
		return errors.New("the service says it undeleted the blob, and does not show it")
	case newest.current:
		return nil
	default:
		return s.promote(ctx, key, newest)
	}
}

// promote makes a version the blob again: by a copy, which within an account
// moves no bytes over the line.
func (s *Store) promote(ctx context.Context, key string, v version) error {
	b, err := s.blob(ctx, key)
	if err != nil {
		return err
	}
	source, err := s.versionClient(ctx, key, v)
	if err != nil {
		return err
	}
	answer, err := b.StartCopyFromURL(ctx, source.URL(), &blob.StartCopyFromURLOptions{AccessConditions: absent()})
	if hasCode(err, bloberror.BlobAlreadyExists, bloberror.ConditionNotMet) {
		return nil // put or undeleted by somebody else meanwhile
	}
	if err != nil {
		return s.failure(ctx, err)
	}
	if answer.CopyStatus == nil || *answer.CopyStatus == blob.CopyStatusTypeSuccess {
		return nil
	}
	return s.waitForCopy(ctx, b.BlobClient())
}

// waitForCopy waits until the service has copied. Within an account that most
// often is at once.
func (s *Store) waitForCopy(ctx context.Context, b *blob.Client) error {
	for {
		p, err := b.GetProperties(ctx, nil)
		if err != nil {
			return s.failure(ctx, err)
		}
		switch {
		case p.CopyStatus == nil || *p.CopyStatus == blob.CopyStatusTypeSuccess:
			return nil
		case *p.CopyStatus != blob.CopyStatusTypePending:
			return fmt.Errorf("the copy that brings the version back ended as %q", *p.CopyStatus)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(copyPollInterval):
		}
	}
}

const copyPollInterval = time.Second
