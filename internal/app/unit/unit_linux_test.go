package unit

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
)

// What was chosen is read back from the unit, whatever the names look like.
func TestUnitIsReadBack(t *testing.T) {
	for name, want := range map[string]Spec{
		"packaged": Packaged(),
		"odd names": {
			Program: "/opt/my tools/hold$fast", Config: "/etc/100%/holdfast.yaml", StateDir: `/srv/st"ate`,
			User: "backup", Group: "backup", WritePaths: []string{"/srv/re stored", `/srv/back\slash`}, SharedTemp: true,
		},
		"careful": {Program: "/usr/bin/holdfast", Config: "/etc/holdfast/holdfast.yaml", StateDir: DefaultStateDir, User: "holdfast", Group: "holdfast", ReadOnlyConfig: true},
	} {
		if got := parse(want.Text()); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: read back as\n%+v, want\n%+v in\n%s", name, got, want, want.Text())
		}
		base := Packaged()
		if got := parse(base.Text() + want.DropIn(&base)); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: as a drop-in it is read back as\n%+v, want\n%+v in\n%s", name, got, want, want.DropIn(&base))
		}
	}
	base := Packaged()
	if text := base.DropIn(&base); text != "" {
		t.Errorf("nothing differs, and yet there is a drop-in:\n%s", text)
	}
}

func TestFoldersBelowOthersAreNotNamed(t *testing.T) {
	s := Packaged()
	s.folders = []string{"/srv/a/b", "/srv/a", "/srv/ab", "/srv/a"}
	if got := strings.Join(s.writable(), " "); got != "/etc/holdfast /srv/a /srv/ab" {
		t.Errorf("writable are %s", got)
	}
}

// A repository is given away as a whole, and nothing that it leads to.
func TestGivingFollowsNoLinks(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	dir, outside := t.TempDir(), filepath.Join(t.TempDir(), "outside")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.WriteFile(outside, nil, 0o600))
	must(os.MkdirAll(filepath.Join(dir, "data/3f"), 0o700))
	must(os.WriteFile(filepath.Join(dir, "data/3f/pack"), nil, 0o600))
	must(os.Symlink(outside, filepath.Join(dir, "link")))
	must(os.Link(outside, filepath.Join(dir, "second name")))
	id := ids{12345, 12345}
	if n, err := countForeign(dir, id); err != nil || n != 4 {
		t.Errorf("%d are foreign, %v", n, err)
	}
	must(give(dir, id))
	for path, want := range map[string]uint32{dir: 12345, dir + "/data/3f/pack": 12345, outside: 0} {
		info, err := os.Stat(path)
		must(err)
		if got := info.Sys().(*syscall.Stat_t).Uid; got != want {
			t.Errorf("%s belongs to %d, want %d", path, got, want)
		}
	}
	if n, err := countForeign(dir, id); err != nil || n != 0 {
		t.Errorf("%d are foreign after all was given, %v", n, err)
	}
}
