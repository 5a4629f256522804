// Package debian unpacks packages of any Debian suite into a folder, with an
// apt root of its own: the machine's package lists and state are not touched,
// and no root rights are needed. It wants apt-get and dpkg, so it works on
// Debian and its kin.
package debian

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
)

// DefaultMirror is used where the machine names no mirror of its own.
const DefaultMirror = "http://deb.debian.org/debian"

const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"

// Install downloads the packages, without their dependencies, and unpacks them
// into dir. Nothing is configured and no maintainer script runs.
func Install(ctx context.Context, suite, dir string, packages ...string) error {
	debs, err := os.MkdirTemp("", "debs-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(debs)
	files, err := Download(ctx, suite, debs, packages...)
	if err != nil {
		return err
	}
	return unpack(ctx, dir, files)
}

// InstallClosure downloads the packages with all they depend on, as on a
// machine that has nothing, and unpacks those of them that wanted chooses into
// dir.
func InstallClosure(ctx context.Context, suite, dir string, wanted func(name string) bool, packages ...string) error {
	debs, err := os.MkdirTemp("", "debs-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(debs)
	a, err := openArchive(ctx, suite)
	if err != nil {
		return err
	}
	defer a.close()
	closure, err := a.closure(ctx, packages)
	if err != nil {
		return err
	}
	files, err := a.download(ctx, debs, slices.DeleteFunc(closure, func(name string) bool { return !wanted(name) }))
	if err != nil {
		return err
	}
	return unpack(ctx, dir, files)
}

func unpack(ctx context.Context, dir string, files []string) error {
	for _, file := range files {
		if err := run(exec.CommandContext(ctx, "dpkg", "-x", file, dir)); err != nil {
			return fmt.Errorf("unpacking %s: %w", filepath.Base(file), err)
		}
	}
	return nil
}

// Download fetches the newest version of the packages in the suite's main part
// into dir and returns the .deb files there. apt checks their signatures.
func Download(ctx context.Context, suite, dir string, packages ...string) ([]string, error) {
	a, err := openArchive(ctx, suite)
	if err != nil {
		return nil, err
	}
	defer a.close()
	return a.download(ctx, dir, packages)
}

// archive is one suite of the mirror, with an apt root of its own.
type archive struct {
	suite   string
	root    string
	options []string
}

func openArchive(ctx context.Context, suite string) (*archive, error) {
	root, err := os.MkdirTemp("", "apt-")
	if err != nil {
		return nil, err
	}
	a := &archive{suite: suite, root: root}
	if a.options, err = aptRoot(root, suite, mirror()); err != nil {
		a.close()
		return nil, fmt.Errorf("making an apt root: %w", err)
	}
	if err := apt(ctx, root, a.options, "update", "-qq"); err != nil {
		a.close()
		return nil, fmt.Errorf("reading the package lists of %s: %w", suite, err)
	}
	return a, nil
}

func (a *archive) close() { os.RemoveAll(a.root) }

func (a *archive) download(ctx context.Context, dir string, packages []string) ([]string, error) {
	if err := apt(ctx, dir, a.options, append([]string{"download", "-qq"}, packages...)...); err != nil {
		return nil, fmt.Errorf("downloading %v from %s: %w", packages, a.suite, err)
	}
	return filepath.Glob(filepath.Join(dir, "*.deb"))
}

var installLine = regexp.MustCompile(`(?m)^Inst (\S+)`)

// closure asks apt, without installing anything, what the packages need.
func (a *archive) closure(ctx context.Context, packages []string) ([]string, error) {
	args := append(slices.Clone(a.options), "install", "--simulate", "--no-install-recommends")
	out, err := exec.CommandContext(ctx, "apt-get", append(args, packages...)...).CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("finding what %v of %s depend on: %w: %s", packages, a.suite, err, bytes.TrimSpace(out))
	}
	var names []string
	for _, line := range installLine.FindAllSubmatch(out, -1) {
		names = append(names, string(line[1]))
	}
	return names, nil
}

// Suite returns the code name of the machine's own Debian.
func Suite() (string, error) {
	release, err := os.ReadFile("/etc/os-release")
	if err != nil {
		return "", fmt.Errorf("finding the Debian suite: %w", err)
	}
	name := regexp.MustCompile(`(?m)^VERSION_CODENAME="?([a-z]+)"?$`).FindSubmatch(release)
	if name == nil {
		return "", fmt.Errorf("finding the Debian suite: /etc/os-release names none")
	}
	return string(name[1]), nil
}

// aptRoot lays out an empty apt state in root and returns the options that
// make apt-get use it.
func aptRoot(root, suite, mirror string) ([]string, error) {
	for _, dir := range []string{"lists/partial", "archives/partial"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			return nil, err
		}
	}
	list := filepath.Join(root, "sources.list")
	line := fmt.Sprintf("deb [signed-by=%s] %s %s main\n", keyring, mirror, suite)
	if err := os.WriteFile(list, []byte(line), 0o644); err != nil {
		return nil, err
	}
	return []string{
		"-o", "Dir::Etc::sourcelist=" + list,
		"-o", "Dir::Etc::sourceparts=-",
		"-o", "Dir::State::lists=" + filepath.Join(root, "lists"),
		"-o", "Dir::State::status=/dev/null",
		"-o", "Dir::Cache::archives=" + filepath.Join(root, "archives"),
		"-o", "Dir::Cache::pkgcache=",
		"-o", "Dir::Cache::srcpkgcache=",
		"-o", "Acquire::Languages=none",
		"-o", "Acquire::Retries=3",
		// The _apt user may not enter our folders; root without a sandbox may.
		"-o", "APT::Sandbox::User=root",
	}, nil
}

// mirror returns the mirror that the machine's apt uses.
func mirror() string {
	for _, file := range []string{"/etc/apt/sources.list.d/debian.sources", "/etc/apt/sources.list"} {
		if text, err := os.ReadFile(file); err == nil {
			if uri := mirrorIn(text); uri != "" {
				return uri
			}
		}
	}
	return DefaultMirror
}

var mirrorLine = regexp.MustCompile(`(?m)^(?:URIs:|deb(?:\s+\[[^]]*\])?)\s+(https?://\S+/debian/?)(?:\s|$)`)

// mirrorIn finds the first Debian archive (not debian-security) in a sources
// file of either of apt's two formats, or returns "".
func mirrorIn(sources []byte) string {
	if m := mirrorLine.FindSubmatch(sources); m != nil {
		return string(m[1])
	}
	return ""
}

func apt(ctx context.Context, dir string, options []string, args ...string) error {
	cmd := exec.CommandContext(ctx, "apt-get", append(options, args...)...)
	cmd.Dir = dir
	return run(cmd)
}

// run runs a command whose output matters only when it goes wrong.
func run(cmd *exec.Cmd) error {
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, bytes.TrimSpace(out))
	}
	return nil
}
