package restoretest

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
)

// Canary is a file that must have come back, with a certain content.
type Canary struct {
	// Name is what reports call it, Path its path in the source.
	Name, Path string
	// SHA256 is that of its content, in hex; "" only wants it to be there, with
	// something in it.
	SHA256 string
}

// Look looks for the canary in a restored folder. No link of what came back
// leads out of it.
func (c *Canary) Look(t *Test, restored string) error {
	want := "a file with something in it"
	if c.SHA256 != "" {
		want = "content with SHA-256 " + c.SHA256
	}
	root, err := os.OpenRoot(restored)
	if err != nil {
		return fmt.Errorf("open the scratch folder: %w", err)
	}
	defer root.Close() //nolint:errcheck // it was only read
	name := strings.Trim(c.Path, "/")
	info, err := root.Stat(name) // first: opening a pipe waits forever
	switch {
	case errors.Is(err, fs.ErrNotExist):
		t.Check(c.Name, want, "it did not come back", false)
		return nil
	case err != nil:
		t.Check(c.Name, want, err.Error(), false)
		return nil
	case !info.Mode().IsRegular():
		t.Check(c.Name, want, "it came back as no regular file", false)
		return nil
	}
	n, sum, err := hashOf(root, name)
	if err != nil {
		return fmt.Errorf("read %s in the scratch folder: %w", c.Path, err)
	}
	if c.SHA256 == "" {
		t.Check(c.Name, want, fmt.Sprintf("%d bytes", n), n > 0)
		return nil
	}
	t.Check(c.Name, want, "content with SHA-256 "+sum, sum == c.SHA256)
	return nil
}

func hashOf(root *os.Root, name string) (n int64, sum string, err error) {
	f, err := root.Open(name)
	if err != nil {
		return 0, "", err
	}
	defer f.Close() //nolint:errcheck // it was only read
	h := sha256.New()
	n, err = io.Copy(h, f)
	return n, hex.EncodeToString(h.Sum(nil)), err
}
