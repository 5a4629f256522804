package copies

import (
	"bufio"
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A mount gives the content of damaged packs from a copy.
func TestMountFallsBack(t *testing.T) {
	to := filepath.Join(t.TempDir(), "copy")
	f := newFleet(t, nil, map[string]string{"copy": "url: " + to})
	f.holdfast.Run(t, "copy", "--plan", "docs")
	f.damageLargest(t)

	at := t.TempDir()
	cmd := f.holdfast.Command("mount", "-r", "main", "--json", at)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var told bytes.Buffer
	cmd.Stderr = &told
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	mounted := false
	for lines := bufio.NewScanner(out); !mounted && lines.Scan(); {
		mounted = strings.Contains(lines.Text(), `"mounted"`)
	}
	if mounted {
		for _, name := range []string{"file-0", "file-1", "file-2", "file-3", "file-4"} {
			want, err := os.ReadFile(filepath.Join(f.source, name))
			if err != nil {
				t.Error(err)
			}
			got, err := os.ReadFile(filepath.Join(at, "snapshots", "latest", f.source, name))
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s is not what it was: %v", name, err)
			}
		}
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Error(err)
	}
	cmd.Wait() //nolint:errcheck // it was interrupted
	if !mounted || !strings.Contains(told.String(), "reading the copy at "+to) {
		t.Errorf("mounted: %v; told: %s", mounted, &told)
	}
}
