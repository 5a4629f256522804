package servers

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
)

// GCSServer is fake-gcs-server with all objects in memory. It keeps object
// generations; it forgets lifecycle rules and retention.
type GCSServer struct {
	Endpoint string // such as "http://127.0.0.1:20000"
	Project  string
}

var gcs shared[*GCSServer]

// GCS returns the fake-gcs-server of this test process.
func GCS(t testing.TB) *GCSServer {
	t.Helper()
	return gcs.get(t, startGCS)
}

func startGCS() (*GCSServer, *process, error) {
	p, port, err := start(server{
		tool: "fake-gcs-server",
		command: func(_ string, port int) ([]string, []string) {
			return []string{
				"-scheme", "http", "-host", "127.0.0.1", "-port", strconv.Itoa(port), "-backend", "memory",
				"-public-host", address(port), "-external-url", "http://" + address(port), "-log-level", "warn",
			}, []string{"GOMEMLIMIT=512MiB"}
		},
		ready: answers("/storage/v1/b?project=test"),
	})
	if err != nil {
		return nil, nil, err
	}
	return &GCSServer{Endpoint: "http://" + address(port), Project: "test"}, p, nil
}

// Bucket makes a bucket that nobody else uses and returns its name.
func (s *GCSServer) Bucket(t testing.TB) string {
	t.Helper()
	name := "bucket-" + random()
	if err := s.makeBucket(t.Context(), name); err != nil {
		t.Fatalf("making the bucket %s: %v", name, err)
	}
	return name
}

func (s *GCSServer) makeBucket(ctx context.Context, name string) error {
	body := strings.NewReader(fmt.Sprintf(`{"name": %q}`, name))
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.Endpoint+"/storage/v1/b?project="+s.Project, body)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(res.Body, 4<<10))
		return fmt.Errorf("%s: %s", res.Status, text)
	}
	return nil
}
