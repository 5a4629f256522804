package restore

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
)

// openBelow opens a target that lies in a folder, and makes what lacks of the
// way there, if it may. Each step is taken from the folder before, and none
// over a symlink: who can write below the folder meanwhile leads nobody out of
// it.
func openBelow(below, target string, create bool) (dirHandle, error) {
	rest, err := filepath.Rel(below, target)
	if err != nil || !filepath.IsLocal(rest) || rest == "." {
		return noDir, fmt.Errorf("it does not lie below %s", below)
	}
	d, err := openTarget(below)
	if err != nil {
		return noDir, err
	}
	for name := range strings.SplitSeq(rest, string(filepath.Separator)) {
		next, err := step(d, name, create)
		d.close()
		if err != nil {
			return noDir, fmt.Errorf("below %s, folder %s on the way, which may not be a symlink: %w", below, name, err)
		}
		d = next
	}
	return d.asTarget(), nil
}

func step(d dirHandle, name string, create bool) (dirHandle, error) {
	if create {
		if err := d.makeFolder(name); err != nil && !errors.Is(err, fs.ErrExist) {
			return noDir, err
		}
	}
	return d.openFolder(name, false)
}
