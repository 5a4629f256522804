package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// made makes a release of a program and returns its folder.
func made(t *testing.T, program, parts string, more ...string) string {
	t.Helper()
	t.Setenv("SOURCE_DATE_EPOCH", "1760000000")
	folder := t.TempDir()
	certificates := filepath.Join(folder, "certificates")
	must(t, os.WriteFile(certificates, []byte("a list"), 0o644))
	args := []string{
		"-root", "../..", "-systems", "linux/arm64", "-version", "v1.2.0-rc1", "-program", program,
		"-certificates", certificates, "-parts", parts, "-out", filepath.Join(folder, "out"),
	}
	must(t, run(t.Context(), append(args, more...), io.Discard))
	return filepath.Join(folder, "out")
}

func fakeProgram(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "holdfast")
	must(t, os.WriteFile(path, []byte("a program"), 0o755))
	return path
}

// The same source makes the same files, and the checksums are theirs.
func TestReproducible(t *testing.T) {
	program := fakeProgram(t)
	first, second := made(t, program, "deb,image"), made(t, program, "deb,image")
	a, err := os.ReadFile(filepath.Join(first, "SHA256SUMS"))
	must(t, err)
	b, err := os.ReadFile(filepath.Join(second, "SHA256SUMS"))
	must(t, err)
	if !bytes.Equal(a, b) || bytes.Count(a, []byte("\n")) != 3 {
		t.Errorf("made first:\n%s\nand then:\n%s", a, b)
	}
	cmd := exec.Command("sha256sum", "--check", "--quiet", "SHA256SUMS")
	cmd.Dir = first
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("sha256sum: %v\n%s", err, out)
	}
}

// ann answers for releases of tests.
const ann = "Ann <ann@example.org>"

// Nothing is signed in the name of nobody, and the packages name who answers
// for them.
func TestMaintainer(t *testing.T) {
	for _, c := range []struct{ maintainer, key, refused string }{
		{maintainer, "", ""},
		{ann, "holdfast.key", ""},
		{maintainer, "holdfast.key", "MAINTAINER="},
		{"ann@example.org", "", "NAME <ADDRESS>"},
		{"Ann", "", "NAME <ADDRESS>"},
	} {
		err := (&release{maintainer: c.maintainer, key: c.key}).checkMaintainer()
		if (err != nil) != (c.refused != "") || err != nil && !strings.Contains(err.Error(), c.refused) {
			t.Errorf("%q with the key %q: %v", c.maintainer, c.key, err)
		}
	}
	out := t.TempDir()
	err := run(t.Context(), []string{"-root", "../..", "-systems", "linux/arm64", "-version", "v1", "-program", fakeProgram(t), "-out", out, "-sign-key", "any"}, io.Discard)
	if left, _ := os.ReadDir(out); err == nil || len(left) > 0 {
		t.Errorf("%v, and %v was made", err, left)
	}
	deb := filepath.Join(made(t, fakeProgram(t), "deb", "-maintainer", ann), "holdfast_1.2.0~rc1_arm64.deb")
	field, err := exec.Command("dpkg-deb", "--field", deb, "Maintainer").Output()
	if err != nil || strings.TrimSpace(string(field)) != ann {
		t.Errorf("the package names %q: %v", field, err)
	}
}

// minisign finds a release good that was signed, and one bad that was changed.
func TestSigned(t *testing.T) {
	dir := t.TempDir()
	public, key := filepath.Join(dir, "holdfast.pub"), filepath.Join(dir, "holdfast.key")
	if out, err := exec.Command("minisign", "-G", "-W", "-p", public, "-s", key).CombinedOutput(); err != nil {
		t.Fatalf("make a key: %v\n%s", err, out)
	}
	sums := filepath.Join(made(t, fakeProgram(t), "", "-sign-key", key, "-maintainer", ann), sumsFile)
	verify := func() (string, error) {
		out, err := exec.Command("minisign", "-V", "-p", public, "-m", sums).CombinedOutput()
		return string(out), err
	}
	if out, err := verify(); err != nil || !strings.Contains(out, "holdfast v1.2.0-rc1") {
		t.Errorf("what was signed is not good: %v\n%s", err, out)
	}
	text, err := os.ReadFile(sums)
	must(t, err)
	must(t, os.WriteFile(sums, append(text, "0000  holdfast_other\n"...), 0o600))
	if out, err := verify(); err == nil {
		t.Errorf("what was changed is good:\n%s", out)
	}
	err = run(t.Context(), []string{
		"-root", "../..", "-systems", "linux/arm64", "-version", "v1", "-program", fakeProgram(t), "-parts", "",
		"-out", t.TempDir(), "-sign-key", filepath.Join(dir, "none"), "-maintainer", ann,
	}, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "sign SHA256SUMS") {
		t.Errorf("a key that is not there: %v", err)
	}
}

