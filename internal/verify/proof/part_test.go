package proof

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"holdfast/repository/tree"
)

// paths draws the paths of a tree as a walk visits them: folders before what
// they hold, names in the order of their bytes.
func paths(t *rapid.T) []string {
	names := rapid.SliceOfNDistinct(rapid.StringOfN(rapid.RuneFrom([]rune("ab-!~.0")), 1, 3, -1), 1, 4, rapid.ID)
	var walk func(at string, depth int) []string
	walk = func(at string, depth int) []string {
		var all []string
		for _, name := range slices.Sorted(slices.Values(names.Draw(t, "names of "+at))) {
			all = append(all, at+"/"+name)
			if depth > 0 && rapid.Bool().Draw(t, "folder") {
				all = append(all, walk(at+"/"+name, depth-1)...)
			}
		}
		return all
	}
	return walk("", 2)
}

// Law: paths are in the order of the walk.
func TestBeforeIsTheOrderOfTheWalk(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := paths(t)
		for i := range all {
			for j := range all {
				if before(all[i], all[j]) != (i < j) {
					t.Fatalf("%q before %q: %v", all[i], all[j], before(all[i], all[j]))
				}
			}
		}
	})
}

// Law: each item is in exactly one part, but for folders that lead into later
// ones, and no part takes more than the room there is.
func TestPartsCoverEverythingOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := paths(t)
		w := planner{
			room:  uint64(rapid.IntRange(10<<10, 100<<10).Draw(t, "room")),
			links: map[fileKey]bool{}, linked: map[fileKey]bool{},
		}
		nodes := make(map[string]*tree.Node)
		for _, path := range all {
			n := &tree.Node{Type: tree.File, Size: uint64(rapid.IntRange(0, 120<<10).Draw(t, "size"))}
			if slices.ContainsFunc(all, func(p string) bool { return strings.HasPrefix(p, path+"/") }) {
				n = &tree.Node{Type: tree.Dir}
			}
			nodes[path] = n
			w.add(path, n)
		}
		for _, path := range all {
			in := 0
			for k := range w.parts {
				if selected, _ := w.parts[k].judge(path); selected && !leadsTo(path, w.parts[k].first) {
					in++
				}
			}
			if in != 1 {
				t.Fatalf("%q is in %d of %+v", path, in, w.parts)
			}
		}
		for k := range w.parts {
			checkPart(t, &w, w.parts[k], all, nodes)
		}
	})
}

func checkPart(t *rapid.T, w *planner, p part, all []string, nodes map[string]*tree.Node) {
	var takes uint64
	for _, path := range all {
		selected, below := p.judge(path)
		if !selected {
			if below {
				t.Fatalf("%q is not in the part, but what is below it", path)
			}
			continue
		}
		if nodes[path].Type == tree.File && p.streamed != (cost(nodes[path]) > w.room) {
			t.Fatalf("%q of %d bytes: streamed %v with room for %d", path, nodes[path].Size, p.streamed, w.room)
		}
		if !leadsTo(path, p.first) {
			takes += cost(nodes[path])
		}
	}
	if !p.streamed && takes > w.room {
		t.Fatalf("part %+v takes %d bytes of %d", p, takes, w.room)
	}
}

func TestHardLinksTakeTheirRoomOnce(t *testing.T) {
	w := planner{room: 1 << 20, links: map[fileKey]bool{}, linked: map[fileKey]bool{}}
	n := &tree.Node{Type: tree.File, Size: 600 << 10, Links: 3, Inode: 7, DeviceID: 1}
	for _, path := range []string{"/a", "/b", "/c"} {
		w.add(path, n)
	}
	if len(w.parts) != 1 || w.need != cost(n) {
		t.Errorf("%d parts, %d bytes for one file of three names", len(w.parts), w.need)
	}
}
