package azure

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/service"

	"holdfast/storage/internal/httpx"
)

// connect makes the clients of s. Nothing is sent yet.
func (s *Store) connect() error {
	transport, err := httpx.NewTransport(httpx.Options{
		Connections: s.o.Connections, CACertFile: s.o.CACertFile, ClientCertFile: s.o.ClientCertFile, AnyServer: s.o.AnyServer, Stall: s.tuning.stall,
	})
	if err != nil {
		return err
	}
	options := policy.ClientOptions{
		Transport: sender{transport},
		// One attempt: storage/retry decides, and knows which answers to believe.
		Retry:     policy.RetryOptions{MaxRetries: -1},
		Telemetry: policy.TelemetryOptions{ApplicationID: "holdfast"},
	}
	l, err := s.o.login(options)
	if err != nil {
		return err
	}
	s.idle = transport.CloseIdleConnections
	if err := s.connectManagement(options); err != nil {
		return err
	}
	s.container, err = l.container(s.o.serviceURL()+"/"+s.o.Container, &container.ClientOptions{ClientOptions: options})
	if err != nil {
		return err
	}
	s.account = func() (*service.Client, error) {
		return l.account(s.o.serviceURL(), &service.ClientOptions{ClientOptions: options})
	}
	return nil
}

// connectManagement makes the client of the account's management, if it is
// said which account that is. It takes an identity: keys are for blobs.
func (s *Store) connectManagement(options policy.ClientOptions) (err error) {
	if s.o.Subscription == "" || s.o.ResourceGroup == "" || s.o.Account == "" {
		return nil
	}
	token := s.tuning.token
	if token == nil {
		if token, err = identity(s.o, options); err != nil {
			return err
		}
	}
	s.management = newManagement(s.o, token, options)
	return nil
}

// sender sends requests without what http.Client adds: its errors quote the
// URL, and with it the shared access signature.
type sender struct{ transport *httpx.Transport }

func (s sender) Do(req *http.Request) (*http.Response, error) { return s.transport.RoundTrip(req) }

// login is one of the ways to be known to the service.
type login struct {
	key   *blob.SharedKeyCredential
	sas   string
	token azcore.TokenCredential
}

func (o Options) login(options policy.ClientOptions) (login, error) {
	switch {
	case o.Key != "" && !o.ForceCLI:
		key, err := blob.NewSharedKeyCredential(o.Account, o.Key)
		if err != nil { // the error would quote the key
			return login{}, errors.New("the key of the account is not base64: is AZURE_ACCOUNT_KEY complete?")
		}
		return login{key: key}, nil
	case o.SAS != "" && !o.ForceCLI:
		if q, err := url.ParseQuery(o.SAS); err != nil || !q.Has("sig") {
			return login{}, errors.New("the shared access signature holds none (sig=...): is AZURE_ACCOUNT_SAS complete?")
		}
		return login{sas: o.SAS}, nil
	}
	token, err := identity(o, options)
	if err != nil {
		return login{}, fmt.Errorf("no credentials for Azure: set AZURE_ACCOUNT_KEY or AZURE_ACCOUNT_SAS, or log in (az login): %w", err)
	}
	return login{token: token}, nil
}

// identity is the one that this machine or user has with Azure.
func identity(o Options, options policy.ClientOptions) (azcore.TokenCredential, error) {
	if o.ForceCLI {
		return azidentity.NewAzureCLICredential(nil)
	}
	// The sender goes along, for its certificates and its bound on stalls; the
	// retries do not: a token service may well be asked again here.
	return azidentity.NewDefaultAzureCredential(&azidentity.DefaultAzureCredentialOptions{
		ClientOptions: policy.ClientOptions{Transport: options.Transport},
	})
}

func (l login) container(place string, o *container.ClientOptions) (*container.Client, error) {
	switch {
	case l.key != nil:
		return container.NewClientWithSharedKeyCredential(place, l.key, o)
	case l.sas != "":
		return container.NewClientWithNoCredential(place+"?"+l.sas, o)
	default:
		return container.NewClient(place, l.token, o)
	}
}

// account is the client of the whole blob service.
func (l login) account(place string, o *service.ClientOptions) (*service.Client, error) {
	switch {
	case l.key != nil:
		return service.NewClientWithSharedKeyCredential(place, l.key, o)
	case l.sas != "":
		return service.NewClientWithNoCredential(place+"/?"+l.sas, o)
	default:
		return service.NewClient(place, l.token, o)
	}
}
