package buckets

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"holdfast/test/program"
	"holdfast/test/servers"
)

func TestMain(m *testing.M) { os.Exit(program.Main(m)) }

// site is a machine with some files and a repository in a bucket.
type site struct {
	t      *testing.T
	server *servers.S3Server
	bucket string
	dir    string
	// owner is holdfast with the keys of the account.
	owner program.Program
}

// newSite makes a bucket and a holdfast.yaml that names the place in it
// "offsite"; settings are added to it.
func newSite(t *testing.T, settings string, o ...servers.BucketOption) *site {
	t.Helper()
	s := &site{t: t, server: servers.S3(t), dir: t.TempDir()}
	s.bucket = s.server.Bucket(t, o...)
	config := fmt.Sprintf("repositories:\n  offsite:\n    url: %q\n    password: { env: HOLDFAST_PASSWORD }\n%s", s.url(), settings)
	s.write("holdfast.yaml", []byte(config))
	s.owner = s.as(s.server.AccessKey, s.server.SecretKey)
	return s
}

func (s *site) url() string { return "s3:" + s.server.Endpoint + "/" + s.bucket + "/repo" }

// as returns holdfast with some credentials, on the repository.
func (s *site) as(accessKey, secretKey string) program.Program {
	return program.Holdfast(s.t).In(s.dir).With(
		"AWS_ACCESS_KEY_ID="+accessKey, "AWS_SECRET_ACCESS_KEY="+secretKey, "AWS_REGION="+s.server.Region,
		"HOLDFAST_CONFIG="+filepath.Join(s.dir, "holdfast.yaml"), "HOLDFAST_REPOSITORY=offsite", "HOLDFAST_PASSWORD=correct horse",
	)
}

// role returns holdfast with credentials that may do what the policy of a
// role says, and these credentials.
func (s *site) role(role string) (p program.Program, accessKey, secretKey string) {
	s.t.Helper()
	policy := s.owner.Run(s.t, "storage", "policy", "--role", role)
	accessKey, secretKey = s.server.User(s.t, []byte(policy))
	return s.as(accessKey, secretKey), accessKey, secretKey
}

func (s *site) write(name string, data []byte) {
	s.t.Helper()
	path := filepath.Join(s.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		s.t.Fatal(err)
	}
}

// noise is content that does not compress.
func noise(seed byte, size int) []byte {
	b := make([]byte, size)
	rand.NewChaCha8([32]byte{seed}).Read(b)
	return b
}

// wantFiles checks that a folder below the site holds exactly some files.
func (s *site) wantFiles(folder string, want map[string][]byte) {
	s.t.Helper()
	for name, data := range want {
		got, err := os.ReadFile(filepath.Join(s.dir, folder, name))
		if err != nil || !bytes.Equal(got, data) {
			s.t.Errorf("%s: %d bytes of %d, %v", name, len(got), len(data), err)
		}
	}
}

// aMoment waits until what happened is surely over by the server's clock,
// whose versions are dated to the second, and returns an instant after it.
func aMoment() (after string) {
	time.Sleep(1200 * time.Millisecond)
	t := time.Now().UTC().Format(time.RFC3339Nano)
	time.Sleep(1200 * time.Millisecond)
	return t
}
