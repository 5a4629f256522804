package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"holdfast/storage"

	"github.com/minio/minio-go/v7"
)

var _ storage.Managed = (*Store)(nil)

// Settings reads the settings of the bucket; see storage.Managed.
func (s *Store) Settings(ctx context.Context) (storage.Settings, error) {
	if err := ctx.Err(); err != nil {
		return storage.Settings{}, err
	}
	found := storage.Settings{Root: s.root, Unread: map[storage.Setting]error{}}
	read := []struct {
		setting storage.Setting
		read    func(context.Context, *storage.Settings) error
	}{
		{storage.SettingVersioning, s.readVersioning},
		{storage.SettingLocking, s.readLocking},
		{storage.SettingLifecycle, s.readRules},
	}
	for _, r := range read {
		err := r.read(ctx, &found)
		if errors.Is(err, storage.ErrSetup) || ctx.Err() != nil {
			return storage.Settings{}, fmt.Errorf("read the settings of the bucket: %w", own(ctx, err))
		}
		if err != nil {
			found.Unread[r.setting] = own(ctx, err)
		}
	}
	if len(found.Unread) == len(read) {
		return storage.Settings{}, fmt.Errorf("read the settings of the bucket: %w", found.Unread[storage.SettingVersioning])
	}
	return found, nil
}

func (s *Store) readVersioning(ctx context.Context, found *storage.Settings) error {
	v, err := s.core.GetBucketVersioning(ctx, s.options.Bucket)
	switch {
	case err != nil:
		return s.explain(err)
	case v.Enabled():
		found.Versioning = storage.On
	case v.Suspended():
		found.Versioning = storage.Suspended
	default:
		found.Versioning = storage.Off
	}
	return nil
}

func (s *Store) readLocking(ctx context.Context, found *storage.Settings) error {
	state, mode, validity, unit, err := s.core.GetObjectLockConfig(ctx, s.options.Bucket)
	switch {
	case isAboutLocking(err), err == nil && state != "Enabled":
		found.Locking = storage.Off
		return nil
	case err != nil:
		return s.explain(err)
	}
	found.Locking = storage.On
	if mode == nil || validity == nil || unit == nil {
		return nil
	}
	n := int(*validity)
	if *unit == minio.Years {
		n *= 365
	}
	found.DefaultRetention = storage.DefaultRetention{Mode: ourMode(*mode), For: days(n)}
	return nil
}

func (s *Store) readRules(ctx context.Context, found *storage.Settings) error {
	set, _, err := s.rules(ctx)
	if err != nil {
		return err
	}
	for i := range set.Rules {
		found.Rules = append(found.Rules, set.Rules[i].rule(s.root))
	}
	return nil
}

// minimumSize is a setting beside the rules that a service resets when rules
// are written without it.
const minimumSize = "X-Amz-Transition-Default-Minimum-Object-Size"

// rules reads the lifecycle document, and the headers that belong to it.
func (s *Store) rules(ctx context.Context) (ruleSet, http.Header, error) {
	doc, h, err := s.document(ctx, http.MethodGet, "lifecycle", nil, nil)
	if code(err) == "NoSuchLifecycleConfiguration" {
		return ruleSet{}, nil, nil
	}
	if err != nil {
		return ruleSet{}, nil, s.explain(err)
	}
	keep := http.Header{}
	if v := h.Get(minimumSize); v != "" {
		keep.Set(minimumSize, v)
	}
	set, err := parseRules(doc)
	return set, keep, err
}

// Apply changes the settings of the bucket; see storage.Managed.
func (s *Store) Apply(ctx context.Context, c storage.SettingChanges) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	var failures []error
	try := func(setting storage.Setting, change func(context.Context) error) {
		if err := change(ctx); err != nil {
			failures = append(failures, &storage.SettingError{Setting: setting, Err: own(ctx, err)})
		}
	}
	if c.Versioning {
		try(storage.SettingVersioning, s.turnVersioningOn)
	}
	if c.SoftDelete > 0 {
		try(storage.SettingSoftDelete, func(context.Context) error {
			return fmt.Errorf("%w: S3 keeps deleted objects as versions instead", storage.ErrUnsupported)
		})
	}
	if c.SetRules {
		try(storage.SettingLifecycle, func(ctx context.Context) error { return s.setRules(ctx, c.Rules) })
	}
	return errors.Join(failures...)
}

func (s *Store) turnVersioningOn(ctx context.Context) error {
	v, err := s.core.GetBucketVersioning(ctx, s.options.Bucket)
	if err != nil {
		return s.explain(err)
	}
	if v.Enabled() {
		return nil
	}
	v.Status = minio.Enabled
	return s.explainWrite(s.core.SetBucketVersioning(ctx, s.options.Bucket, v))
}

// setRules replaces our rules in the bucket's document. Some services know no
// rule that ends unfinished uploads, and refuse the whole document for it;
// then the others are set without it, and the error says so.
func (s *Store) setRules(ctx context.Context, rules []storage.LifecycleRule) error {
	set, header, err := s.rules(ctx)
	if err != nil {
		return err
	}
	err = s.writeRules(ctx, set, header, rules)
	fewer := withoutAborts(rules)
	if !isRefusedDocument(err) || len(fewer) == len(rules) {
		return s.explainWrite(err)
	}
	if again := s.writeRules(ctx, set, header, fewer); again != nil {
		return s.explainWrite(err) // it was something else
	}
	return fmt.Errorf("%w: the service has no rule that ends unfinished uploads, all other rules are set: %w", storage.ErrUnsupported, err)
}

func (s *Store) writeRules(ctx context.Context, set ruleSet, header http.Header, rules []storage.LifecycleRule) error {
	next, err := set.with(s.root, rules)
	if err != nil {
		return err
	}
	after := next.document()
	switch {
	case bytes.Equal(set.document(), after):
		return nil
	case len(next.Rules) == 0:
		_, _, err = s.document(ctx, http.MethodDelete, "lifecycle", nil, nil)
	default:
		_, _, err = s.document(ctx, http.MethodPut, "lifecycle", after, header)
	}
	return err
}

func withoutAborts(rules []storage.LifecycleRule) []storage.LifecycleRule {
	var fewer []storage.LifecycleRule
	for _, r := range rules {
		r.Actions = slices.DeleteFunc(slices.Clone(r.Actions), func(a storage.LifecycleAction) bool { return a.Kind == storage.AbortUploads })
		if len(r.Actions) > 0 {
			fewer = append(fewer, r)
		}
	}
	return fewer
}

// isRefusedDocument tells whether the service does not take a document.
func isRefusedDocument(err error) bool {
	r, ok := answer(err)
	return ok && (r.StatusCode == http.StatusBadRequest || r.StatusCode == http.StatusNotImplemented)
}
