// Command release builds holdfast for every supported system into dist/, with
// a file of checksums:
//
//	go run ./tools/release [-version V] [-out dist]
//
// The builds are static, without paths of this machine, and the same wherever
// they are made with the same Go version.
package main

import (
	"context"
	"crypto/sha256"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
)

// target is a system to build for, in Go's names.
type target struct{ system, processor string }

func targets() []target {
	return []target{
		{"linux", "amd64"},
		{"linux", "arm64"},
		{"darwin", "amd64"},
		{"darwin", "arm64"},
		{"freebsd", "amd64"},
		{"windows", "amd64"},
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("release", flag.ContinueOnError)
	version := flags.String("version", "", "the version to stamp in; that of the git checkout when empty")
	folder := flags.String("out", "dist", "the folder to write to")
	program := flags.String("package", "./cmd/holdfast", "the program to build")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *version == "" {
		described, err := describe(ctx)
		if err != nil {
			return err
		}
		*version = described
	}
	if err := os.MkdirAll(*folder, 0o755); err != nil {
		return err
	}
	var sums strings.Builder
	for _, t := range targets() {
		name := t.file(*version)
		path := filepath.Join(*folder, name)
		if err := t.build(ctx, *program, *version, path); err != nil {
			return fmt.Errorf("build for %s/%s: %w", t.system, t.processor, err)
		}
		sum, err := sumOf(path)
		if err != nil {
			return err
		}
		fmt.Fprintf(&sums, "%s  %s\n", sum, name)
		fmt.Fprintln(out, path)
	}
	return os.WriteFile(filepath.Join(*folder, "SHA256SUMS"), []byte(sums.String()), 0o644)
}

// describe names the checked-out version as git sees it.
func describe(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "git", "describe", "--tags", "--always", "--dirty").Output()
	if err != nil {
		return "", fmt.Errorf("ask git for the version (or give -version): %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

func (t target) file(version string) string {
	name := fmt.Sprintf("holdfast_%s_%s_%s", version, t.system, t.processor)
	if t.system == "windows" {
		name += ".exe"
	}
	return name
}

func (t target) build(ctx context.Context, program, version, path string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false",
		"-ldflags", "-s -w -buildid= -X holdfast/internal/cli.Version="+version, "-o", path, program)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+t.system, "GOARCH="+t.processor)
	cmd.Stderr = os.Stderr
	return cmd.Run()
}

// sumOf returns the SHA-256 of a file, in hex.
func sumOf(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("sum %s: %w", path, err)
	}
	return fmt.Sprintf("%x", h.Sum(nil)), nil
}
