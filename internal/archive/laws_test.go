package archive

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"holdfast/storage/mem"
)

// anyFolder draws a folder with few names and contents, so that two of them
// have much in common and types change.
func anyFolder(t *rapid.T, depth int) map[string]entry {
	folder := make(map[string]entry)
	for _, name := range []string{"a", "a.b", "b", "\xff"} {
		if e, ok := anyEntry(t, depth); ok {
			folder[name] = e
		}
	}
	return folder
}

func anyEntry(t *rapid.T, depth int) (entry, bool) {
	small := func(most int, what string) int { return rapid.IntRange(0, most).Draw(t, what) }
	e := entry{mode: uint32(0o600 + small(1, "mode"))}
	for n := range small(2, "attributes") {
		e.xattrs = append(e.xattrs, fmt.Sprint("x", n))
	}
	switch kind := small(5, "kind"); {
	case kind == 0:
		return e, false
	case kind == 1:
		e.target = fmt.Sprint("to", small(1, "target"))
	case kind <= 3 && depth > 0:
		e.entries = anyFolder(t, depth-1)
	case kind == 4:
		inode := small(1, "inode")
		e = entry{content: fmt.Sprint("linked", inode), inode: uint64(1 + inode), links: 3, mode: 0o600}
	default:
		e.content = fmt.Sprint("content", small(2, "content"))
	}
	return e, true
}

// Whatever becomes of a folder, each archive of the chain, and the
// differential one, gives its state back.
func TestAnyChainComesBack(t *testing.T) {
	k := makeKey(t)
	rapid.Check(t, func(rt *rapid.T) {
		m, to := makeRepository(t), mem.New()
		var states []map[string]entry
		for range rapid.IntRange(1, 4).Draw(rt, "states") {
			states = append(states, anyFolder(rt, 2))
		}
		names, last := chainOf(m, to, k, states...)
		want := m.described(last.Tree)
		back, got := imported(t, to, names[len(names)-1], k)
		if described := back.described(got.Tree); described != want {
			rt.Fatalf("came back\n%s\nwant\n%s", described, want)
		}
		o := options("differential", k, mustLoad(t, to, names[0]))
		o.Kind = Differential
		m.export(last, to, o)
		back, got = imported(t, to, "differential", k)
		if described := back.described(got.Tree); described != want {
			rt.Fatalf("the differential archive gives\n%s\nwant\n%s", described, want)
		}
	})
}
