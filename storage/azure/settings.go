package azure

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/service"

	"holdfast/storage"
)

const day = 24 * time.Hour

// Settings reads what the blob service tells; see storage.Managed. Lifecycle
// rules belong to the account, and are read with its management interface.
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
	settings.Unread[storage.SettingLifecycle] = fmt.Errorf("%w with the credentials of a blob service; they are shown by: az storage account management-policy show --account-name %s --resource-group GROUP", storage.ErrUnsupported, s.o.Account)
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

// Apply sets the soft delete of the account, and says how to make the other
// changes; see storage.Managed.
func (s *Store) Apply(ctx context.Context, c storage.SettingChanges) error {
	var failed []error
	if c.Versioning {
		if on, err := s.versioning(ctx); err != nil || on != storage.On {
			failed = append(failed, &storage.SettingError{Setting: storage.SettingVersioning, Err: fmt.Errorf(
				"%w with the credentials of a blob service; run: %s", storage.ErrUnsupported, s.versioningCommand())})
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
	if days > 365 {
		return fmt.Errorf("%w: Azure keeps deleted blobs for 365 days at most, and %d were asked for", storage.ErrUnsupported, days)
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
		return fmt.Errorf("%w with the credentials of a blob service. If the account has rules named %s, take them out:\n%s\n(edit policy.json)\n%s", storage.ErrUnsupported, own, show, set)
	}
	text, err := s.policyJSON(rules)
	if err != nil {
		return err
	}
	return fmt.Errorf("%w with the credentials of a blob service. Put these rules in place of those named %s and keep the others (with no policy yet, this is all of policy.json):\n%s\n%s\n%s", storage.ErrUnsupported, own, show, text, set)
}

// ruleName is the name of a rule of this store: other roots in the account
// have rules of their own.
func (s *Store) ruleName(id string) string {
	place := strings.Trim(strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, s.o.Container+"-"+s.o.Prefix), "-")
	return "holdfast-" + place + "-" + id
}

// The document of rules, as Azure defines it (management policies of
// Microsoft.Storage).
type (
	policyDocument struct {
		Rules []policyRule `json:"rules"`
	}
	policyRule struct {
		Enabled    bool             `json:"enabled"`
		Name       string           `json:"name"`
		Type       string           `json:"type"`
		Definition policyDefinition `json:"definition"`
	}
	policyDefinition struct {
		Actions map[string]map[string]policyAge `json:"actions"`
		Filters policyFilters                   `json:"filters"`
	}
	policyAge struct {
		AfterModification int `json:"daysAfterModificationGreaterThan,omitempty"`
		AfterCreation     int `json:"daysAfterCreationGreaterThan,omitempty"`
		AfterTierChange   int `json:"daysAfterLastTierChangeGreaterThan,omitempty"`
	}
	policyFilters struct {
		BlobTypes   []string      `json:"blobTypes"`
		PrefixMatch []string      `json:"prefixMatch,omitempty"`
		IndexMatch  []policyMatch `json:"blobIndexMatch,omitempty"`
	}
	policyMatch struct {
		Name  string `json:"name"`
		Op    string `json:"op"`
		Value string `json:"value"`
	}
)

// thawedDays is how long rules leave a blob alone that was thawed.
const thawedDays = 7

// policyJSON writes rules as Azure takes them.
func (s *Store) policyJSON(rules []storage.LifecycleRule) (string, error) {
	var doc policyDocument
	for _, r := range rules {
		actions, err := policyActions(r.Actions)
		if err != nil {
			return "", fmt.Errorf("rule %s: %w", r.ID, err)
		}
		if len(actions) == 0 {
			continue // nothing that has to be said to Azure
		}
		filters := policyFilters{BlobTypes: []string{"blockBlob"}, PrefixMatch: []string{r.Prefix}}
		if r.MarkedOnly {
			filters.IndexMatch = []policyMatch{{Name: bulkTag, Op: "==", Value: bulkValue}}
		}
		doc.Rules = append(doc.Rules, policyRule{
			Enabled: r.Enabled, Name: s.ruleName(r.ID), Type: "Lifecycle",
			Definition: policyDefinition{Actions: actions, Filters: filters},
		})
	}
	text, err := json.MarshalIndent(doc, "", "  ")
	return string(text), err
}

// policyActions writes the actions of one rule. Azure needs none for
// unfinished uploads, which it drops after a week, and has no delete markers.
func policyActions(actions []storage.LifecycleAction) (map[string]map[string]policyAge, error) {
	out := map[string]map[string]policyAge{}
	add := func(of, what string, age policyAge) {
		if out[of] == nil {
			out[of] = map[string]policyAge{}
		}
		out[of][what] = age
	}
	for _, a := range actions {
		days := max(int(a.After/day), 1)
		if !a.At.IsZero() || a.Versions > 0 {
			return nil, fmt.Errorf("%s on a date, or but for a number of versions: %w", a.Kind, storage.ErrUnsupported)
		}
		switch a.Kind {
		case storage.Expire:
			add("baseBlob", "delete", policyAge{AfterModification: days})
		case storage.ExpireNoncurrent:
			add("version", "delete", policyAge{AfterCreation: days})
		case storage.Transition:
			what, age, err := policyTier(a.Class)
			if err != nil {
				return nil, err
			}
			age.AfterModification = days
			add("baseBlob", what, age)
		case storage.TransitionNoncurrent:
			what, age, err := policyTier(a.Class)
			if err != nil {
				return nil, err
			}
			age.AfterCreation = days
			add("version", what, age)
		case storage.AbortUploads, storage.ExpireMarkers:
		default:
			return nil, fmt.Errorf("%s: %w", a.Kind, storage.ErrUnsupported)
		}
	}
	return out, nil
}

func policyTier(class string) (string, policyAge, error) {
	switch {
	case strings.EqualFold(class, string(blob.AccessTierCool)):
		return "tierToCool", policyAge{}, nil
	case strings.EqualFold(class, string(blob.AccessTierCold)):
		return "tierToCold", policyAge{}, nil
	case strings.EqualFold(class, string(blob.AccessTierArchive)):
		return "tierToArchive", policyAge{AfterTierChange: thawedDays}, nil
	default:
		return "", policyAge{}, fmt.Errorf("the tier %q: %w; there are Cool, Cold and Archive", cmp.Or(class, "(none)"), storage.ErrUnsupported)
	}
}
