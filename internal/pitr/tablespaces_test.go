package pitr_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"holdfast/internal/pitr"
)

func TestTablespaceMap(t *testing.T) {
	dir := t.TempDir()
	want := []pitr.Tablespace{{"16384", "/srv/fast disk"}, {"16385", "/srv/back\\slash\nand line"}}
	if err := pitr.WriteTablespaceMap(dir, want); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(filepath.Join(dir, pitr.TablespaceMap))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := pitr.ParseTablespaceMap(content); err != nil || !slices.Equal(got, want) {
		t.Errorf("%q is read back as %q, %v", content, got, err)
	}
	for range 2 { // none is there the second time
		if err := pitr.WriteTablespaceMap(dir, nil); err != nil {
			t.Fatal(err)
		}
	}
	for _, bad := range []string{"16384\n", "../x /srv\n", "16384 /srv"} {
		if got, err := pitr.ParseTablespaceMap([]byte(bad)); err == nil {
			t.Errorf("%q is read as %q", bad, got)
		}
	}
}
