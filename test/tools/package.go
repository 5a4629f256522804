package tools

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"holdfast/test/tools/debian"
)

// debianProgram is the recipe of a program that runs as it is unpacked from a
// Debian suite. Only Go programs do so from a suite newer than the machine's:
// C programs want that suite's libc.
func debianProgram(suite, binary string, packages ...string) recipe {
	return recipe{
		version: suite,
		binary:  binary,
		native:  true,
		make: func(ctx context.Context, dir string) error {
			return debian.Install(ctx, suite, dir, packages...)
		},
	}
}

// borg is the recipe of the machine's own suite's borg: its extension modules
// are built for that suite's Python.
func borg() recipe {
	const launcher = "borg"
	return recipe{
		version: "debian",
		binary:  launcher,
		native:  true,
		make: func(ctx context.Context, dir string) error {
			if _, err := exec.LookPath("/usr/bin/python3"); err != nil {
				return fmt.Errorf("borg needs Debian's python3 (apt-get install python3): %w", err)
			}
			suite, err := debian.Suite()
			if err != nil {
				return err
			}
			err = debian.Install(ctx, suite, dir, "borgbackup", "python3-msgpack", "python3-packaging", "libxxhash0")
			if err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(dir, launcher), []byte(borgLauncher), 0o755)
		},
	}
}

// borgLauncher starts borg out of the folder it was unpacked to. It execs, so
// that the process measured is borg's own.
const borgLauncher = `#!/bin/sh
here=${0%/*}
PYTHONPATH=$here/usr/lib/python3/dist-packages
LD_LIBRARY_PATH=$(echo "$here"/usr/lib/*-linux-gnu*)
export PYTHONPATH LD_LIBRARY_PATH
exec /usr/bin/python3 "$here/usr/bin/borg" "$@"
`
