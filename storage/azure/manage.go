package azure

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"

	"holdfast/storage"
	"holdfast/storage/internal/cloud"
)

// management is the interface through which the account itself is managed
// (Azure Resource Manager): versioning and lifecycle rules belong to it. Three
// requests are all of it that is needed here, and no library.
// https://learn.microsoft.com/rest/api/storagerp/
type management struct {
	pipeline runtime.Pipeline
	account  string // the URL of the account there
}

const managementVersion = "2023-05-01"

func newManagement(o Options, token azcore.TokenCredential, options policy.ClientOptions) *management {
	endpoint := o.managementURL()
	bearer := runtime.NewBearerTokenPolicy(token, []string{endpoint + "/.default"}, nil)
	return &management{
		pipeline: runtime.NewPipeline("holdfast", "", runtime.PipelineOptions{PerRetry: []policy.Policy{bearer}}, &options),
		account: endpoint + "/subscriptions/" + url.PathEscape(o.Subscription) + "/resourceGroups/" + url.PathEscape(o.ResourceGroup) +
			"/providers/Microsoft.Storage/storageAccounts/" + url.PathEscape(o.Account),
	}
}

// managementURL is where the cloud of the account is managed.
func (o Options) managementURL() string {
	switch {
	case o.ManagementEndpoint != "":
		return strings.TrimSuffix(o.ManagementEndpoint, "/")
	case strings.HasSuffix(o.EndpointSuffix, "chinacloudapi.cn"):
		return "https://management.chinacloudapi.cn"
	case strings.HasSuffix(o.EndpointSuffix, "usgovcloudapi.net"):
		return "https://management.usgovcloudapi.net"
	default:
		return "https://management.azure.com"
	}
}

// call sends in, if it is not nil, and reads the answer into out, if that is
// not nil.
func (m *management) call(ctx context.Context, method, what string, in, out any) error {
	req, err := runtime.NewRequest(ctx, method, m.account+"/"+what+"?api-version="+managementVersion)
	if err != nil {
		return err
	}
	if in != nil {
		if err := runtime.MarshalAsJSON(req, in); err != nil {
			return err
		}
	}
	resp, err := m.pipeline.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if !runtime.HasStatusCode(resp, http.StatusOK, http.StatusNoContent) {
		return runtime.NewResponseError(resp)
	}
	if out == nil {
		return nil
	}
	return runtime.UnmarshalAsJSON(resp, out)
}

// The settings of the account, as far as they are known here: the rest of
// Properties is kept as it came.
const (
	blobServices = "blobServices/default"
	policies     = "managementPolicies/default"
)

type managedService struct {
	Properties map[string]json.RawMessage `json:"properties"`
}

type managedPolicy struct {
	Properties struct {
		Policy struct {
			Rules []json.RawMessage `json:"rules"`
		} `json:"policy"`
	} `json:"properties"`
}

// value reads a property, which may be missing.
func value[T any](m managedService, name string) T {
	var v T
	if raw, ok := m.Properties[name]; ok {
		_ = json.Unmarshal(raw, &v) // of another type: as if missing
	}
	return v
}

type deleteRetention struct {
	Enabled bool  `json:"enabled"`
	Days    int64 `json:"days"`
}

func (m managedService) softDelete() time.Duration {
	r := value[deleteRetention](m, "deleteRetentionPolicy")
	if !r.Enabled {
		return 0
	}
	return time.Duration(r.Days) * day
}

// rules returns the rules of the account; an account without any has no such
// document.
func (s *Store) rules(ctx context.Context) ([]json.RawMessage, error) {
	var p managedPolicy
	err := s.manage(ctx, http.MethodGet, policies, nil, &p)
	if errors.Is(err, storage.ErrNotFound) {
		err = nil
	}
	return p.Properties.Policy.Rules, err
}

func (s *Store) manage(ctx context.Context, method, what string, in, out any) error {
	err := s.failure(ctx, s.management.call(ctx, method, what, in, out))
	if errors.Is(err, storage.ErrNotFound) && what != policies {
		return fmt.Errorf("there is no account %q in the resource group %q of that subscription: %w", s.o.Account, s.o.ResourceGroup, err)
	}
	return err
}

// managedSettings adds what the account itself tells to settings.
func (s *Store) managedSettings(ctx context.Context, settings *storage.Settings) error {
	var service managedService
	if err := s.manage(ctx, http.MethodGet, blobServices, nil, &service); err != nil {
		settings.Unread[storage.SettingVersioning], settings.Unread[storage.SettingSoftDelete] = err, err
	} else {
		settings.Versioning = storage.Off
		if value[bool](service, "isVersioningEnabled") {
			settings.Versioning = storage.On
		}
		settings.SoftDelete = service.softDelete()
	}
	rules, err := s.rules(ctx)
	if err != nil {
		settings.Unread[storage.SettingLifecycle] = err
	}
	for _, raw := range rules {
		settings.Rules = append(settings.Rules, s.readRule(raw)...)
	}
	return ctx.Err()
}

// applyManaged makes changes of the account.
func (s *Store) applyManaged(ctx context.Context, c storage.SettingChanges) error {
	var failed []error
	fail := func(setting storage.Setting, err error) {
		if err != nil {
			failed = append(failed, &storage.SettingError{Setting: setting, Err: err})
		}
	}
	if c.Versioning {
		fail(storage.SettingVersioning, s.changeService(ctx, func(m managedService) (string, any) {
			if value[bool](m, "isVersioningEnabled") {
				return "", nil
			}
			return "isVersioningEnabled", true
		}))
	}
	if c.SoftDelete > 0 {
		fail(storage.SettingSoftDelete, s.manageSoftDelete(ctx, c.SoftDelete))
	}
	if c.SetRules {
		fail(storage.SettingLifecycle, s.setRules(ctx, c.Rules))
	}
	return errors.Join(failed...)
}

func (s *Store) manageSoftDelete(ctx context.Context, period time.Duration) error {
	days := int64((period + day - 1) / day)
	if days > maxSoftDeleteDays {
		return fmt.Errorf("%w: Azure keeps deleted blobs for %d days at most, and %d were asked for", storage.ErrUnsupported, maxSoftDeleteDays, days)
	}
	return s.changeService(ctx, func(m managedService) (string, any) {
		if m.softDelete() >= period {
			return "", nil
		}
		return "deleteRetentionPolicy", deleteRetention{Enabled: true, Days: days}
	})
}

// changeService sets one property of the account's blob service: it is read,
// and written back with all the others as they were.
func (s *Store) changeService(ctx context.Context, change func(managedService) (name string, v any)) error {
	var service managedService
	if err := s.manage(ctx, http.MethodGet, blobServices, nil, &service); err != nil {
		return err
	}
	name, v := change(service)
	if name == "" {
		return nil
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if service.Properties == nil {
		service.Properties = map[string]json.RawMessage{}
	}
	service.Properties[name] = raw
	return s.manage(ctx, http.MethodPut, blobServices, service, nil)
}

// setRules replaces the own rules of the account. The service has no
// condition for "unless changed meanwhile".
func (s *Store) setRules(ctx context.Context, own []storage.LifecycleRule) error {
	now, err := s.rules(ctx)
	if err != nil {
		return err
	}
	rules, err := s.replaceRules(now, own)
	if err != nil || cloud.SameRules(rules, now) {
		return err
	}
	if len(rules) == 0 { // an empty list is refused
		return s.manage(ctx, http.MethodDelete, policies, nil, nil)
	}
	var p managedPolicy
	p.Properties.Policy.Rules = rules
	return s.manage(ctx, http.MethodPut, policies, p, nil)
}
