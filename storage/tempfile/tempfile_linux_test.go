package tempfile

import (
	"io"
	"os"
	"testing"
	"time"
)

// A file never has a name, not for an instant: the folder is never written to.
func TestNeverNamed(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	long := time.Now().Add(-time.Hour).Truncate(time.Second)
	if err := os.Chtimes(dir, long, long); err != nil {
		t.Fatal(err)
	}
	file, left, err := Create("holdfast-test-")
	if err != nil || left != "" {
		t.Fatalf("left %q, %v", left, err)
	}
	defer file.Close()
	if _, err := file.WriteString("content"); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(io.NewSectionReader(file, 0, 100)); err != nil || string(got) != "content" {
		t.Errorf("read %q, %v", got, err)
	}
	if now, err := os.Stat(dir); err != nil || !now.ModTime().Equal(long) {
		t.Errorf("something had a name in the folder: it changed at %v, %v", now.ModTime(), err)
	}
}

// Where no file can be made the reason is told, with the folder.
func TestNoFolder(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir()+"/missing")
	if _, _, err := Create("holdfast-test-"); !os.IsNotExist(err) {
		t.Errorf("error %v", err)
	}
}
