package backup

import (
	"fmt"
	"testing"
	"testing/synctest"
)

// The parts that a folder is looked at in end where they like: at any name, at
// a subfolder, with the folder.
func TestPartsOfFolders(t *testing.T) {
	for _, names := range []int{0, 1, partNames - 1, partNames, partNames + 1, 3*partNames + 7} {
		for _, folders := range []string{"none", "each part's last", "each part's first", "all"} {
			t.Run(fmt.Sprint(names, " names, folders: ", folders), func(t *testing.T) {
				s := newFake()
				s.file("/other", []byte("content"))
				for n := range names {
					path := fmt.Sprintf("/top/%05d", n)
					if folders == "all" || folders == "each part's last" && n%partNames == partNames-1 || folders == "each part's first" && n%partNames == 0 {
						s.file(path+"/below", []byte(path))
						continue
					}
					s.file(path, []byte(path))
				}
				b := newBed(t)
				first := b.clean(s)
				b.wantTree(first.Snapshot.Tree, s)
				if again := b.clean(s); again.Snapshot.Tree != first.Snapshot.Tree {
					t.Error("nothing changed, and the tree is another")
				}
				s.wantClosed(t)
			})
		}
	}
}

// However slow the walk is, what is seen ahead of it is bounded.
func TestLookaheadIsBounded(t *testing.T) {
	s := newFake()
	const folders = 10 * queuedParts
	for n := range folders {
		s.file(fmt.Sprintf("/%05d/file", n), nil)
	}
	synctest.Test(t, func(t *testing.T) {
		var opened openFolders
		l := newLookahead(&opened)
		dir, err := s.Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		root := &folder{dir: dir}
		opened.add(root)
		ended := make(chan error, 1)
		go func() { ended <- l.run(t.Context(), root) }()
		seen := 0
		for depth := 1; depth > 0; {
			synctest.Wait()
			// Each folder in the queue and the one that waits to get in, those
			// that were received here, and the root.
			if most := int64(queuedParts + 1 + seen + 1); s.open.Load() > most {
				t.Fatalf("%d folders are open after %d parts, want %d at most", s.open.Load(), seen, most)
			}
			p, err := l.next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for k := range p.seen {
				if p.seen[k].sub != nil {
					depth++
				}
			}
			if p.last {
				depth--
			}
			seen++
			l.release(p)
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
		opened.closeAll()
	})
	s.wantClosed(t)
}