// dpkg reads the package: it is a format of its own making here.
func TestDpkgReadsThePackage(t *testing.T) {
	deb := filepath.Join(made(t, fakeProgram(t), "deb"), "holdfast_1.2.0~rc1_arm64.deb")
	fields, err := exec.Command("dpkg-deb", "--field", deb).Output()
	must(t, err)
	for _, want := range []string{"Version: 1.2.0~rc1\n", "Architecture: arm64\n", "Depends: adduser\n"} {
		if !strings.Contains(string(fields), want) {
			t.Errorf("%q is missing in:\n%s", want, fields)
		}
	}
	if strings.ContainsAny(string(fields), "{}") {
		t.Errorf("a value is not filled in:\n%s", fields)
	}
	root := t.TempDir()
	if out, err := exec.Command("dpkg-deb", "--extract", deb, root).CombinedOutput(); err != nil {
		t.Fatalf("dpkg-deb: %v\n%s", err, out)
	}
	for _, name := range []string{
		"usr/bin/holdfast", "usr/lib/systemd/system/holdfast.service", "etc/holdfast", "usr/share/man/man1/holdfast-serve.1.gz",
		"usr/share/bash-completion/completions/holdfast", "usr/share/doc/holdfast/examples/small.yaml",
		"usr/share/doc/holdfast/third-party-licenses.gz",
	} {
		if _, err := os.Stat(filepath.Join(root, name)); err != nil {
			t.Error(err)
		}
	}
}

func TestDebVersion(t *testing.T) {
	for in, want := range map[string]string{
		"v1.2.0": "1.2.0", "v1.2.0-rc1": "1.2.0~rc1", "v1.2.0-3-gabc1234": "1.2.0+3+gabc1234",
		"cb6e620": "0~git+cb6e620", "12ab34c-dirty": "0~git+12ab34c+dirty",
	} {
		if got := debVersion(in); got != want {
			t.Errorf("%s became %s, want %s", in, got, want)
		}
	}
	ordered := []string{"cb6e620", "v1.2.0-rc1", "v1.2.0", "v1.2.0-3-gabc1234", "v1.2.1"}
	for i := range ordered[1:] {
		older, newer := debVersion(ordered[i]), debVersion(ordered[i+1])
		if err := exec.Command("dpkg", "--compare-versions", older, "lt", newer).Run(); err != nil {
			t.Errorf("dpkg does not find %s older than %s", older, newer)
		}
	}
}

// Every document of the image is there under its digest, and the layers are
// those that the configuration means.
func TestImageIsConsistent(t *testing.T) {
	files := untar(t, filepath.Join(made(t, fakeProgram(t), "image"), "holdfast_v1.2.0-rc1_image.tar"))
	var top, all index
	decode(t, files["index.json"], &top)
	decode(t, blobOf(t, files, top.Manifests[0]), &all)
	if len(all.Manifests) != 1 || all.Manifests[0].Platform.Architecture != "arm64" {
		t.Fatalf("the index is %+v", all)
	}
	var m manifest
	decode(t, blobOf(t, files, all.Manifests[0]), &m)
	var config imageDocument
	decode(t, blobOf(t, files, m.Config), &config)
	z, err := gzip.NewReader(bytes.NewReader(blobOf(t, files, m.Layers[0])))
	must(t, err)
	layer, err := io.ReadAll(z)
	must(t, err)
	if got := digest(layer); got != config.RootFS.DiffIDs[0] {
		t.Errorf("the layer is %s, the configuration means %s", got, config.RootFS.DiffIDs[0])
	}
	if user := config.Config.User; user == "" || strings.HasPrefix(user, "0") {
		t.Errorf("the image runs as user %q", user)
	}
	var loadables []loadable
	decode(t, files["manifest.json"], &loadables)
	if files[loadables[0].Config] == nil || files[loadables[0].Layers[0]] == nil {
		t.Errorf("docker load would not find %+v", loadables[0])
	}
}

func TestModulesAreListed(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(made(t, os.Args[0], "modules"), "holdfast_v1.2.0-rc1_modules.cdx.json"))
	must(t, err)
	var b bom
	decode(t, data, &b)
	if len(b.Components) < 10 || !strings.Contains(string(data), `"pkg:golang/github.com/spf13/cobra@v`) {
		t.Errorf("the list is %s", data)
	}
}

func untar(t *testing.T, path string) map[string][]byte {
	t.Helper()
	f, err := os.Open(path)
	must(t, err)
	defer f.Close()
	files := map[string][]byte{}
	for r := tar.NewReader(f); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		must(t, err)
		files[h.Name], err = io.ReadAll(r)
		must(t, err)
	}
}

func blobOf(t *testing.T, files map[string][]byte, d descriptor) []byte {
	t.Helper()
	data, ok := files[blobPath(d.Digest)]
	if !ok || len(data) != d.Size || digest(data) != d.Digest {
		t.Fatalf("blob %s: there %t, %d bytes, want %d", d.Digest, ok, len(data), d.Size)
	}
	return data
}

func decode(t *testing.T, data []byte, v any) {
	t.Helper()
	if err := json.Unmarshal(data, v); err != nil {
		t.Fatal(fmt.Errorf("%w in %s", err, data))
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
