package service

import (
	"path/filepath"
	"strings"
)

// LeaveLock kills a program that holds a lock of a repository of the machine.
func (h *Host) LeaveLock(repository string) {
	h.T.Helper()
	p := h.Holdfast.Command("backup", "-r", repository, "--stdin")
	in, err := p.StdinPipe()
	if err != nil {
		h.T.Fatal(err)
	}
	defer in.Close() //nolint:errcheck // nobody reads it
	if err := p.Start(); err != nil {
		h.T.Fatal(err)
	}
	h.Until("the backup holds a lock", func() bool {
		locks, err := filepath.Glob(h.Path(repository + "/locks/" + strings.Repeat("[0-9a-f]", 64))) // not one that is being written
		return err == nil && len(locks) > 0
	})
	if err := p.Process.Kill(); err != nil {
		h.T.Fatal(err)
	}
	p.Wait() //nolint:errcheck // it was killed
}
