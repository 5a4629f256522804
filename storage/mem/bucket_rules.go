package mem

import (
	"context"
	"slices"
	"strings"
	"time"

	"holdfast/storage"
)

// Settings returns the bucket's settings; see storage.Managed.
func (b *Bucket) Settings(ctx context.Context) (storage.Settings, error) {
	_, leave := b.enter()
	defer leave()
	s := b.settings
	s.Rules = slices.Clone(s.Rules)
	return s, ctx.Err()
}

// ownRule begins the IDs of rules that Apply makes.
const ownRule = "holdfast-"

// Apply changes the settings; see storage.Managed.
func (b *Bucket) Apply(ctx context.Context, c storage.SettingChanges) error {
	_, leave := b.enter()
	defer leave()
	if c.Versioning {
		b.settings.Versioning = storage.On
	}
	b.settings.SoftDelete = max(b.settings.SoftDelete, c.SoftDelete)
	if c.SetRules {
		rules := slices.DeleteFunc(slices.Clone(b.settings.Rules), func(r storage.LifecycleRule) bool { return r.Own })
		for _, r := range c.Rules {
			r.ID, r.Own = ownRule+r.ID, true
			rules = append(rules, r)
		}
		b.settings.Rules = rules
	}
	return ctx.Err()
}

// Probe tells what the bucket does; see storage.Prober.
func (b *Bucket) Probe(ctx context.Context) (storage.Probe, error) {
	return storage.Probe{Service: "memory", ClockSkew: time.Until(b.o.Now()).Round(time.Second)}, ctx.Err()
}

// age carries out the rules, as the services do: every so often, for what is
// due by then.
func (b *Bucket) age(now time.Time) {
	if !now.After(b.aged) {
		return
	}
	b.aged = now
	for _, r := range b.settings.Rules {
		if r.Enabled {
			b.carryOut(r, now)
		}
	}
}

func (b *Bucket) carryOut(r storage.LifecycleRule, now time.Time) {
	for _, key := range b.sorted("") {
		if !strings.HasPrefix(b.settings.Root+key, r.Prefix) {
			continue
		}
		for _, a := range r.Actions {
			b.act(key, r, a, now)
		}
	}
}

// due tells whether an action is due that counts from since.
func due(a storage.LifecycleAction, since, now time.Time) bool {
	if !a.At.IsZero() {
		return !now.Before(a.At)
	}
	return !now.Before(since.Add(a.After))
}

func (b *Bucket) act(key string, r storage.LifecycleRule, a storage.LifecycleAction, now time.Time) {
	v := b.current(key)
	takes := func(v *version) bool { return !v.marker && (v.bulk || !r.MarkedOnly) }
	switch a.Kind {
	case storage.Expire:
		if v == nil || !takes(v) || !due(a, v.stored, now) {
			return
		}
		if b.versioned() {
			b.append(key, &version{marker: true, stored: now})
		} else if !v.locked(now) {
			delete(b.objects, key)
		}
	case storage.ExpireNoncurrent:
		b.expireNoncurrent(key, a, takes, now)
	case storage.ExpireMarkers:
		if versions := b.objects[key]; len(versions) == 1 && versions[0].marker {
			delete(b.objects, key)
		}
	case storage.Transition:
		if v != nil && takes(v) && due(a, v.stored, now) {
			v.class = a.Class
		}
	case storage.TransitionNoncurrent:
		for _, v := range b.objects[key] {
			if takes(v) && !v.replaced.IsZero() && due(a, v.replaced, now) {
				v.class = a.Class
			}
		}
	case storage.AbortUploads: // uploads here are never unfinished
	}
}

func (b *Bucket) expireNoncurrent(key string, a storage.LifecycleAction, takes func(*version) bool, now time.Time) {
	versions := b.objects[key]
	noncurrent := 0
	for _, v := range versions {
		if !v.replaced.IsZero() && !v.marker {
			noncurrent++
		}
	}
	var left []*version
	for _, v := range versions {
		spared := !v.marker && (!takes(v) || v.locked(now) || noncurrent <= a.Versions)
		switch {
		case v.replaced.IsZero() || !due(a, v.replaced, now) || spared:
			left = append(left, v)
		case !v.marker:
			noncurrent--
		}
	}
	b.objects[key] = left
}
