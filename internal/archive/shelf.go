package archive

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"holdfast/storage"
)

// ErrIncomplete says that an archive has no SHA256SUMS: its export was cut
// off, or goes on at this moment.
var ErrIncomplete = errors.New("the archive is not complete")

// ErrDamaged says that what is stored is not what was written.
var ErrDamaged = errors.New("the archive is damaged")

// Shelf is a place that archives lie in.
type Shelf struct {
	Store storage.Store
	// Below is the prefix of all keys, as "holdfast/archives/" where a store has
	// room for our own keys only there; usually "".
	Below string
}

func (s Shelf) folder(name string) string { return s.Below + name + "/" }

func (s Shelf) key(name, file string) string { return s.folder(name) + file }

// Load reads the manifest of an archive and holds it to its SHA256SUMS. The
// error wraps storage.ErrNotFound if there is no such archive, ErrIncomplete
// or ErrDamaged.
func (s Shelf) Load(ctx context.Context, name string) (*Manifest, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	sums, err := s.small(ctx, s.key(name, SumsName))
	if errors.Is(err, storage.ErrNotFound) {
		return nil, s.whyNoSums(ctx, name)
	}
	if err != nil {
		return nil, fmt.Errorf("archive %s: %w", name, err)
	}
	data, err := s.small(ctx, s.key(name, ManifestName))
	if errors.Is(err, storage.ErrNotFound) {
		return nil, fmt.Errorf("archive %s: %w: %s is missing", name, ErrDamaged, ManifestName)
	}
	if err != nil {
		return nil, fmt.Errorf("archive %s: %w", name, err)
	}
	m, err := ParseManifest(data)
	if err == nil {
		err = m.checkSums(sums, sha256.Sum256(data))
	}
	if err == nil && m.Name != name {
		err = fmt.Errorf("it is that of %q", m.Name)
	}
	if err != nil {
		return nil, fmt.Errorf("archive %s: %w: %w", name, ErrDamaged, err)
	}
	return m, nil
}

// whyNoSums tells an archive that is not complete from one that is not there.
func (s Shelf) whyNoSums(ctx context.Context, name string) error {
	files, err := s.files(ctx, name)
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("%s has no archive %s: %w", s.Store.Location(), name, storage.ErrNotFound)
	}
	if err != nil {
		return err
	}
	return fmt.Errorf("archive %s: %w: it has no %s", name, ErrIncomplete, SumsName)
}

// files lists what lies in the folder of an archive, with the sizes.
func (s Shelf) files(ctx context.Context, name string) (map[string]int64, error) {
	files := make(map[string]int64)
	err := s.Store.List(ctx, s.folder(name), func(i storage.Info) error {
		files[strings.TrimPrefix(i.Key, s.folder(name))] = i.SizeBytes
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("archive %s: %w", name, err)
	}
	return files, nil
}

// small reads a manifest or the like.
func (s Shelf) small(ctx context.Context, key string) ([]byte, error) {
	r, err := s.Store.Get(ctx, key, 0, -1)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(r, maxManifestBytes+1))
	err = errors.Join(err, r.Close())
	if err == nil && len(data) > maxManifestBytes {
		err = fmt.Errorf("%w: it is too long", ErrDamaged)
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", key, err)
	}
	return data, nil
}

// Listed is an archive as List found it.
type Listed struct {
	Name string
	// Manifest is nil if Err is not.
	Manifest *Manifest
	Err      error
}

// List loads all archives in the order of their snapshots. Folders without a
// file that an archive has are somebody else's and left out.
func (s Shelf) List(ctx context.Context) ([]Listed, error) {
	names := make(map[string]struct{})
	err := s.Store.List(ctx, s.Below, func(i storage.Info) error {
		name, file, ok := strings.Cut(strings.TrimPrefix(i.Key, s.Below), "/")
		if ok && (file == SumsName || file == ManifestName || strings.HasPrefix(file, name+partSuffix)) {
			names[name] = struct{}{}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list archives: %w", err)
	}
	var list []Listed
	for _, name := range slices.Sorted(maps.Keys(names)) {
		m, err := s.Load(ctx, name)
		if err := ctx.Err(); err != nil {
			return nil, context.Cause(ctx)
		}
		list = append(list, Listed{name, m, err})
	}
	slices.SortStableFunc(list, func(a, b Listed) int {
		if a.Manifest == nil || b.Manifest == nil {
			return cmp.Compare(order(a.Manifest), order(b.Manifest))
		}
		return a.Manifest.Snapshot.Time.Compare(b.Manifest.Snapshot.Time)
	})
	return list, nil
}

// Overview is what can be seen of a place without reading archives.
type Overview struct {
	// Archives counts those that are complete, as far as their files tell.
	Archives int
	// Incomplete are those whose export was cut off, or goes on at this moment.
	Incomplete []string
	// Newest is the archive of the newest snapshot; nil if there is none.
	Newest *Manifest
	// Damaged are those whose manifests are not what was written. Only the last
	// archives by name were looked at.
	Damaged []Listed
}

// overviewed bounds the manifests that Overview reads.
const overviewed = 16

// Overview looks at the names of all archives, and at the manifests of the last:
// names that are not chosen sort by time.
func (s Shelf) Overview(ctx context.Context) (*Overview, error) {
	complete := make(map[string]bool)
	err := s.Store.List(ctx, s.Below, func(i storage.Info) error {
		name, file, ok := strings.Cut(strings.TrimPrefix(i.Key, s.Below), "/")
		if ok && (file == SumsName || file == ManifestName || strings.HasPrefix(file, name+partSuffix)) {
			complete[name] = complete[name] || file == SumsName
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list archives: %w", err)
	}
	o := &Overview{}
	looked := 0
	for _, name := range slices.Backward(slices.Sorted(maps.Keys(complete))) {
		if !complete[name] {
			o.Incomplete = append(o.Incomplete, name)
			continue
		}
		o.Archives++
		if looked++; looked > overviewed {
			continue
		}
		m, err := s.Load(ctx, name)
		switch {
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case errors.Is(err, ErrDamaged):
			o.Damaged = append(o.Damaged, Listed{Name: name, Err: err})
		case err != nil:
			return nil, err
		case o.Newest == nil || m.Snapshot.Time.After(o.Newest.Snapshot.Time):
			o.Newest = m
		}
	}
	return o, nil
}

// order puts archives that cannot be read at the end.
func order(m *Manifest) int {
	if m == nil {
		return 1
	}
	return 0
}
