package azure

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path"
	"strconv"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
)

// Options name a container and how to reach it. What is left empty comes from
// the environment, where that has it.
type Options struct {
	// Account is the name of the storage account. Environment:
	// AZURE_ACCOUNT_NAME.
	Account string
	// Container and Prefix are the place; the prefix has no slash around it.
	Container, Prefix string

	// Key is a key of the account (AZURE_ACCOUNT_KEY), SAS a shared access
	// signature (AZURE_ACCOUNT_SAS). With neither, the identity of this machine
	// or user is tried: environment, workload identity, managed identity, and
	// what the Azure CLI is logged in as.
	Key, SAS string
	// ForceCLI takes the login of the Azure CLI and nothing else
	// (AZURE_FORCE_CLI_CREDENTIAL).
	ForceCLI bool

	// EndpointSuffix is the domain of the cloud (AZURE_ENDPOINT_SUFFIX).
	// Default core.windows.net.
	EndpointSuffix string
	// Endpoint is the whole URL of the blob service, for emulators and private
	// links (AZURE_STORAGE_BLOB_ENDPOINT). Default
	// https://ACCOUNT.blob.SUFFIX.
	Endpoint string

	// Subscription (AZURE_SUBSCRIPTION_ID) and ResourceGroup
	// (AZURE_RESOURCE_GROUP) say which account it is to those who manage it:
	// needed to read and set versioning and lifecycle rules, by an identity with
	// the role Storage Account Contributor.
	Subscription, ResourceGroup string
	// ManagementEndpoint is the URL of the management. Default: that of the
	// cloud EndpointSuffix belongs to, such as https://management.azure.com.
	ManagementEndpoint string

	// AccessTier is the tier objects are put into: Hot, Cool or Cold. Default:
	// the one of the account.
	AccessTier string
	// MarkBulk tags the blobs of objects put with PutOptions.Bulk, so that
	// lifecycle rules can tell them from the others. The credentials need the
	// permission to write tags, and tags cost a little.
	MarkBulk bool
	// Connections bounds the connections open at once; 0: no bound.
	Connections int
	// CACertFile holds authorities (PEM) to be trusted besides the system's.
	CACertFile string
	// ClientCertFile holds a certificate and its private key (PEM) to be shown
	// to the service.
	ClientCertFile string
	// AnyServer takes whoever answers for the service, unchecked. It is no
	// setting: nobody shall write it down and forget it.
	AnyServer bool
}

// Parse reads the URL of a place: azure:CONTAINER:/PREFIX, as restic writes
// it, or azure://ACCOUNT/CONTAINER/PREFIX.
func Parse(place string) (Options, error) {
	rest, ok := strings.CutPrefix(place, "azure:")
	if !ok {
		return Options{}, fmt.Errorf("%q is no place in Azure: write azure:CONTAINER:/PREFIX", place)
	}
	if strings.ContainsAny(rest, "?#@") {
		// Without the place itself: what stands there may be a signature.
		return Options{}, errors.New("the place of an azure repository has no ?, # or @ in it: signatures belong into AZURE_ACCOUNT_SAS")
	}
	var o Options
	var prefix string
	if named, ok := strings.CutPrefix(rest, "//"); ok {
		var in string
		o.Account, in, _ = strings.Cut(named, "/")
		o.Container, prefix, _ = strings.Cut(in, "/")
		if o.Account == "" {
			return Options{}, fmt.Errorf("the place %q names no account: write azure://ACCOUNT/CONTAINER/PREFIX", place)
		}
	} else {
		o.Container, prefix, _ = strings.Cut(rest, ":")
	}
	o.Prefix = strings.Trim(path.Clean("/"+prefix), "/")
	if err := checkContainer(o.Container); err != nil {
		return Options{}, fmt.Errorf("the place %q: %w; write azure:CONTAINER:/PREFIX", place, err)
	}
	return o, nil
}

// checkContainer holds a name to the rules of the service, which answers a
// name that breaks them with something about the URL.
func checkContainer(name string) error {
	if name == "" {
		return errors.New("names no container")
	}
	if strings.HasPrefix(name, "$") { // $root, $web: the service's own
		return nil
	}
	const letters = "abcdefghijklmnopqrstuvwxyz0123456789"
	if len(name) < 3 || len(name) > 63 || strings.Trim(name, letters+"-") != "" ||
		strings.HasPrefix(name, "-") || strings.HasSuffix(name, "-") || strings.Contains(name, "--") {
		return fmt.Errorf("%q cannot be the name of a container: 3 to 63 lower-case letters, digits and single dashes between them", name)
	}
	return nil
}

// TrustAnyServer has whoever answers taken for the service.
func (o *Options) TrustAnyServer() { o.AnyServer = true }

