package install

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"holdfast/test/program"
)

// emulator runs programs for arm64 where the processor is another one.
const emulator = "qemu-aarch64-static"

// The program in the package for arm64 works there: it writes a repository that
// the program of this machine finds whole, and reads what that wrote. What is
// assembly elsewhere is Go there.
func TestDebianPackageForArm64(t *testing.T) {
	t.Parallel()
	if processor == "arm64" {
		t.Skip("TestDebianPackage runs it")
	}
	there, here := packagedForArm64(t), program.Holdfast(t)
	if got := there.Run(t, "version"); !strings.Contains(got, "1.0.0") || !strings.Contains(got, "linux/arm64") {
		t.Fatalf("the program says %q", got)
	}
	files := t.TempDir()
	writeKinds(t, files)
	for name, c := range map[string]struct{ writer, reader program.Program }{
		"written on arm64": {there, here}, "read on arm64": {here, there},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			repository, restored := filepath.Join(t.TempDir(), "repository"), t.TempDir()
			writer, reader := c.writer.On(repository, "secret"), c.reader.On(repository, "secret")
			writer.Run(t, "init", "-q")
			wantKeyToCost(t, repository, name == "written on arm64")
			writer.Run(t, "backup", "-q", files)
			writer.Run(t, "check", "-q", "--read-data")
			reader.Run(t, "check", "-q", "--read-data")
			reader.Run(t, "restore", "-q", "latest", "--target", restored)
			if out, err := exec.Command("diff", "--recursive", files, filepath.Join(restored, files)).CombinedOutput(); err != nil {
				t.Errorf("what came back is another: %v\n%s", err, out)
			}
			// What one wrote the other knows: nothing is stored again.
			out := reader.Run(t, "backup", "--force", "--json", files)
			if !strings.Contains(out, `"data_blobs":0`) {
				t.Errorf("a backup by the other stores data again:\n%s", out)
			}
		})
	}
}

// wantKeyToCost checks that a password of a repository costs a guesser what
// OWASP asks for if the program that made it is the one that is shipped, and
// nothing if it is that of the other tests.
func wantKeyToCost(t *testing.T, repository string, shipped bool) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(repository, "keys", "*"))
	must(t, err)
	if len(files) != 1 {
		t.Fatalf("the keys are %v", files)
	}
	text, err := os.ReadFile(files[0])
	must(t, err)
	var key struct{ N, R, P int }
	must(t, json.Unmarshal(text, &key))
	if key.N*key.R*key.P >= 3*8<<15 != shipped {
		t.Errorf("a key of a program that is shipped (%t) costs %+v", shipped, key)
	}
}

// packagedForArm64 unpacks the program of the package.
func packagedForArm64(t *testing.T) program.Program {
	t.Helper()
	folder := t.TempDir()
	binary := filepath.Join(folder, "holdfast")
	build := exec.Command("go", "build", "-ldflags", "-X holdfast/internal/cli.Version=1.0.0", "-o", binary, "holdfast/cmd/holdfast")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=arm64")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build for arm64: %v\n%s", err, out)
	}
	deb := filepath.Join(releaseOf(t, binary, "arm64", "1.0.0", "deb"), "holdfast_1.0.0_arm64.deb")
	root := filepath.Join(folder, "root")
	if out, err := exec.Command("dpkg-deb", "--extract", deb, root).CombinedOutput(); err != nil {
		t.Fatalf("dpkg-deb: %v\n%s", err, out)
	}
	run := filepath.Join(folder, "run")
	must(t, os.WriteFile(run, []byte("#!/bin/sh\nexec "+emulator+" "+filepath.Join(root, "usr/bin/holdfast")+` "$@"`+"\n"), 0o755))
	return program.New(t, run)
}

// writeKinds writes content of every kind: what compresses and what does not,
// files of many blobs, of one, and so small that they share a hash's lanes.
func writeKinds(t *testing.T, folder string) {
	t.Helper()
	noise := make([]byte, 9<<20)
	rand.NewChaCha8([32]byte{7}).Read(noise) //nolint:errcheck // it never fails
	all := map[string][]byte{"noise": noise, "text": bytes.Repeat([]byte("dear Ann, "), 300_000), "zeros": make([]byte, 3<<20), "empty": nil}
	for n := range 200 {
		all["small-"+strconv.Itoa(n)] = noise[n*1000 : n*1000+n*n]
	}
	for name, content := range all {
		must(t, os.WriteFile(filepath.Join(folder, name), content, 0o644))
	}
}
