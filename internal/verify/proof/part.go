package proof

import (
	"context"

	"holdfast/internal/snapfs"
	"holdfast/repository/tree"
)

// part is a range of the items of a snapshot, in the order of its trees.
type part struct {
	// first and last are the paths of the items at its ends.
	first, last string
	// bytes is the content of its files.
	bytes uint64
	// streamed says that there is no room to restore its files, so that they
	// are read from the repository instead.
	streamed bool
}

// judge tells whether a path is in the part, and whether something below it
// may be. Folders that lead into the part are in it.
func (p *part) judge(path string) (selected, below bool) {
	in := !before(path, p.first) && !before(p.last, path) || leadsTo(path, p.first)
	return in, in
}

// before tells whether a walk comes to a before b.
func before(a, b string) bool {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return rank(a[i]) < rank(b[i])
		}
	}
	return len(a) < len(b)
}

// rank orders the bytes of paths: what is in a folder comes before all that
// follows the folder, whatever its name begins with.
func rank(c byte) int {
	if c == '/' {
		return -1
	}
	return int(c)
}

// leadsTo tells whether path is a folder above item.
func leadsTo(path, item string) bool {
	return len(path) < len(item) && item[:len(path)] == path && item[len(path)] == '/'
}

// plan divides a snapshot into parts.
type plan struct {
	parts []part
	// need is the scratch space that all of it takes at once, in bytes.
	need uint64
	// items counts files, folders and all else.
	items uint64
}

// makePlan walks a snapshot and divides it into parts of which each fits
// into room bytes.
func makePlan(ctx context.Context, f *snapfs.FS, room uint64) (plan, error) {
	w := planner{room: room, links: make(map[fileKey]bool), linked: make(map[fileKey]bool)}
	err := f.Walk(ctx, "/", f.Root(), func(path string, n *tree.Node, err error) error {
		if err != nil {
			return err
		}
		w.add(path, n)
		return nil
	})
	return plan{w.parts, w.need, w.items}, err
}

// planner fills one part after the other.
type planner struct {
	room  uint64
	parts []part
	need  uint64
	items uint64
	used  uint64 // of the last part
	// links are the hard-linked files met, linked those of the last part:
	// they take their room only once.
	links, linked map[fileKey]bool
}

func (w *planner) add(path string, n *tree.Node) {
	if n.Type == tree.Socket { // not restored
		return
	}
	w.items++
	takes := cost(n)
	key, linked := linkKey(n)
	if !linked || !w.links[key] {
		w.need += takes
	}
	if linked && w.linked[key] {
		takes = 0
	}
	streamed := n.Type == tree.File && cost(n) > w.room
	if !w.fits(takes, streamed) {
		w.parts = append(w.parts, part{first: path, streamed: streamed})
		w.used = 0
		clear(w.linked)
		takes = cost(n)
	}
	last := &w.parts[len(w.parts)-1]
	last.last = path
	last.bytes += n.Size
	if !streamed {
		w.used += takes
	}
	if linked {
		w.links[key], w.linked[key] = true, true
	}
}

// fits tells whether an item goes into the last part. Items that are no
// files go with whatever is beside them.
func (w *planner) fits(takes uint64, streamed bool) bool {
	if len(w.parts) == 0 {
		return false
	}
	if w.parts[len(w.parts)-1].streamed || streamed {
		return w.parts[len(w.parts)-1].streamed && streamed
	}
	return w.used+takes <= w.room || w.room == 0
}
