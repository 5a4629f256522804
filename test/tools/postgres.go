package tools

import (
	"bytes"
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"holdfast/test/tools/debian"
)

// PostgreSQL returns the folder of the programs of a major version of
// PostgreSQL: server, client and contrib. The server's user may read it.
func PostgreSQL(t testing.TB, major int) string {
	t.Helper()
	return filepath.Dir(require(t, "postgresql-"+strconv.Itoa(major)))
}

// postgresql is the recipe of a PostgreSQL of another Debian suite. Its
// programs want that suite's libc, so the libraries come along, and every
// program is told to load those instead of the machine's.
func postgresql(suite, major string) recipe {
	return recipe{
		version: suite,
		binary:  filepath.Join("lib/postgresql", major, "bin/postgres"),
		native:  true,
		shared:  true,
		make: func(ctx context.Context, dir string) error {
			return relocatedPostgreSQL(ctx, suite, major, dir)
		},
	}
}

// relocatedPostgreSQL unpacks PostgreSQL below dir. The shape of the tree is
// Debian's, lib/postgresql/N/bin beside share/postgresql/N: the server finds
// its other files from where it lies.
//
// The cache renames dir when it is whole, so the paths written into programs
// are those of the folder it becomes.
func relocatedPostgreSQL(ctx context.Context, suite, major, dir string) error {
	patchelf, err := exec.LookPath("patchelf")
	if err != nil {
		return fmt.Errorf("patchelf is needed (apt-get install patchelf): %w", err)
	}
	unpacked := filepath.Join(dir, "unpacked")
	err = debian.InstallClosure(ctx, suite, unpacked, isPostgreSQLPart(major), "postgresql-"+major, "postgresql-client-"+major)
	if err != nil {
		return err
	}
	for _, part := range []string{"lib", "share"} {
		if err := os.MkdirAll(filepath.Join(dir, part), 0o755); err != nil {
			return err
		}
		if err := os.Rename(filepath.Join(unpacked, "usr", part, "postgresql"), filepath.Join(dir, part, "postgresql")); err != nil {
			return err
		}
	}
	libraries := filepath.Join(dir, "lib64")
	if err := collectLibraries(unpacked, libraries); err != nil {
		return fmt.Errorf("collecting libraries: %w", err)
	}
	if err := os.RemoveAll(unpacked); err != nil {
		return err
	}
	home := filepath.Join(dir, "lib/postgresql", major)
	// Compiling queries would want LLVM, ten times as large as the rest.
	if err := removeAll(filepath.Join(home, "lib/llvmjit*"), filepath.Join(home, "lib/bitcode")); err != nil {
		return err
	}
	return relocate(ctx, patchelf, home, finalFolder(dir)+"/lib64")
}

// isPostgreSQLPart tells which packages of the closure are needed to run the
// programs: the server's own, and libraries.
func isPostgreSQLPart(major string) func(name string) bool {
	return func(name string) bool {
		for _, unneeded := range []string{"llvm", "perl", "libz3", "libclang"} {
			if strings.Contains(name, unneeded) {
				return false
			}
		}
		return name == "postgresql-"+major || name == "postgresql-client-"+major ||
			strings.HasPrefix(name, "lib") || name == "zlib1g" || strings.HasPrefix(name, "gcc-")
	}
}

// collectLibraries copies the shared libraries below from, and the loader,
// into one folder: by the names they are loaded by, which are links.
func collectLibraries(from, to string) error {
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.Contains(d.Name(), ".so") {
			return err
		}
		if folder := filepath.Base(filepath.Dir(path)); !strings.HasSuffix(folder, "-linux-gnu") && !strings.HasPrefix(d.Name(), "ld-linux") {
			return nil // a plugin, such as one of iconv or SASL
		}
		content, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // a link to what a package left out brings
		}
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, d.Name()), content, 0o755)
	})
}

// relocate makes every program and library below home load its libraries from
// a folder, and programs their loader. It is an RPATH, not a RUNPATH: the
// latter does not hold for what libraries load in turn.
func relocate(ctx context.Context, patchelf, home, libraries string) error {
	return filepath.WalkDir(home, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		program, err := elf.Open(path)
		if err != nil {
			return nil //nolint:nilerr // a script, or not a program at all
		}
		loader := interpreter(program)
		program.Close()
		args := []string{"--force-rpath", "--set-rpath", libraries}
		if loader != "" {
			args = append(args, "--set-interpreter", filepath.Join(libraries, filepath.Base(loader)))
		}
		if out, err := exec.CommandContext(ctx, patchelf, append(args, path)...).CombinedOutput(); err != nil {
			return fmt.Errorf("patchelf %s: %w\n%s", path, err, bytes.TrimSpace(out))
		}
		return nil
	})
}

// interpreter returns the loader that a program asks for, "" for a library.
func interpreter(program *elf.File) string {
	section := program.Section(".interp")
	if section == nil {
		return ""
	}
	name, err := section.Data()
	if err != nil {
		return ""
	}
	return string(bytes.TrimRight(name, "\x00"))
}

func removeAll(patterns ...string) error {
	for _, pattern := range patterns {
		found, err := filepath.Glob(pattern)
		if err != nil {
			return err
		}
		for _, path := range found {
			if err := os.RemoveAll(path); err != nil {
				return err
			}
		}
	}
	return nil
}
