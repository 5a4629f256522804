package service

import (
	"os"
	"path/filepath"
	"testing"
)

// Who may write to the socket may do what the service may. The folder may have
// been made by somebody else, for others to look into.
func TestTheSocketIsForOneUser(t *testing.T) {
	path := filepath.Join(t.TempDir(), "control")
	c, err := listen(path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close() //nolint:errcheck // nobody asked it
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if mode := info.Mode().Perm(); mode != 0o600 {
		t.Errorf("mode %o", mode)
	}
}
