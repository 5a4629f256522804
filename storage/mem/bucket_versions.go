package mem

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"holdfast/storage"
)

// CheckVersions tells whether versions are kept; see storage.Versioned.
func (b *Bucket) CheckVersions(ctx context.Context) error {
	_, leave := b.enter()
	defer leave()
	if !b.versioned() {
		return fmt.Errorf("the bucket keeps no versions: %w", storage.ErrUnsupported)
	}
	return ctx.Err()
}

// AsOf returns the bucket as it was; see storage.Versioned.
func (b *Bucket) AsOf(t time.Time) storage.Store { return &past{b, t} }

// Undelete brings the newest version back; see storage.Versioned.
func (b *Bucket) Undelete(ctx context.Context, key string) error {
	if err := checkCall(ctx, key); err != nil {
		return err
	}
	_, leave := b.enter()
	defer leave()
	versions := b.objects[key]
	for n := len(versions) - 1; n >= 0; n-- {
		if !versions[n].marker {
			versions[n].replaced = time.Time{}
			b.objects[key] = versions[:n+1]
			return nil
		}
	}
	return fmt.Errorf("undelete %s: %w", key, storage.ErrNotFound)
}

// past is a bucket as it was at an instant.
type past struct {
	b *Bucket
	t time.Time
}

var errPast = errors.New("a view of the past")

// then returns the version that readers saw at the instant.
func (p *past) then(key string) *version {
	var seen *version
	for _, v := range p.b.objects[key] {
		if !v.stored.After(p.t) {
			seen = v
		}
	}
	if seen == nil || seen.marker {
		return nil
	}
	return seen
}

func (p *past) Put(context.Context, string, storage.Body, storage.PutOptions) error {
	return fmt.Errorf("put: %w: %w", errPast, storage.ErrReadOnly)
}

func (p *past) Delete(context.Context, string) error {
	return fmt.Errorf("delete: %w: %w", errPast, storage.ErrReadOnly)
}

func (p *past) Get(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	if err := checkCall(ctx, key); err != nil {
		return nil, err
	}
	now, leave := p.b.enter()
	defer leave()
	v := p.then(key)
	if v == nil {
		return nil, fmt.Errorf("%s: %w", key, storage.ErrNotFound)
	}
	if p.b.tier(v, now).Cold {
		return nil, fmt.Errorf("read %s: class %s: %w", key, v.class, storage.ErrCold)
	}
	return rangeOf(ctx, key, v.data, offset, length)
}

func (p *past) Stat(ctx context.Context, key string) (storage.Info, error) {
	if err := checkCall(ctx, key); err != nil {
		return storage.Info{}, err
	}
	_, leave := p.b.enter()
	defer leave()
	v := p.then(key)
	if v == nil {
		return storage.Info{}, fmt.Errorf("%s: %w", key, storage.ErrNotFound)
	}
	return v.info(key), nil
}

func (p *past) List(ctx context.Context, prefix string, visit func(storage.Info) error) error {
	if err := storage.CheckPrefix(prefix); err != nil {
		return err
	}
	_, leave := p.b.enter()
	var infos []storage.Info
	for _, key := range p.b.sorted(prefix) {
		if v := p.then(key); v != nil {
			infos = append(infos, v.info(key))
		}
	}
	leave()
	for _, i := range infos {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := visit(i); err != nil {
			return err
		}
	}
	return ctx.Err()
}

func (p *past) Location() string {
	return p.b.Location() + " as of " + p.t.Format(time.DateTime)
}

// Revert forgets every version of key that came after an instant, whatever
// locks it: so that a test can go on as if nothing had happened.
func (b *Bucket) Revert(key string, t time.Time) error {
	b.mu.Lock() // not enter: the rules of a later day must not act
	defer b.mu.Unlock()
	var left []*version
	for _, v := range b.objects[key] {
		if !v.stored.After(t) {
			left = append(left, v)
		}
	}
	if len(left) == 0 {
		return fmt.Errorf("revert %s: %w", key, storage.ErrNotFound)
	}
	left[len(left)-1].replaced = time.Time{}
	b.objects[key] = left
	return nil
}
