package tools

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"
)

// DebianSystem returns the path of an archive with a small Debian 12 that
// systemd starts: what packages and units are tried in.
func DebianSystem(t testing.TB) string { t.Helper(); return require(t, "debian-system") }

// DebianDatabase is DebianSystem with a server of PostgreSQL 15, as Debian's
// packages set one up.
func DebianDatabase(t testing.TB) string { t.Helper(); return require(t, "debian-postgresql") }

// debianSystem is the recipe of a root file system.
func debianSystem(suite string, packages string) recipe {
	return recipe{
		version: suite,
		binary:  "system.tar",
		native:  true,
		make: func(ctx context.Context, dir string) error {
			cmd := exec.CommandContext(ctx, "mmdebstrap", "--variant=minbase", "--include="+packages, suite, filepath.Join(dir, "system.tar"))
			if out, err := cmd.CombinedOutput(); err != nil {
				return fmt.Errorf("mmdebstrap (apt-get install mmdebstrap): %w\n%s", err, out)
			}
			return nil
		},
	}
}
