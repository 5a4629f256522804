package diff

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast/repository"
	"holdfast/repository/blob"
	"holdfast/repository/id"
	"holdfast/repository/tree"
	"holdfast/storage/mem"
)

// maker stores trees by hand.
type maker struct {
	t *testing.T
	r *repository.Repository
	w *repository.Writer
}

func newMaker(t *testing.T) *maker {
	t.Helper()
	r, err := repository.Init(t.Context(), mem.New(), repository.InitOptions{
		Password: []byte("pw"), KeyCost: repository.KeyCost{N: 2, R: 1, P: 1},
	}, repository.Options{})
	if err == nil {
		err = r.LoadIndex(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	w, err := r.NewWriter(t.Context(), repository.WriterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	return &maker{t, r, w}
}

func (m *maker) save(t blob.Type, plain []byte) id.ID {
	m.t.Helper()
	saved, err := m.w.Save(m.t.Context(), t, plain)
	if err != nil {
		m.t.Fatal(err)
	}
	return saved.ID
}

func (m *maker) file(name, content string) tree.Node {
	return tree.Node{Name: name, Type: tree.File, Mode: 0o644, Content: []id.ID{m.save(blob.Data, []byte(content))}}
}

func (m *maker) tree(nodes ...tree.Node) id.ID {
	data := []byte(`{"nodes":[`)
	for k := range nodes {
		if k > 0 {
			data = append(data, ',')
		}
		data = tree.AppendNode(data, &nodes[k])
	}
	return m.save(blob.Tree, append(data, "]}\n"...))
}

func (m *maker) dir(name string, nodes ...tree.Node) tree.Node {
	i := m.tree(nodes...)
	return tree.Node{Name: name, Type: tree.Dir, Mode: os.ModeDir | 0o755, Subtree: &i}
}

// run compares two folders and returns the changes and what was warned of.
func (m *maker) run(a, b id.ID, metadata bool) (changes []string, warned []string, s Statistics) {
	m.t.Helper()
	if err := m.w.Flush(m.t.Context()); err != nil {
		m.t.Fatal(err)
	}
	s, err := Run(m.t.Context(), m.r, a, b, Options{
		Metadata: metadata,
		Change:   func(c Change) error { changes = append(changes, c.Modifier+" "+c.Path); return nil },
		Warn:     func(path string, err error) { warned = append(warned, path+": "+err.Error()) },
	})
	if err != nil {
		m.t.Fatal(err)
	}
	return changes, warned, s
}

func TestModifiers(t *testing.T) {
	m := newMaker(t)
	later := m.file("touched", "same")
	later.ModTime = time.Unix(1, 0)
	grown := m.file("grown", "longer")
	grown.Size = 6
	link := tree.Node{Name: "turned", Type: tree.Symlink, LinkTarget: "x"}
	a := m.tree(m.dir("gone", m.file("in it", "1")), m.file("grown", "short"), m.file("rotten", "good"), m.dir("same", m.file("f", "2")),
		m.file("touched", "same"), m.dir("turned", m.file("below", "3")), m.dir("turning", m.file("old", "4")))
	b := m.tree(m.file("added", "2"), grown, m.file("rotten", "bad"), m.dir("same", m.file("f", "2")),
		later, link, m.dir("turning", m.file("new", "4")))

	want := []string{
		"+ /added", "- /gone/", "- /gone/in it", "M /grown", "M? /rotten", "U /touched", "TU /turned", "- /turned/below",
		"U /turning/", "+ /turning/new", "- /turning/old",
	}
	got, warned, s := m.run(a, b, true)
	if !slices.Equal(got, want) || len(warned) > 0 {
		t.Errorf("\n got %q\nwant %q\nwarned %q", got, want, warned)
	}
	withoutMetadata := slices.DeleteFunc(slices.Clone(want), func(c string) bool { return strings.HasPrefix(c, "U ") })
	withoutMetadata[slices.Index(withoutMetadata, "TU /turned")] = "T /turned"
	if got, _, _ := m.run(a, b, false); !slices.Equal(got, withoutMetadata) {
		t.Errorf("without metadata %q", got)
	}
	// "2" is in a folder that both have, and "4" in two files: neither is new.
	if s.ChangedFiles != 2 || s.Added.DataBlobs != 2 || s.Removed.DataBlobs != 4 || s.Added.Files != 2 || s.Removed.Files != 3 {
		t.Errorf("statistics %+v", s)
	}
}

func TestWhatCannotBeReadIsReported(t *testing.T) {
	m := newMaker(t)
	lost := id.Random()
	a := m.tree(tree.Node{Name: "d", Type: tree.Dir, Subtree: &lost}, m.file("f", "1"))
	b := m.tree(m.dir("d"), tree.Node{Name: "f", Type: tree.File, Content: []id.ID{lost}})
	changes, warned, _ := m.run(a, b, false)
	if !slices.Equal(changes, []string{"M /f"}) {
		t.Errorf("changes %q", changes)
	}
	if len(warned) != 3 { // the folder's ID and content, the file's blob
		t.Errorf("warned of %q", warned)
	}
}

func TestAnErrorOfTheCallerEndsIt(t *testing.T) {
	m := newMaker(t)
	a, b := m.tree(), m.tree(m.dir("d", m.file("f", "1")))
	if err := m.w.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	enough := errors.New("enough")
	_, err := Run(t.Context(), m.r, a, b, Options{Change: func(Change) error { return enough }})
	if !errors.Is(err, enough) {
		t.Error(err)
	}
}
