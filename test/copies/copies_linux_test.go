package copies

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"holdfast/test/oddities"
	"holdfast/test/program"
	"holdfast/test/servers"
	"holdfast/test/tools"
)

func TestMain(m *testing.M) { os.Exit(program.Main(m)) }

// fleet is a plan with a repository on disk and copies at servers.
type fleet struct {
	holdfast program.Program
	source   string
	main     string
}

// newFleet writes a holdfast.yaml with a repository main and the copies, each
// the rest of its entry, and makes main with a first backup.
func newFleet(t *testing.T, env []string, copies map[string]string) fleet {
	t.Helper()
	dir := t.TempDir()
	f := fleet{source: filepath.Join(dir, "source"), main: filepath.Join(dir, "main")}
	secret := filepath.Join(dir, "password")
	write(t, secret, []byte(password+"\n"))
	var b strings.Builder
	fmt.Fprintf(&b, "repositories:\n  main: { url: %s, media: disk, site: here, password: { file: %s } }\n", f.main, secret)
	var names []string
	for name, entry := range copies {
		fmt.Fprintf(&b, "  %s: { %s, password: { file: %s } }\n", name, entry, secret)
		names = append(names, name)
	}
	fmt.Fprintf(&b, "sources:\n  docs: { files: { paths: [%s] } }\n", f.source)
	fmt.Fprintf(&b, "plans:\n  docs: { sources: [docs], repository: main, keep: { last: 9 }, copies: [%s] }\n", strings.Join(names, ", "))
	config := filepath.Join(dir, "holdfast.yaml")
	write(t, config, []byte(b.String()))
	for n := range 5 {
		noise := make([]byte, 1<<20)
		rand.NewChaCha8([32]byte{byte(n)}).Read(noise) //nolint:errcheck // it never fails
		write(t, filepath.Join(f.source, fmt.Sprint("file-", n)), noise)
	}
	f.holdfast = program.Holdfast(t).With(append(env, "HOLDFAST_CONFIG="+config)...)
	f.holdfast.Run(t, "init", "-r", "main")
	for _, name := range names {
		f.holdfast.Run(t, "init", "-r", name, "--like", f.main)
	}
	f.holdfast.Run(t, "backup", "-r", "main", f.source)
	return f
}

