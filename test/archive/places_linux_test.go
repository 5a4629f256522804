package archive

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"holdfast/test/oddities"
	"holdfast/test/servers"
)

// An archive may lie wherever a repository could.
func TestArchivesInStores(t *testing.T) {
	s := newSite(t)
	oddities.Make(t, s.path("src"), oddities.Deep)
	s.backup()
	minio, sshd := servers.S3(t), servers.SSH(t)
	for name, place := range map[string]struct {
		url   string
		flags []string
	}{
		"s3": {"s3:" + minio.Endpoint + "/" + minio.Bucket(t) + "/archives", nil},
		"sftp": {"sftp:" + sshd.User + "@" + sshd.Host + ":" + sshd.Dir(t), []string{
			"-o", "sftp.port=" + strconv.Itoa(sshd.Port), "-o", "sftp.key-file=" + sshd.KeyFile, "-o", "sftp.known-hosts-file=" + sshd.KnownHostsFile,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			p := s.holdfast.With("AWS_ACCESS_KEY_ID="+minio.AccessKey, "AWS_SECRET_ACCESS_KEY="+minio.SecretKey)
			run := func(args ...string) string {
				t.Helper()
				return p.Run(t, append(args, place.flags...)...)
			}
			run("archive", "export", "latest", "--to", place.url, "--name", "first", "--split", "2M", "--recipient", s.pub)
			s.sh(`echo more > src/more; rm -r src/symlinks`)
			s.backup()
			run("archive", "export", "latest", "--to", place.url, "--name", "second", "--since", "latest", "--recipient", s.pub)
			if out := run("archive", "verify", place.url, "-i", s.key); strings.Count(out, "opened and unpacked") != 2 {
				t.Errorf("verify says %s", out)
			}
			back := t.TempDir()
			run("archive", "import", place.url, "second", "-i", s.key, "--target", back)
			oddities.Compare(t, s.path("src"), filepath.Join(back, "src"))
			s.sh(`rm src/more; mkdir src/symlinks`) // for the next place
			s.backup()
		})
	}
}

// An export that is killed leaves nothing that is taken for an archive, and
// the same name can be exported again.
func TestKilledExports(t *testing.T) {
	s := newSite(t)
	random := rand.NewChaCha8([32]byte{7})
	for n := range 4 {
		content := make([]byte, 8<<20)
		random.Read(content)
		must(t, os.WriteFile(s.path("src/"+strconv.Itoa(n)), content, 0o644))
	}
	s.backup()
	args := []string{"archive", "export", "latest", "--to", "archives", "--name", "one", "--split", "1M", "--recipient", s.pub}
	cut := 0
	for n := range 8 {
		cmd := s.holdfast.Command(append(args, "--restart")...)
		must(t, cmd.Start())
		waitFor(t, func() bool { // until some parts are there
			parts, _ := filepath.Glob(s.path("archives/one/*.age.*"))
			return len(parts) >= 1+3*n
		})
		must(t, cmd.Process.Kill())
		cmd.Wait() // it was killed
		if _, err := os.Stat(s.path("archives/one/SHA256SUMS")); err == nil {
			break // it was faster
		}
		cut++
		s.holdfast.Exits(t, 1, "archive", "verify", "archives", "one", "-i", s.key)
		if r := s.holdfast.Exits(t, 1, args...); !strings.Contains(r.Stderr, "--restart") {
			t.Errorf("a second export says %s", r.Output())
		}
	}
	if cut == 0 {
		t.Fatal("no export was cut off")
	}
	if r := s.holdfast.Try(append(args, "--restart")...); r.Code != 0 && !strings.Contains(r.Stderr, "already") {
		t.Fatal(r.Output())
	}
	s.holdfast.Run(t, "archive", "verify", "archives", "-i", s.key)
}

func waitFor(t *testing.T, done func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it takes too long")
		}
	}
}
