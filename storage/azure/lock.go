package azure

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"

	"holdfast/storage"
)

// CheckLocking tells whether the container supports immutability policies of
// single blobs; see storage.Locker.
func (s *Store) CheckLocking(ctx context.Context) error {
	p, err := s.container.GetProperties(ctx, nil)
	if err != nil {
		return fmt.Errorf("check whether %s can lock objects: %w", s.Location(), s.failure(ctx, err))
	}
	if p.IsImmutableStorageWithVersioningEnabled == nil || !*p.IsImmutableStorageWithVersioningEnabled {
		return fmt.Errorf("the container %s has no version-level immutability: %w yet; turn on blob versioning, and then it: az storage container-rm migrate-vlw --storage-account %s --name %s",
			s.o.Container, storage.ErrUnsupported, s.o.Account, s.o.Container)
	}
	return nil
}

// Retention returns the immutability policy of a blob; see storage.Locker. A
// legal hold has no end and is not part of it.
func (s *Store) Retention(ctx context.Context, key string) (storage.Retention, error) {
	p, err := s.properties(ctx, key)
	if err != nil {
		return storage.Retention{}, fmt.Errorf("retention of %s: %w", key, err)
	}
	return retentionOf(p), nil
}

// retentionOf returns what is in force of the policy that a blob has.
func retentionOf(p blob.GetPropertiesResponse) storage.Retention {
	now := firstTime(p.Date)
	if now.IsZero() {
		now = time.Now()
	}
	if p.ImmutabilityPolicyExpiresOn == nil || p.ImmutabilityPolicyMode == nil || !p.ImmutabilityPolicyExpiresOn.After(now) {
		return storage.Retention{}
	}
	r := storage.Retention{Mode: storage.Governance, Until: p.ImmutabilityPolicyExpiresOn.UTC()}
	// The service's spelling has changed between versions of its interface.
	if strings.EqualFold(string(*p.ImmutabilityPolicyMode), string(blob.ImmutabilityPolicyModeLocked)) {
		r.Mode = storage.Compliance
	}
	return r
}

// Extend protects an object for longer; see storage.Locker.
func (s *Store) Extend(ctx context.Context, key string, r storage.Retention) error {
	p, err := s.properties(ctx, key)
	if err != nil {
		return fmt.Errorf("extend the retention of %s: %w", key, err)
	}
	now := retentionOf(p)
	better := now
	if until := wholeSecond(r.Until); until.After(better.Until) {
		better.Until = until
	}
	if better.Mode != storage.Compliance {
		better.Mode = r.Mode
	}
	if better == now {
		return nil
	}
	b, err := s.blob(ctx, key)
	if err == nil {
		_, err = b.SetImmutabilityPolicy(ctx, better.Until, &blob.SetImmutabilityPolicyOptions{Mode: modeOption(better)})
	}
	if err != nil {
		return fmt.Errorf("extend the retention of %s: %w", key, s.failure(ctx, err))
	}
	return nil
}

// wholeSecond rounds up: the service knows no shorter times, and no retention
// may end early.
func wholeSecond(t time.Time) time.Time {
	if whole := t.Truncate(time.Second); !whole.Equal(t) {
		return whole.Add(time.Second).UTC()
	}
	return t.UTC()
}

// modeOption is the service's word for the mode of r, nil for none.
func modeOption(r storage.Retention) *blob.ImmutabilityPolicySetting {
	switch {
	case r.IsZero():
		return nil
	case r.Mode == storage.Compliance:
		return to.Ptr(blob.ImmutabilityPolicySettingLocked)
	default:
		return to.Ptr(blob.ImmutabilityPolicySettingUnlocked)
	}
}

func untilOption(r storage.Retention) *time.Time {
	if r.IsZero() {
		return nil
	}
	return to.Ptr(wholeSecond(r.Until))
}
