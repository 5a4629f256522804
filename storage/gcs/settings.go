package gcs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"holdfast/storage"
	"holdfast/storage/internal/cloud"
)

const day = 24 * time.Hour

// bucketSettings are the settings of a bucket that matter here.
type bucketSettings struct {
	Metageneration  int64                  `json:"metageneration,string"`
	Versioning      struct{ Enabled bool } `json:"versioning"`
	ObjectRetention struct{ Mode string }  `json:"objectRetention"`
	RetentionPolicy *struct {
		RetentionPeriod int64 `json:"retentionPeriod,string"` // seconds
		IsLocked        bool  `json:"isLocked"`
	} `json:"retentionPolicy"`
	DefaultEventBasedHold bool `json:"defaultEventBasedHold"`
	SoftDeletePolicy      struct {
		RetentionDurationSeconds int64 `json:"retentionDurationSeconds,string"`
	} `json:"softDeletePolicy"`
	Lifecycle struct {
		// As they came: what this program does not know of a rule stays in it.
		Rule []json.RawMessage `json:"rule"`
	} `json:"lifecycle"`
}

const bucketFields = "metageneration,versioning,objectRetention,retentionPolicy,defaultEventBasedHold,softDeletePolicy,lifecycle"

func (s *Store) bucket(ctx context.Context) (bucketSettings, error) {
	var b bucketSettings
	err := s.c.call(ctx, http.MethodGet, s.c.bucketURL(), url.Values{"fields": {bucketFields}}, nil, &b)
	if errors.Is(err, storage.ErrNotFound) {
		err = fmt.Errorf("there is no bucket %q: %w", s.o.Bucket, err)
	}
	return b, err
}

// Settings reads the settings of the bucket; see storage.Managed.
func (s *Store) Settings(ctx context.Context) (storage.Settings, error) {
	b, err := s.bucket(ctx)
	if err != nil {
		return storage.Settings{}, fmt.Errorf("read the settings of %s: %w", s.Location(), err)
	}
	settings := storage.Settings{
		Root:       s.root,
		Versioning: toggle(b.Versioning.Enabled),
		Locking:    toggle(b.ObjectRetention.Mode == "Enabled"),
		SoftDelete: time.Duration(b.SoftDeletePolicy.RetentionDurationSeconds) * time.Second,
		Unread:     map[storage.Setting]error{},
	}
	if p := b.RetentionPolicy; p != nil {
		settings.DefaultRetention = storage.DefaultRetention{Mode: storage.Governance, For: time.Duration(p.RetentionPeriod) * time.Second}
		if p.IsLocked {
			settings.DefaultRetention.Mode = storage.Compliance
		}
	}
	if b.DefaultEventBasedHold {
		settings.Unread[storage.SettingLocking] = fmt.Errorf("the bucket puts a hold on every object, locks of a repository too, which then cannot be deleted: gcloud storage buckets update gs://%s --no-default-event-based-hold", s.o.Bucket)
	}
	for _, raw := range b.Lifecycle.Rule {
		settings.Rules = append(settings.Rules, s.readRule(raw)...)
	}
	return settings, nil
}

func toggle(on bool) storage.Toggle {
	if on {
		return storage.On
	}
	return storage.Off
}

// Apply changes settings of the bucket; see storage.Managed.
func (s *Store) Apply(ctx context.Context, c storage.SettingChanges) error {
	var failed []error
	change := func(wanted bool, setting storage.Setting, patch func(bucketSettings) (map[string]any, error)) {
		if !wanted {
			return
		}
		if err := s.change(ctx, patch); err != nil {
			failed = append(failed, &storage.SettingError{Setting: setting, Err: err})
		}
	}
	change(c.Versioning, storage.SettingVersioning, func(b bucketSettings) (map[string]any, error) {
		if b.Versioning.Enabled {
			return nil, nil
		}
		return map[string]any{"versioning": map[string]any{"enabled": true}}, nil
	})
	change(c.SoftDelete > 0, storage.SettingSoftDelete, func(b bucketSettings) (map[string]any, error) {
		seconds := int64((c.SoftDelete + time.Second - 1) / time.Second)
		if b.SoftDeletePolicy.RetentionDurationSeconds >= seconds {
			return nil, nil
		}
		return map[string]any{"softDeletePolicy": map[string]any{"retentionDurationSeconds": strconv.FormatInt(seconds, 10)}}, nil
	})
	change(c.SetRules, storage.SettingLifecycle, func(b bucketSettings) (map[string]any, error) {
		rules, err := s.replaceRules(b.Lifecycle.Rule, c.Rules)
		if err != nil || cloud.SameRules(rules, b.Lifecycle.Rule) {
			return nil, err
		}
		return map[string]any{"lifecycle": map[string]any{"rule": rules}}, nil
	})
	return errors.Join(failed...)
}

// change changes the bucket as patch says of what it is now, and does it anew
// when somebody else changes it at the same time. A nil patch changes nothing.
func (s *Store) change(ctx context.Context, patch func(bucketSettings) (map[string]any, error)) error {
	for range changeAttempts {
		now, err := s.bucket(ctx)
		if err != nil {
			return err
		}
		changes, err := patch(now)
		if err != nil || changes == nil {
			return err
		}
		query := url.Values{"ifMetagenerationMatch": {strconv.FormatInt(now.Metageneration, 10)}, "fields": {"metageneration"}}
		if err = s.c.call(ctx, http.MethodPatch, s.c.bucketURL(), query, changes, nil); !isOutdated(err) {
			return err
		}
	}
	return errors.New("somebody else keeps changing the bucket")
}
