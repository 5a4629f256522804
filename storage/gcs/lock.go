package gcs

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"holdfast/storage"
)

// retention is what protects one object, in the service's words.
type retention struct {
	Mode            string    `json:"mode"`
	RetainUntilTime time.Time `json:"retainUntilTime"`
}

const (
	unlocked = "Unlocked"
	locked   = "Locked"
)

// retentionFor writes r as the service wants it, nil for none.
func retentionFor(r storage.Retention) *retention {
	if r.IsZero() {
		return nil
	}
	mode := unlocked
	if r.Mode == storage.Compliance {
		mode = locked
	}
	return &retention{Mode: mode, RetainUntilTime: r.Until.UTC()}
}

// inForce returns what of r is in force at an instant.
func (r *retention) inForce(now time.Time) storage.Retention {
	if r == nil || r.Mode == "" || !r.RetainUntilTime.After(now) {
		return storage.Retention{}
	}
	mode := storage.Governance
	if r.Mode == locked {
		mode = storage.Compliance
	}
	return storage.Retention{Mode: mode, Until: r.RetainUntilTime}
}

// CheckLocking tells whether the bucket has object retention; see
// storage.Locker.
func (s *Store) CheckLocking(ctx context.Context) error {
	b, err := s.bucket(ctx)
	if err != nil {
		return fmt.Errorf("check whether %s can lock objects: %w", s.Location(), err)
	}
	if b.ObjectRetention.Mode != "Enabled" {
		return fmt.Errorf("the bucket %s was made without object retention: %w; make another one with it (-o gs.object-retention=true when holdfast init makes it), or turn it on in the Google Cloud console", s.o.Bucket, storage.ErrUnsupported)
	}
	return nil
}

// Retention returns what protects an object; see storage.Locker: its own
// retention, or the policy of its bucket where that ends later. Which mode a
// bucket's policy has is told by Settings; here it counts as governance.
func (s *Store) Retention(ctx context.Context, key string) (storage.Retention, error) {
	o, err := s.describe(ctx, key, 0, "retention,retentionExpirationTime")
	if err != nil {
		return storage.Retention{}, fmt.Errorf("retention of %s: %w", key, err)
	}
	now := time.Now()
	own := o.Retention.inForce(now)
	if bucket := o.RetentionExpiration; bucket.After(now) && bucket.After(own.Until) {
		return storage.Retention{Mode: storage.Governance, Until: bucket}, nil
	}
	return own, nil
}

// Extend protects an object for longer; see storage.Locker.
func (s *Store) Extend(ctx context.Context, key string, r storage.Retention) error {
	for range changeAttempts {
		err := s.extend(ctx, key, r)
		if !isOutdated(err) {
			if err != nil {
				return fmt.Errorf("extend the retention of %s: %w", key, err)
			}
			return nil
		}
	}
	return fmt.Errorf("extend the retention of %s: somebody else keeps changing it", key)
}

// changeAttempts bounds how often something is changed anew that others
// change at the same time.
const changeAttempts = 5

// isOutdated tells whether a change was refused because of another one.
func isOutdated(err error) bool {
	answer, ok := errors.AsType[*answerError](err)
	return ok && answer.status == http.StatusPreconditionFailed
}

func (s *Store) extend(ctx context.Context, key string, r storage.Retention) error {
	o, err := s.describe(ctx, key, 0, "retention,metageneration")
	if err != nil {
		return err
	}
	now := o.Retention.inForce(time.Now())
	better := now
	if until := r.Until.Round(0); until.After(better.Until) {
		better.Until = until.UTC()
	}
	if better.Mode != storage.Compliance {
		better.Mode = r.Mode
	}
	if better.Mode == now.Mode && better.Until.Equal(now.Until) {
		return nil
	}
	name, err := s.name(ctx, key)
	if err != nil {
		return err
	}
	query := url.Values{"ifMetagenerationMatch": {strconv.FormatInt(o.Metageneration, 10)}, "fields": {"metageneration"}}
	if !now.IsZero() && better.Mode != now.Mode {
		// Locking what was unlocked needs to be said, and permitted.
		query.Set("overrideUnlockedRetention", "true")
	}
	err = s.c.call(ctx, http.MethodPatch, s.c.object(name), query, map[string]any{"retention": retentionFor(better)}, nil)
	if errors.Is(err, storage.ErrUnsupported) {
		if lerr := s.CheckLocking(ctx); lerr != nil {
			return lerr
		}
	}
	return err
}
