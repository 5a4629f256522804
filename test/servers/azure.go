package servers

import (
	"context"
	"net/http"
	"strconv"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
)

// AzureServer is the blob service of Azurite.
type AzureServer struct {
	Endpoint string // such as "http://127.0.0.1:20000/devstoreaccount1", the account's URL
	Account  string
	Key      string // base64

	client *azblob.Client
}

var azure shared[*AzureServer]

// Azure returns the Azurite of this test process.
func Azure(t testing.TB) *AzureServer {
	t.Helper()
	return azure.get(t, startAzure)
}

// The account and key of Azure's emulators, public and always the same.
const (
	azureAccount = "devstoreaccount1"
	azureKey     = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)

func startAzure() (*AzureServer, *process, error) {
	p, port, err := start(server{
		tool: "azurite",
		command: func(dir string, port int) ([]string, []string) {
			return []string{
				"--blobHost", "127.0.0.1", "--blobPort", strconv.Itoa(port), "--location", dir,
				"--skipApiVersionCheck", "--disableTelemetry",
			}, nil
		},
		ready: answers("/" + azureAccount + "?comp=list"),
	})
	if err != nil {
		return nil, nil, err
	}
	s := &AzureServer{Endpoint: "http://" + address(port) + "/" + azureAccount, Account: azureAccount, Key: azureKey}
	credential, err := azblob.NewSharedKeyCredential(s.Account, s.Key)
	if err != nil {
		return nil, nil, err
	}
	s.client, err = azblob.NewClientWithSharedKeyCredential(s.Endpoint, credential, nil)
	return s, p, err
}

// Client returns a client of the server, for tests that look behind a store.
func (s *AzureServer) Client() *azblob.Client { return s.client }

// Container makes a container that nobody else uses and returns its name.
func (s *AzureServer) Container(t testing.TB) string {
	t.Helper()
	name := "container-" + random()
	if _, err := s.client.CreateContainer(t.Context(), name, nil); err != nil {
		t.Fatalf("making the container %s: %v", name, err)
	}
	return name
}

// answers is ready when an HTTP server answers, whatever it says.
func answers(path string) func(context.Context, int) error {
	return func(ctx context.Context, port int) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address(port)+path, nil)
		if err != nil {
			return err
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		return res.Body.Close()
	}
}
