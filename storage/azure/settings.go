package azure

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/service"

	"holdfast/storage"
)

const (
	day               = 24 * time.Hour
	maxSoftDeleteDays = 365
)

// errNotManaged says that a setting belongs to the account.
var errNotManaged = fmt.Errorf("%w without azure.subscription and azure.resource-group, because it belongs to the account", storage.ErrUnsupported)

// Settings reads the settings; see storage.Managed. Versioning and lifecycle
// rules belong to the account: without its management interface the first is
// guessed from what objects look like, and the second are not known.
func (s *Store) Settings(ctx context.Context) (storage.Settings, error) {
	settings := storage.Settings{
		// Rules name blobs with their container.
		Root:   s.o.Container + "/" + s.root,
		Unread: map[storage.Setting]error{},
	}
	container, err := s.container.GetProperties(ctx, nil)
	if err != nil {
		return storage.Settings{}, fmt.Errorf("read the settings of %s: %w", s.Location(), s.failure(ctx, err))
	}
	settings.Locking = storage.Off
	if on := container.IsImmutableStorageWithVersioningEnabled; on != nil && *on {
		settings.Locking = storage.On
	}
	if has := container.HasImmutabilityPolicy; has != nil && *has {
		settings.Unread[storage.SettingLocking] = fmt.Errorf("the container has an immutability policy for everything put into it, locks of a repository too, which then cannot be deleted; for how long is not told here: az storage container immutability-policy show --account-name %s --container-name %s", s.o.Account, s.o.Container)
	}

	if s.management != nil {
		err = s.managedSettings(ctx, &settings)
		return settings, err
	}
	settings.Versioning, err = s.versioning(ctx)
	if err == nil && settings.Versioning == storage.Unknown {
		err = errors.New("it shows on objects, and there is none yet")
	}
	if err != nil {
		settings.Unread[storage.SettingVersioning] = err
	}

	settings.SoftDelete, err = s.softDelete(ctx)
	if err != nil {
		settings.Unread[storage.SettingSoftDelete] = err
	}
	settings.Unread[storage.SettingLifecycle] = fmt.Errorf("%w; they are shown by: az storage account management-policy show --account-name %s --resource-group GROUP", errNotManaged, s.o.Account)
	return settings, nil
}

func (s *Store) softDelete(ctx context.Context) (time.Duration, error) {
	client, err := s.account()
	if err != nil {
		return 0, err
	}
	p, err := client.GetProperties(ctx, nil)
	if err != nil {
		return 0, s.failure(ctx, err)
	}
	if r := p.DeleteRetentionPolicy; r != nil && r.Enabled != nil && *r.Enabled && r.Days != nil {
		return time.Duration(*r.Days) * day, nil
	}
	return 0, nil
}

// Apply changes settings of the account; see storage.Managed. Without its
// management interface only soft delete can be set; the error says how to make
// the other changes by hand.
func (s *Store) Apply(ctx context.Context, c storage.SettingChanges) error {
	if s.management != nil {
		return s.applyManaged(ctx, c)
	}
	var failed []error
	if c.Versioning {
		if on, err := s.versioning(ctx); err != nil || on != storage.On {
			failed = append(failed, &storage.SettingError{Setting: storage.SettingVersioning, Err: fmt.Errorf(
				"%w; set them, or run: %s", errNotManaged, s.versioningCommand())})
		}
	}
	if c.SoftDelete > 0 {
		if err := s.setSoftDelete(ctx, c.SoftDelete); err != nil {
			failed = append(failed, &storage.SettingError{Setting: storage.SettingSoftDelete, Err: err})
		}
	}
	if c.SetRules {
		failed = append(failed, &storage.SettingError{Setting: storage.SettingLifecycle, Err: s.rulesByHand(c.Rules)})
	}
	return errors.Join(failed...)
}

func (s *Store) setSoftDelete(ctx context.Context, period time.Duration) error {
	days := int32((period + day - 1) / day)
	if days > maxSoftDeleteDays {
		return fmt.Errorf("%w: Azure keeps deleted blobs for %d days at most, and %d were asked for", storage.ErrUnsupported, maxSoftDeleteDays, days)
	}
	client, err := s.account()
	if err != nil {
		return err
	}
	now, err := s.softDelete(ctx)
	if err != nil || now >= period {
		return err
	}
	// What is left out stays as it is.
	_, err = client.SetProperties(ctx, &service.SetPropertiesOptions{
		DeleteRetentionPolicy: &service.RetentionPolicy{Enabled: to.Ptr(true), Days: &days},
	})
	return s.failure(ctx, err)
}

// rulesByHand is the error that tells how to set rules, in full: they are one
// document of the account, which only its management interface changes.
func (s *Store) rulesByHand(rules []storage.LifecycleRule) error {
	show := fmt.Sprintf("az storage account management-policy show --account-name %s --resource-group GROUP --query policy > policy.json", s.o.Account)
	set := fmt.Sprintf("az storage account management-policy create --account-name %s --resource-group GROUP --policy @policy.json", s.o.Account)
	own := s.ruleName("*")
	if len(rules) == 0 {
		return fmt.Errorf("%w. Set them, or, if the account has rules named %s, take them out:\n%s\n(edit policy.json)\n%s", errNotManaged, own, show, set)
	}
	text, err := s.policyJSON(rules)
	if err != nil {
		return err
	}
	return fmt.Errorf("%w. Set them, or put these rules in place of those named %s and keep the others (with no policy yet, this is all of policy.json):\n%s\n%s\n%s", errNotManaged, own, show, text, set)
}
