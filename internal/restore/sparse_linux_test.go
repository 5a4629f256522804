package restore

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func blocks(t *testing.T, path string) int64 {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		t.Fatal(err)
	}
	return st.Blocks * 512
}

func TestSparse(t *testing.T) {
	b := newBed(t)
	hole := strings.Repeat("\x00", 1<<20)
	island := strings.Repeat("\x00", 100_000) + "island" + strings.Repeat("\x00", 100_001)
	nodes := []node{
		fileOf("all", hole), fileOf("long", hole, hole, hole), fileOf("island", island), fileOf("between", "a", hole, island, "b"),
		fileOf("short", "\x00\x00"), fileOf("ends", "abc", hole), fileOf("empty"),
	}
	s := b.make(nodes...)
	target := t.TempDir()
	b.restore(s, target, func(o *Options) { o.Sparse, o.Verify = true, true })
	for _, n := range nodes {
		if content(target+"/"+n.Name) != strings.Join(n.content, "") {
			t.Errorf("%s has wrong content", n.Name)
		}
	}
	for _, name := range []string{"all", "long", "island", "between", "ends"} {
		if got := blocks(t, target+"/"+name); got > 64<<10 {
			t.Errorf("%s takes %d bytes of disk", name, got)
		}
	}
	// Where something is already, holes must be filled.
	put(t, target+"/all", strings.Repeat("x", 1<<20))
	b.restore(s, target, func(o *Options) { o.Sparse, o.Verify = true, true })
}

// TestZeros restores long runs of zeros that are no holes: they take room, as
// they did, although nothing writes them.
func TestZeros(t *testing.T) {
	b := newBed(t)
	zeros := strings.Repeat("\x00", 1<<20)
	nodes := []node{
		fileOf("all", zeros, zeros), fileOf("ends", "abc", zeros), fileOf("begins", zeros, "abc"), fileOf("alone", zeros),
	}
	s := b.make(nodes...)
	target := t.TempDir()
	check := func() {
		t.Helper()
		b.restore(s, target, func(o *Options) { o.Verify = true })
		for _, n := range nodes {
			if want := strings.Join(n.content, ""); content(target+"/"+n.Name) != want {
				t.Errorf("%s has wrong content", n.Name)
			} else if got := blocks(t, target+"/"+n.Name); got < int64(len(want))&^(4<<10-1) {
				t.Errorf("%s takes %d bytes of disk, and has %d", n.Name, got, len(want))
			}
		}
	}
	check()
	// Over something else the zeros have to be written.
	for _, n := range nodes {
		put(t, target+"/"+n.Name, strings.Repeat("x", 2<<20))
	}
	check()
	// A file with a second name is replaced by a new one.
	for _, n := range nodes {
		put(t, target+"/"+n.Name, "a"+strings.Repeat("x", 2<<20))
		if err := unix.Link(target+"/"+n.Name, t.TempDir()+"/second"); err != nil {
			t.Fatal(err)
		}
	}
	check()
}
