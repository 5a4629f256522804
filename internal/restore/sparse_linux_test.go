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
