package mem

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"holdfast/storage"
)

// Bucket is a store with all the powers that cloud buckets have, and a clock
// that tests move: versions are kept, retentions hold, lifecycle rules are
// carried out when their day comes, and what lies in a cold class cannot be
// read until it was thawed.
//
// It is honest: it does what the services document, also where that hurts. A
// plain delete of a locked object in a versioned bucket succeeds and hides
// it; without versions it is refused. Rules spare what is locked. Make one
// with NewBucket.
type Bucket struct {
	o BucketOptions

	mu       sync.Mutex
	settings storage.Settings
	objects  map[string][]*version // by key, the oldest first
	aged     time.Time             // when the rules were last carried out
}

// BucketOptions tell what a bucket is like. The zero value keeps no versions,
// locks nothing and has no rules.
type BucketOptions struct {
	// Now is the bucket's clock; nil is time.Now.
	Now func() time.Time
	// Settings are those it begins with, rules of other people among them.
	// Versions are kept if Versioning is On, objects can be locked if Locking is.
	Settings storage.Settings
	// Cold maps the classes that cannot be read to how long thawing takes.
	// Nil is GLACIER with 4 h and DEEP_ARCHIVE with 12 h.
	Cold map[string]time.Duration
}

// Standard is the class of objects that no rule has moved.
const Standard = "STANDARD"

// version is one version of an object, or the mark that it was deleted.
type version struct {
	data   []byte
	marker bool
	stored time.Time
	// replaced is when a newer version came; zero for the current one.
	replaced  time.Time
	retention storage.Retention
	bulk      bool
	class     string
	// readable and forgets are when a thaw is done and when its copy goes.
	readable, forgets time.Time
}

var (
	_ storage.Store     = (*Bucket)(nil)
	_ storage.Locker    = (*Bucket)(nil)
	_ storage.Versioned = (*Bucket)(nil)
	_ storage.Tiering   = (*Bucket)(nil)
	_ storage.Managed   = (*Bucket)(nil)
	_ storage.Prober    = (*Bucket)(nil)
)

// NewBucket makes an empty bucket.
func NewBucket(o BucketOptions) *Bucket {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Cold == nil {
		o.Cold = map[string]time.Duration{"GLACIER": 4 * time.Hour, "DEEP_ARCHIVE": 12 * time.Hour}
	}
	s := o.Settings
	s.Rules = slices.Clone(s.Rules)
	s.Versioning = cmp.Or(s.Versioning, storage.Off)
	s.Locking = cmp.Or(s.Locking, storage.Off)
	return &Bucket{o: o, settings: s, objects: map[string][]*version{}}
}

// enter locks the bucket and carries out its rules as of now.
func (b *Bucket) enter() (now time.Time, leave func()) {
	b.mu.Lock()
	now = b.o.Now()
	b.age(now)
	return now, b.mu.Unlock
}

func (b *Bucket) versioned() bool { return b.settings.Versioning == storage.On }

// current returns the version that readers see, nil for none.
func (b *Bucket) current(key string) *version {
	versions := b.objects[key]
	if len(versions) == 0 || versions[len(versions)-1].marker {
		return nil
	}
	return versions[len(versions)-1]
}

// append makes v the newest version of key.
func (b *Bucket) append(key string, v *version) {
	versions := b.objects[key]
	if len(versions) > 0 {
		last := versions[len(versions)-1]
		last.replaced = v.stored
	}
	b.objects[key] = append(versions, v)
}

func (v *version) locked(now time.Time) bool { return v.retention.Until.After(now) }

// Put stores a copy of body; see storage.Store.
func (b *Bucket) Put(ctx context.Context, key string, body storage.Body, o storage.PutOptions) error {
	if err := checkCall(ctx, key); err != nil {
		return err
	}
	data, err := readBody(ctx, body)
	if err != nil {
		return fmt.Errorf("put %s: %w", key, err)
	}
	now, leave := b.enter()
	defer leave()
	if b.current(key) != nil {
		return fmt.Errorf("put %s: %w", key, storage.ErrExists)
	}
	return b.put(key, data, o, now)
}

func (b *Bucket) put(key string, data []byte, o storage.PutOptions, now time.Time) error {
	if !o.Retention.IsZero() && b.settings.Locking != storage.On {
		return fmt.Errorf("put %s: retention: %w", key, storage.ErrUnsupported)
	}
	r := o.Retention
	if d := b.settings.DefaultRetention; r.IsZero() && d.Mode != "" {
		r = storage.Retention{Mode: d.Mode, Until: now.Add(d.For)}
	}
	b.append(key, &version{data: bytes.Clone(data), stored: now, retention: r, bulk: o.Bulk, class: Standard})
	return nil
}

// Overwrite puts data under key whether it exists or not, as anybody with
// credentials to put can do with other programs.
func (b *Bucket) Overwrite(key string, data []byte) error {
	now, leave := b.enter()
	defer leave()
	if b.versioned() {
		return b.put(key, data, storage.PutOptions{}, now)
	}
	if v := b.current(key); v != nil && v.locked(now) {
		return fmt.Errorf("overwrite %s: %w", key, storage.ErrImmutable)
	}
	delete(b.objects, key)
	return b.put(key, data, storage.PutOptions{}, now)
}

// Get reads a range; see storage.Store.
func (b *Bucket) Get(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	if err := checkCall(ctx, key); err != nil {
		return nil, err
	}
	now, leave := b.enter()
	defer leave()
	v := b.current(key)
	if v == nil {
		return nil, fmt.Errorf("%s: %w", key, storage.ErrNotFound)
	}
	if b.tier(v, now).Cold {
		return nil, fmt.Errorf("read %s: class %s: %w", key, v.class, storage.ErrCold)
	}
	return rangeOf(ctx, key, v.data, offset, length)
}

// Stat describes an object; see storage.Store.
func (b *Bucket) Stat(ctx context.Context, key string) (storage.Info, error) {
	if err := checkCall(ctx, key); err != nil {
		return storage.Info{}, err
	}
	_, leave := b.enter()
	defer leave()
	v := b.current(key)
	if v == nil {
		return storage.Info{}, fmt.Errorf("%s: %w", key, storage.ErrNotFound)
	}
	return v.info(key), nil
}

func (v *version) info(key string) storage.Info {
	return storage.Info{Key: key, SizeBytes: int64(len(v.data)), Stored: v.stored}
}

// List visits the current versions in the order of their keys.
func (b *Bucket) List(ctx context.Context, prefix string, visit func(storage.Info) error) error {
	return b.ListTiers(ctx, prefix, func(i storage.Info, _ storage.Tier) error { return visit(i) })
}

// Delete removes an object: where versions are kept it is hidden, locked or
// not; otherwise a locked one gives storage.ErrImmutable.
func (b *Bucket) Delete(ctx context.Context, key string) error {
	if err := checkCall(ctx, key); err != nil {
		return err
	}
	now, leave := b.enter()
	defer leave()
	v := b.current(key)
	switch {
	case v == nil:
		return fmt.Errorf("delete %s: %w", key, storage.ErrNotFound)
	case b.versioned():
		b.append(key, &version{marker: true, stored: now})
		return nil
	case v.locked(now):
		return fmt.Errorf("delete %s: locked until %s: %w", key, v.retention.Until.Format(time.DateTime), storage.ErrImmutable)
	}
	delete(b.objects, key)
	return nil
}

// Location names the store.
func (b *Bucket) Location() string { return "bucket in memory" }

// sorted returns the keys below prefix in their order.
func (b *Bucket) sorted(prefix string) []string {
	var keys []string
	for key := range b.objects {
		if strings.HasPrefix(key, prefix) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}
