package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

func (t target) file(version string) string {
	name := fmt.Sprintf("holdfast_%s_%s_%s", version, t.system, t.processor)
	if t.system == "windows" {
		name += ".exe"
	}
	return name
}

// build builds the program for a system, or takes the one that there is.
func (r *release) build(ctx context.Context, t target, path string) error {
	if r.program != "" {
		data, err := os.ReadFile(r.program)
		if err != nil {
			return err
		}
		return os.WriteFile(path, data, 0o755)
	}
	absolute, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false",
		"-ldflags", "-s -w -buildid= -X holdfast/internal/cli.Version="+r.version, "-o", absolute, "./cmd/holdfast")
	cmd.Dir = r.root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+t.system, "GOARCH="+t.processor)
	cmd.Stderr = os.Stderr
	return cmd.Run()
}

func (r *release) git(ctx context.Context, args ...string) (string, error) {
	return r.output(ctx, "git", args...)
}

// output runs a program in the checkout and returns what it prints.
func (r *release) output(ctx context.Context, program string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = r.root
	out, err := cmd.Output()
	return strings.TrimSpace(string(out)), err
}
