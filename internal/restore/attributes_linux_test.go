package restore

import (
	"os"
	"os/user"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"holdfast/repository/tree"
)

// attributes returns the extended attributes of a file that users give.
func attributes(t *testing.T, path string) map[string]string {
	t.Helper()
	names := make([]byte, 4096)
	n, err := unix.Listxattr(path, names)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for name := range strings.SplitSeq(strings.TrimSuffix(string(names[:n]), "\x00"), "\x00") {
		value := make([]byte, 100)
		n, err := unix.Getxattr(path, name, value)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(name, "user.") {
			all[name] = string(value[:n])
		}
	}
	return all
}

// Attributes that are left out are neither set nor removed.
func TestSomeAttributes(t *testing.T) {
	b := newBed(t)
	f := fileOf("f", "new")
	f.ExtendedAttributes = []tree.ExtendedAttribute{{Name: "user.here", Value: []byte("new")}, {Name: "user.not", Value: []byte("new")}}
	s := b.make(f)
	target := t.TempDir()
	put(t, target+"/f", "old")
	for _, name := range []string{"user.here", "user.not", "user.not.known", "user.unknown"} {
		if err := unix.Setxattr(target+"/f", name, []byte("old"), 0); err != nil {
			t.Fatal(err)
		}
	}
	b.restore(s, target, func(o *Options) {
		o.Attribute = func(name string) bool { return !strings.HasPrefix(name, "user.not") }
	})
	got := attributes(t, target+"/f")
	if len(got) != 3 || got["user.here"] != "new" || got["user.not"] != "old" || got["user.not.known"] != "old" {
		t.Errorf("attributes: %q", got)
	}
	b.restore(s, target)
	if got := attributes(t, target+"/f"); len(got) != 2 || got["user.not"] != "new" {
		t.Errorf("attributes, all restored: %q", got)
	}
}

// Names count where they are known here, numbers elsewhere.
func TestOwnersByName(t *testing.T) {
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	group, err := user.LookupGroupId(me.Gid)
	if err != nil {
		t.Fatal(err)
	}
	uid, _ := strconv.Atoi(me.Uid)
	gid, _ := strconv.Atoi(me.Gid)
	r := &restorer{options: Options{OwnersByName: true}}
	for _, c := range []struct {
		user, group string
		uid, gid    int
	}{
		{me.Username, group.Name, uid, gid},
		{"nobody has this name", "nor this", 4242, 4243},
		{"", "", 4242, 4243},
		{me.Username, "nor this", uid, 4243},
	} {
		for range 2 { // the second time from memory
			m := r.metadataOf(&tree.Node{User: c.user, Group: c.group, UID: 4242, GID: 4243})
			if m.uid != uint32(c.uid) || m.gid != uint32(c.gid) {
				t.Errorf("%q and %q are %d:%d, want %d:%d", c.user, c.group, m.uid, m.gid, c.uid, c.gid)
			}
		}
	}
	if m := r.metadataOf(&tree.Node{User: "nobody has this name", UID: 5555}); m.uid != 5555 {
		t.Errorf("another number of an unknown name became %d", m.uid)
	}
	b := newBed(t)
	f := fileOf("f", "x")
	f.User, f.Group = me.Username, group.Name
	target := t.TempDir()
	b.restore(b.make(f), target, func(o *Options) { o.OwnersByName = true })
	info, err := os.Stat(target + "/f")
	if err != nil || info.Sys().(*syscall.Stat_t).Uid != uint32(uid) {
		t.Errorf("%v, %v", info, err)
	}
}