// Set changes the setting of a name, as given with -o azure.NAME=VALUE.
// Secrets are no settings: command lines are for everybody to read.
func (o *Options) Set(name, value string) error {
	var err error
	switch name {
	case "account-name":
		o.Account = value
	case "endpoint":
		o.Endpoint = value
	case "endpoint-suffix":
		o.EndpointSuffix = value
	case "subscription":
		o.Subscription = value
	case "resource-group":
		o.ResourceGroup = value
	case "management-endpoint":
		o.ManagementEndpoint = value
	case "access-tier":
		o.AccessTier, err = putTier(value)
	case "force-cli-credential":
		o.ForceCLI, err = strconv.ParseBool(value)
	case "mark-bulk":
		o.MarkBulk, err = strconv.ParseBool(value)
	case "connections":
		o.Connections, err = strconv.Atoi(value)
		if err == nil && o.Connections < 0 {
			err = errors.New("less than none")
		}
	case "ca-cert":
		o.CACertFile = value
	case "client-cert":
		o.ClientCertFile = value
	default:
		return fmt.Errorf("azure has no setting %q; there are account-name, endpoint, endpoint-suffix, subscription, resource-group, management-endpoint, access-tier, force-cli-credential, mark-bulk, connections, ca-cert and client-cert", name)
	}
	if err != nil {
		return fmt.Errorf("the setting azure.%s=%s: %w", name, value, err)
	}
	return nil
}

// putTier returns the service's spelling of a tier that objects can be put
// into.
func putTier(name string) (string, error) {
	for _, tier := range []blob.AccessTier{blob.AccessTierHot, blob.AccessTierCool, blob.AccessTierCold} {
		if strings.EqualFold(name, string(tier)) {
			return string(tier), nil
		}
	}
	if strings.EqualFold(name, string(blob.AccessTierArchive)) {
		// Locks and index files in there would make the repository unusable.
		return "", errors.New("nothing in Archive can be read without being thawed; let a rule move old packs there (holdfast storage plan)")
	}
	return "", errors.New("there are Hot, Cool and Cold")
}

// withEnvironment fills what is empty. A key or signature that was given
// keeps the environment's from being used: it may be for another account.
func (o Options) withEnvironment() Options {
	o.Account = cmp.Or(o.Account, os.Getenv("AZURE_ACCOUNT_NAME"))
	o.EndpointSuffix = cmp.Or(o.EndpointSuffix, os.Getenv("AZURE_ENDPOINT_SUFFIX"), "core.windows.net")
	o.Endpoint = strings.TrimSuffix(cmp.Or(o.Endpoint, os.Getenv("AZURE_STORAGE_BLOB_ENDPOINT")), "/")
	o.Subscription = cmp.Or(o.Subscription, os.Getenv("AZURE_SUBSCRIPTION_ID"))
	o.ResourceGroup = cmp.Or(o.ResourceGroup, os.Getenv("AZURE_RESOURCE_GROUP"))
	if forced := os.Getenv("AZURE_FORCE_CLI_CREDENTIAL"); forced != "" {
		// As restic reads it: what is no boolean is false.
		yes, _ := strconv.ParseBool(forced)
		o.ForceCLI = o.ForceCLI || yes
	}
	if o.Key == "" && o.SAS == "" {
		o.Key, o.SAS = os.Getenv("AZURE_ACCOUNT_KEY"), os.Getenv("AZURE_ACCOUNT_SAS")
	}
	o.SAS = strings.TrimPrefix(o.SAS, "?")
	return o
}

func (o Options) check() error {
	if err := checkContainer(o.Container); err != nil {
		return fmt.Errorf("open azure storage: %w", err)
	}
	if o.Account == "" && (o.Endpoint == "" || o.Key != "") {
		return errors.New("open azure storage: no account named: set AZURE_ACCOUNT_NAME, or write azure://ACCOUNT/CONTAINER/PREFIX")
	}
	if o.Endpoint != "" {
		u, err := url.Parse(o.Endpoint)
		if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || (u.Scheme != "https" && u.Scheme != "http") {
			return errors.New("open azure storage: the endpoint is not the URL of a service, such as https://ACCOUNT.blob.core.windows.net (a signature belongs into AZURE_ACCOUNT_SAS)")
		}
	}
	return nil
}

// serviceURL is where the blob service answers.
func (o Options) serviceURL() string {
	return cmp.Or(o.Endpoint, "https://"+o.Account+".blob."+o.EndpointSuffix)
}

func (o Options) location() string {
	place := "azure:" + o.Container + ":/" + o.Prefix
	if o.Account == "" {
		return place
	}
	return place + " (account " + o.Account + ")"
}
