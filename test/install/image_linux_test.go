package install

import (
	"archive/tar"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"holdfast/internal/config"
)

// imageUser is who the program is in the image.
const imageUser = 10001

// container is the root file system of the image, with what its configuration
// says.
type container struct {
	t    *testing.T
	root string
	env  []string
	args []string
}

// The image has all that a backup and a restore test need, and nothing else:
// no shell, no library, and nobody who is root.
func TestImage(t *testing.T) {
	t.Parallel()
	c := unpackImage(t, filepath.Join(release(t, "1.0.0", "image"), "holdfast_1.0.0_image.tar"))
	c.mountProc()
	c.put("etc/holdfast/password", "secret")
	c.put("etc/holdfast/holdfast.yaml", `repositories:
  local: { url: /var/lib/holdfast/repository, password: { file: /etc/holdfast/password } }
sources:
  www: { files: { paths: [/srv] } }
plans:
  site:
    sources: [www]
    repository: local
    schedule: { full: "0 2 * * *" }
    timezone: Europe/Zurich
service:
  upkeep: { retention: { schedule: off }, prune: { schedule: off }, check: { schedule: off } }
`)
	c.put("srv/letter", "dear Ann")
	c.run("init", "-q")
	c.run("plan", "validate")
	c.run("plan", "run", "site")
	c.run("serve", "--once") // what the image does by itself
	has(t, c.run("snapshots"), "/srv")
	has(t, c.run("verify", "--plan", "site"), "PROVEN")
	if got := c.run("dump", "latest", "/srv/letter"); got != "dear Ann" {
		t.Errorf("the letter came back as %q", got)
	}
	examples, err := filepath.Glob("../../examples/config/*.yaml")
	must(t, err)
	if len(examples) < 3 {
		t.Fatalf("the examples are %q", examples)
	}
	for _, example := range examples {
		t.Run(filepath.Base(example), func(t *testing.T) { c.with(t).validate(example) })
	}
}

func (c *container) with(t *testing.T) *container {
	other := *c
	other.t = t
	return &other
}

// validate checks an example of a configuration on a machine that has what the
// example speaks of.
func (c *container) validate(example string) {
	c.t.Helper()
	text, err := os.ReadFile(example)
	must(c.t, err)
	cfg, err := config.Parse("holdfast.yaml", text)
	must(c.t, err)
	for _, name := range []string{"password", "disk.password", "local.password", "offsite.password", "shop.password"} {
		c.secret("etc/holdfast/"+name, "secret")
	}
	c.secret("etc/holdfast/phone.url", "https://example.com/hook")
	c.put("etc/holdfast/holdfast.yaml", string(text))
	for _, s := range cfg.Sources {
		if s.Files != nil {
			for _, path := range s.Files.Paths {
				must(c.t, os.MkdirAll(filepath.Join(c.root, path), 0o755))
			}
		}
	}
	for name, r := range cfg.Repositories {
		if strings.HasPrefix(r.URL, "/") {
			must(c.t, os.MkdirAll(filepath.Join(c.root, r.URL), 0o755))
			must(c.t, os.Chown(filepath.Join(c.root, r.URL), imageUser, imageUser))
			c.run("init", "-q", "-r", name)
		}
	}
	c.t.Log(c.run("plan", "validate", "--offline"))
}

// secret writes a file that only the program's user reads.
func (c *container) secret(name, text string) {
	c.t.Helper()
	c.put(name, text)
	path := filepath.Join(c.root, name)
	must(c.t, errors.Join(os.Chmod(path, 0o600), os.Chown(path, imageUser, imageUser)))
}

func unpackImage(t *testing.T, path string) *container {
	t.Helper()
	dir := t.TempDir()
	if out, err := exec.Command("tar", "--extract", "--file="+path, "--directory="+dir).CombinedOutput(); err != nil {
		t.Fatalf("unpack the image: %v\n%s", err, out)
	}
	var images []struct {
		Config string
		Layers []string
	}
	decode(t, filepath.Join(dir, "manifest.json"), &images)
	var document struct {
		Config struct {
			Env, Entrypoint []string
			User            string
		} `json:"config"`
	}
	decode(t, filepath.Join(dir, images[0].Config), &document)
	c := &container{t: t, root: filepath.Join(dir, "root"), env: document.Config.Env, args: document.Config.Entrypoint}
	must(t, os.MkdirAll(c.root, 0o755))
	for _, layer := range images[0].Layers {
		extract(t, filepath.Join(dir, layer), c.root)
	}
	return c
}

// extract unpacks a layer, with owners.
func extract(t *testing.T, layer, root string) {
	t.Helper()
	f, err := os.Open(layer)
	must(t, err)
	defer f.Close()
	z, err := gzip.NewReader(f)
	must(t, err)
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		must(t, err)
		path := filepath.Join(root, h.Name)
		if h.Typeflag == tar.TypeDir {
			must(t, os.MkdirAll(path, 0o755))
		} else {
			data, err := io.ReadAll(r)
			must(t, err)
			must(t, os.WriteFile(path, data, 0o600))
		}
		must(t, os.Chown(path, h.Uid, h.Gid))
		must(t, os.Chmod(path, h.FileInfo().Mode()))
	}
}

// mountProc does what everything that runs images does.
func (c *container) mountProc() {
	c.t.Helper()
	proc := filepath.Join(c.root, "proc")
	must(c.t, os.MkdirAll(proc, 0o755))
	must(c.t, syscall.Mount("proc", proc, "proc", syscall.MS_NOSUID|syscall.MS_NODEV|syscall.MS_NOEXEC, ""))
	c.t.Cleanup(func() { must(c.t, syscall.Unmount(proc, syscall.MNT_DETACH)) })
}

func (c *container) put(name, text string) {
	c.t.Helper()
	path := filepath.Join(c.root, name)
	must(c.t, os.MkdirAll(filepath.Dir(path), 0o755))
	must(c.t, os.WriteFile(path, []byte(text), 0o644))
}

// run runs the program of the image as its user, with nothing but the image.
func (c *container) run(args ...string) string {
	c.t.Helper()
	all := append(c.args[1:len(c.args):len(c.args)], args...)
	cmd := exec.Command(c.args[0], all...)
	cmd.Dir, cmd.Env = "/", c.env
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Chroot: c.root, Credential: &syscall.Credential{Uid: imageUser, Gid: imageUser},
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWNET,
	}
	var complaint strings.Builder
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		c.t.Fatalf("%q in the image: %v\n%s%s", args, err, out, complaint.String())
	}
	return string(out)
}

func decode(t *testing.T, path string, v any) {
	t.Helper()
	data, err := os.ReadFile(path)
	must(t, err)
	must(t, json.Unmarshal(data, v))
}