func write(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// wantRestored restores the newest snapshot and compares it with the source.
func (f fleet) wantRestored(t *testing.T, args ...string) program.Result {
	t.Helper()
	target := filepath.Join(t.TempDir(), "back")
	r := f.holdfast.Exits(t, 0, append([]string{"restore", "latest", "--target", target}, args...)...)
	oddities.Compare(t, f.source, filepath.Join(target, f.source))
	return r
}

// damageLargest flips a bit in the largest pack on disk.
func (f fleet) damageLargest(t *testing.T) {
	t.Helper()
	packs, err := filepath.Glob(filepath.Join(f.main, "data", "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	largest, size := "", int64(0)
	for _, p := range packs {
		if info, err := os.Stat(p); err == nil && info.Size() > size {
			largest, size = p, info.Size()
		}
	}
	data, err := os.ReadFile(largest)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 4
	if err := os.Remove(largest); err != nil {
		t.Fatal(err)
	}
	write(t, largest, data)
}

func s3Env(s *servers.S3Server) []string {
	return []string{"AWS_ACCESS_KEY_ID=" + s.AccessKey, "AWS_SECRET_ACCESS_KEY=" + s.SecretKey, "AWS_DEFAULT_REGION=" + s.Region}
}

// A plan with copies on S3, locked, and over SFTP reaches 3-2-1-1-0 by what
// its commands do; each copy falls in for the repository and heals it.
func TestPlanWithCopiesElsewhere(t *testing.T) {
	s3, ssh := servers.S3(t), servers.SSH(t)
	bucket := s3.Bucket(t, servers.WithObjectLock())
	f := newFleet(t, s3Env(s3), map[string]string{
		"bucket": fmt.Sprintf("url: \"s3:%s/%s/prefix\", media: object, site: us, immutable: { mode: compliance, for: 1d }", s3.Endpoint, bucket),
		"server": fmt.Sprintf("url: \"sftp://%s@%s:%d/%s/repository\", media: disk, site: there, options: { key-file: %s, known-hosts-file: %s }",
			ssh.User, ssh.Host, ssh.Port, ssh.Dir(t), ssh.KeyFile, ssh.KnownHostsFile),
	})
	if out := f.holdfast.Exits(t, 1, "status").Stdout; !strings.Contains(out, "holdfast copy --plan docs") {
		t.Errorf("status does not say what to do:\n%s", out)
	}
	f.holdfast.Run(t, "copy", "--plan", "docs", "--read-back")
	f.holdfast.Run(t, "check", "-r", "main", "--read-data")
	if out := f.holdfast.Run(t, "status"); !strings.Contains(out, "plan docs: 4-2-2-1-0") {
		t.Errorf("status:\n%s", out)
	}
	for _, name := range []string{"bucket", "server"} {
		f.holdfast.Run(t, "check", "-r", name, "--read-data")
		f.wantRestored(t, "-r", name, "--no-fallback")
		f.damageLargest(t)
		if r := f.wantRestored(t, "-r", "main", "--fallback", name); !strings.Contains(r.Output(), "reading the copy at") {
			t.Errorf("nobody said that %s was read:\n%s", name, r.Output())
		}
		f.holdfast.Run(t, "repair", "-r", "main", "--from", name, "--read-data")
		f.wantRestored(t, "-r", "main", "--no-fallback")
	}
	if err := os.Rename(f.main, f.main+".away"); err != nil {
		t.Fatal(err)
	}
	if r := f.wantRestored(t, "-r", "main"); !strings.Contains(r.Output(), "cannot be used") {
		t.Errorf("nobody said that main is gone:\n%s", r.Output())
	}
}

// A mirror on every kind of store is a repository to restic, has the same
// files, and heals the one it was made of byte for byte.
func TestMirrorOnServers(t *testing.T) {
	s3, ssh := servers.S3(t), servers.SSH(t)
	f := newFleet(t, s3Env(s3), nil)
	sftp := []string{"-o", "sftp.key-file=" + ssh.KeyFile, "-o", "sftp.known-hosts-file=" + ssh.KnownHostsFile}
	for name, m := range map[string]struct {
		url   string
		flags []string
	}{
		"s3":   {url: "s3:" + s3.Endpoint + "/" + s3.Bucket(t) + "/mirror"},
		"sftp": {fmt.Sprintf("sftp://%s@%s:%d/%s/mirror", ssh.User, ssh.Host, ssh.Port, ssh.Dir(t)), sftp},
		"rest": {url: "rest:" + servers.Rest(t).URL + "mirror"}, // restic's server: no evidence there
		"disk": {url: filepath.Join(t.TempDir(), "mirror")},
	} {
		t.Run(name, func(t *testing.T) {
			run := func(args ...string) string { return f.holdfast.Run(t, append(args, m.flags...)...) }
			run("copy", "-r", "main", "--mirror", "--init", "--read-back", "--to", m.url)
			if out := run("copy", "-r", "main", "--mirror", "--to", m.url); !strings.Contains(out, "copied 0 files") {
				t.Errorf("the second run copies again:\n%s", out)
			}
			f.damageLargest(t)
			if out := run("repair", "-r", "main", "--read-data", "--from", m.url); !strings.Contains(out, "byte for byte") {
				t.Errorf("healed otherwise:\n%s", out)
			}
			f.holdfast.Run(t, "check", "-r", "main", "--read-data")
			if name == "s3" {
				restic := program.New(t, tools.Restic(t)).With(s3Env(s3)...).On(m.url, password)
				restic.Run(t, "check", "--read-data")
			}
		})
	}
}
