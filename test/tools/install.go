package tools

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"runtime"
	"slices"
)

// ErrUnknown is returned for a tool that has no recipe here.
var ErrUnknown = errors.New("unknown tool")

// recipe says how one tool at one version is made.
type recipe struct {
	version string
	binary  string // path of the program inside the folder that make fills
	native  bool   // not made by this machine's Go, so its version is no part of the cache key
	shared  bool   // run by another user too, who may not enter the folder of ours
	make    func(ctx context.Context, dir string) error
}

// recipes lists every tool by name. Checksums are those of go.sum lines.
func recipes() map[string]recipe {
	return map[string]recipe{
		"restic": goProgram(module{
			path: "github.com/restic/restic", version: "v0.18.1", main: "./cmd/restic",
			sum: "h1:XmTfPA6+cUP2hPKXjUhHTj0GNfoWM1G1uhf+Ssg/j1M=",
		}),
		"kopia": goProgram(module{
			path: "github.com/kopia/kopia", version: "v0.23.1", main: ".",
			sum:     "h1:0+V5Au8fD+190vQbklG0DaWD6I4clmbwlmJTqtI0y0Q=",
			ldflags: "-X github.com/kopia/kopia/repo.BuildVersion=0.23.1",
		}),
		"minio": goProgram(module{
			path: "github.com/minio/minio", version: "v0.0.0-20250907161309-07c3a429bfed", main: ".",
			sum: "h1:deu0m9BiyqnMbGWfJi1PpVyotSXlDnTmRIme1cUXnxo=",
		}),
		"fake-gcs-server": goProgram(module{
			path: "github.com/fsouza/fake-gcs-server", version: "v1.56.1", main: ".",
			sum: "h1:K03sAvbLvDz4hAynpCCUqnNRp+ik9JFSvHbkD/wTPOU=",
		}),
		"rest-server": goProgram(module{
			path: "github.com/restic/rest-server", version: "v0.14.0", main: "./cmd/rest-server",
			sum: "h1:II5myUaSHEc5133fkM4BL5zINJIV8vaPRwTair/hr4Q=",
		}),
		"rclone": goProgram(module{
			path: "github.com/rclone/rclone", version: "v1.76.0", main: ".",
			sum: "h1:Gabl7KmhxyOXyMtFNA/s6wZ3LZ/2x0NP7xZLNEW3Guo=",
		}),
		"axe-core": npmFile("axe-core", "4.14.1", "axe.min.js",
			"29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c"),
		"azurite":       npmProgram("azurite", "3.37.0", "azurite-blob"),
		"restic-sid":    debianProgram("sid", "usr/bin/restic", "restic"),
		"age":           debianProgram("bookworm", "usr/bin/age", "age"),
		"zstd":          debianProgram("bookworm", "usr/bin/zstd", "zstd"),
		"borg":          borg(),
		"postgresql-17": postgresql("trixie", "17"),
		"debian-system": debianSystem("bookworm", "systemd-sysv,adduser"),
		// Its own recipe: most machines boot without.
		"debian-postgresql": debianSystem("bookworm", "systemd-sysv,adduser,postgresql-15"),
	}
}

// Names returns the names that Install knows, sorted.
func Names() []string { return slices.Sorted(maps.Keys(recipes())) }

// Install makes a tool unless the cache has it, and returns the path of its
// program. It is safe to call from many processes at once: one builds, the
// others wait. An unknown name gives ErrUnknown.
func Install(ctx context.Context, name string) (string, error) {
	r, ok := recipes()[name]
	if !ok {
		return "", fmt.Errorf("%w %q: known are %v", ErrUnknown, name, Names())
	}
	root, err := cacheDir()
	if err == nil && r.shared {
		root, err = sharedDir(root)
	}
	if err != nil {
		return "", err
	}
	dir, err := cached(ctx, root, r.key(name), r.make)
	if err != nil {
		return "", fmt.Errorf("installing %s %s: %w", name, r.version, err)
	}
	return filepath.Join(dir, r.binary), nil
}

// key names the cache entry. Everything that changes the program is part of it.
func (r recipe) key(name string) string {
	key := name + "-" + r.version + "-" + runtime.GOOS + "-" + runtime.GOARCH
	if !r.native {
		key += "-" + runtime.Version()
	}
	return key
}
