package remote

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/minio/minio-go/v7"

	"holdfast/test/oddities"
	"holdfast/test/program"
	"holdfast/test/servers"
	"holdfast/test/tools"
)

func TestMain(m *testing.M) { os.Exit(program.Main(m)) }

const password = "correct horse"

// place is a repository on a server, and the programs that share it.
type place struct {
	ours, restic program.Program
	// options of each program's every command.
	oursOptions, resticOptions []string
}

// newPlace prepares both programs for a repository that is not made yet. env
// is for both.
func newPlace(t *testing.T, url string, env ...string) place {
	t.Helper()
	return place{
		ours:   program.Holdfast(t).With(env...).On(url, password),
		restic: program.New(t, tools.Restic(t)).With(env...).On(url, password),
	}
}

// run has holdfast do something, which must work.
func (p place) run(t *testing.T, args ...string) string {
	t.Helper()
	return p.exits(t, 0, args...).Stdout
}

// exits has holdfast do something, which must end with the code.
func (p place) exits(t *testing.T, code int, args ...string) program.Result {
	t.Helper()
	return p.ours.Exits(t, code, append(p.oursOptions, args...)...)
}

// runRestic has restic do something, which must work.
func (p place) runRestic(t *testing.T, args ...string) string {
	t.Helper()
	return p.restic.Run(t, append(p.resticOptions, args...)...)
}

// places are the kinds of remote stores.
var places = map[string]func(t *testing.T) place{
	"s3":    func(t *testing.T) place { s := servers.S3(t); return s3Place(t, s, s.Endpoint, s.Bucket(t)) },
	"azure": azurePlace,
	"gs":    gcsPlace,
	"sftp":  sftpPlace,
	"rest":  func(t *testing.T) place { return newPlace(t, "rest:"+servers.Rest(t).URL+"some/repository/") },
}

// s3Place is a place in a bucket, reached at an endpoint that may stand
// before the server.
func s3Place(t *testing.T, s *servers.S3Server, endpoint, bucket string) place {
	t.Helper()
	return newPlace(t, "s3:"+endpoint+"/"+bucket+"/some/prefix",
		"AWS_ACCESS_KEY_ID="+s.AccessKey, "AWS_SECRET_ACCESS_KEY="+s.SecretKey, "AWS_DEFAULT_REGION="+s.Region)
}

// copyBucket copies all objects of a bucket to another one.
func copyBucket(t *testing.T, s *servers.S3Server, from, to string) {
	t.Helper()
	client := s.Client()
	for o := range client.ListObjects(t.Context(), from, minio.ListObjectsOptions{Recursive: true}) {
		if o.Err != nil {
			t.Fatal(o.Err)
		}
		copied := minio.CopyDestOptions{Bucket: to, Object: o.Key}
		if _, err := client.CopyObject(t.Context(), copied, minio.CopySrcOptions{Bucket: from, Object: o.Key}); err != nil {
			t.Fatal(err)
		}
	}
}

func azurePlace(t *testing.T) place {
	s := servers.Azure(t)
	p := newPlace(t, "azure:"+s.Container(t)+":/some/prefix", "AZURE_ACCOUNT_NAME="+s.Account, "AZURE_ACCOUNT_KEY="+s.Key)
	p.oursOptions = []string{"-o", "azure.endpoint=" + s.Endpoint}
	// restic knows no other endpoint than https://ACCOUNT.blob.SUFFIX.
	front := newAzureFront(t, s)
	p.restic = p.restic.With("AZURE_ENDPOINT_SUFFIX="+front.suffix, "HTTPS_PROXY="+front.proxy, "NO_PROXY=")
	// Azurite refuses the empty tier that it sends otherwise, and Azure takes.
	p.resticOptions = []string{"--cacert", front.certificate, "-o", "azure.access-tier=Hot"}
	return p
}

func gcsPlace(t *testing.T) place {
	s := servers.GCS(t)
	return newPlace(t, "gs:"+s.Bucket(t)+":/some/prefix", "STORAGE_EMULATOR_HOST="+s.Endpoint,
		"GOOGLE_PROJECT_ID="+s.Project, "GOOGLE_ACCESS_TOKEN=any")
}

func sftpPlace(t *testing.T) place {
	s := servers.SSH(t)
	p := newPlace(t, fmt.Sprintf("sftp://%s@%s:%d/%s/repository", s.User, s.Host, s.Port, s.Dir(t)))
	p.oursOptions = []string{"-o", "sftp.key-file=" + s.KeyFile, "-o", "sftp.known-hosts-file=" + s.KnownHostsFile}
	p.resticOptions = []string{"-o", fmt.Sprintf("sftp.args=-i %s -o UserKnownHostsFile=%s -o IdentitiesOnly=yes", s.KeyFile, s.KnownHostsFile)}
	return p
}

// makeFolder makes a folder of files large and small, whose backup takes
// more than one pack.
func makeFolder(t *testing.T) string {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "folder")
	writeFile(t, folder, "large", 1, 24<<20)
	writeFile(t, folder, "empty", 0, 0)
	for n := range 200 {
		writeFile(t, folder, fmt.Sprintf("sub-%d/file-%d", n%7, n), uint64(100+n), 3000)
	}
	return folder
}

// changeFolder gives the folder another content, part of it new.
func changeFolder(t *testing.T, folder string) {
	t.Helper()
	writeFile(t, folder, "second", 2, 3<<20)
	writeFile(t, folder, "sub-1/file-1", 3, 4000)
	if err := os.RemoveAll(filepath.Join(folder, "sub-2")); err != nil {
		t.Fatal(err)
	}
}

// writeFile writes bytes that neither compress nor repeat.
func writeFile(t *testing.T, folder, name string, seed uint64, size int) {
	t.Helper()
	data := make([]byte, size)
	rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)}).Read(data)
	path := filepath.Join(folder, name)
	err := os.MkdirAll(filepath.Dir(path), 0o755)
	if err == nil {
		err = os.WriteFile(path, data, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// differences tells how a restored folder differs from the original, in the
// target of a restore of its absolute path.
func differences(t *testing.T, folder, target string) string {
	t.Helper()
	found, err := oddities.Differences(folder, filepath.Join(target, folder))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(found, "\n")
}

// wantRestored has a program restore the newest snapshot, and compares.
func wantRestored(t *testing.T, run func(t *testing.T, args ...string) string, folder string) {
	t.Helper()
	target := t.TempDir()
	run(t, "restore", "latest", "--target", target)
	if found := differences(t, folder, target); found != "" {
		t.Errorf("restored otherwise:\n%s", found)
	}
}
