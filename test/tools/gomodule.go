package tools

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
)

// module is a Go program at one exact version.
type module struct {
	path, version string
	sum           string // as in go.sum: what the proxy serves must be what was reviewed
	main          string // package of the program, from the module's root
	ldflags       string
}

// goProgram is the recipe of a program built from the module proxy.
func goProgram(m module) recipe {
	name := path.Base(m.path)
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	return recipe{
		version: m.version,
		binary:  name,
		make: func(ctx context.Context, dir string) error {
			return m.build(ctx, filepath.Join(dir, name))
		},
	}
}

// build downloads, copies out and builds the module into the file program.
func (m module) build(ctx context.Context, program string) error {
	source, err := os.MkdirTemp(filepath.Dir(program), "source-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(source)
	cached, err := m.download(ctx, source)
	if err != nil {
		return err
	}
	src := filepath.Join(source, "module")
	// CopyFS leaves out the module cache's read-only modes, so the copy can be
	// built with -mod=mod and removed afterwards.
	if err := os.CopyFS(src, os.DirFS(cached)); err != nil {
		return fmt.Errorf("copying the source out of the module cache: %w", err)
	}
	build := goCommand(ctx, src, "build", "-trimpath", "-ldflags", "-s -w "+m.ldflags, "-o", program, m.main)
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("building %s@%s: %w\n%s", m.path, m.version, err, bytes.TrimSpace(out))
	}
	return nil
}

// download has the go command fetch and check the module; it returns its
// folder in the module cache. An exact version in a module of its own asks for
// no version list, which some proxies do not serve.
func (m module) download(ctx context.Context, scratch string) (string, error) {
	if err := os.WriteFile(filepath.Join(scratch, "go.mod"), []byte("module scratch\n"), 0o644); err != nil {
		return "", err
	}
	out, runErr := goCommand(ctx, scratch, "mod", "download", "-json", m.path+"@"+m.version).Output()
	var got struct{ Dir, Sum, Error string }
	if err := json.Unmarshal(out, &got); err != nil {
		return "", fmt.Errorf("downloading %s@%s: %w", m.path, m.version, errors.Join(runErr, err))
	}
	switch {
	case got.Error != "":
		return "", fmt.Errorf("downloading %s@%s: %s", m.path, m.version, got.Error)
	case runErr != nil:
		return "", fmt.Errorf("downloading %s@%s: %w", m.path, m.version, runErr)
	case got.Sum != m.sum:
		return "", fmt.Errorf("downloading %s@%s: checksum is %s, pinned is %s", m.path, m.version, got.Sum, m.sum)
	}
	return got.Dir, nil
}

// goCommand runs the go command apart from the caller's module and flags.
// -mod=mod lets it complete a go.sum that lists only what the module's own
// main build needs.
func goCommand(ctx context.Context, dir string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod -buildvcs=false", "GOWORK=off", "CGO_ENABLED=0")
	return cmd
}
