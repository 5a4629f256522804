package cli

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"
)

// helpFor is how long a helper of `wal fetch` stays when nobody asks it.
const helpFor = time.Minute

// helperDir is where the restore_command of a data directory finds a helper:
// in a folder of this user's own. It is "" where there can be none.
func helperDir(path string) string {
	data, err := filepath.Abs(filepath.Dir(filepath.Dir(path)))
	if err != nil || !canDetach {
		return ""
	}
	sum := sha256.Sum256([]byte(data))
	dir := filepath.Join(os.TempDir(), fmt.Sprintf("holdfast-fetch-%d-%x", os.Getuid(), sum[:6]))
	if err := os.Mkdir(dir, 0o700); err != nil && !os.IsExist(err) || !isPrivate(dir) {
		return ""
	}
	return dir
}

// startHelper leaves a process behind that fetches ahead for those that follow.
// Nothing depends on it: when it does not come up, each fetches for itself.
func (c *command) startHelper(dir string) {
	program, err := os.Executable()
	if err != nil || !slices.Contains(os.Args, "fetch") {
		return
	}
	cmd := exec.CommandContext(context.Background(), program, append(slices.Clone(os.Args[1:]), "--help-in="+dir)...) //nolint:gosec // this program, with its own arguments
	detach(cmd)
	if err := cmd.Start(); err != nil {
		c.ui.warn("fetch ahead", dir, err)
		return
	}
	cmd.Process.Release() //nolint:errcheck // nobody waits for it
}
