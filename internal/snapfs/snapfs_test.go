package snapfs

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"holdfast/repository"
	"holdfast/repository/blob"
	"holdfast/repository/id"
	"holdfast/repository/tree"
	"holdfast/storage/mem"
)

// maker stores trees by hand.
type maker struct {
	t testing.TB
	r *repository.Repository
	w *repository.Writer
}

func newMaker(t testing.TB) *maker {
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

// file stores content in pieces.
func (m *maker) file(name string, pieces ...string) tree.Node {
	n := tree.Node{Name: name, Type: tree.File, Mode: 0o644, Content: []id.ID{}}
	for _, p := range pieces {
		n.Content = append(n.Content, m.save(blob.Data, []byte(p)))
		n.Size += uint64(len(p))
	}
	return n
}

// raw stores a tree of any nodes, in the order given.
func (m *maker) raw(nodes ...tree.Node) id.ID {
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
	i := m.raw(nodes...)
	return tree.Node{Name: name, Type: tree.Dir, Mode: os.ModeDir | 0o755, Subtree: &i}
}

func (m *maker) open(root id.ID) *FS {
	m.t.Helper()
	if err := m.w.Flush(m.t.Context()); err != nil {
		m.t.Fatal(err)
	}
	f, err := Open(m.t.Context(), m.r, root)
	if err != nil {
		m.t.Fatal(err)
	}
	return f
}

func paths(t *testing.T, f *FS, visit func(path string, n *tree.Node) error) (all []string) {
	t.Helper()
	err := f.Walk(t.Context(), "/", f.Root(), func(path string, n *tree.Node, err error) error {
		if err != nil {
			all = append(all, path+"!")
			return nil
		}
		all = append(all, path)
		return visit(path, n)
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func everything(string, *tree.Node) error { return nil }

func sample(t testing.TB) *FS {
	m := newMaker(t)
	return m.open(m.raw(
		m.dir("a", m.dir("b", m.file("c", "one", "two")), m.file("empty")),
		m.file("z", "zed"),
	))
}

func TestLookup(t *testing.T) {
	f := sample(t)
	for _, path := range []string{"a/b/c", "/a/b/c", "a//b/c/"} {
		if n, err := f.Lookup(t.Context(), path); err != nil || n.Name != "c" || n.Size != 6 {
			t.Errorf("%s: %v, %v", path, n, err)
		}
	}
	if n, err := f.Lookup(t.Context(), "/"); err != nil || n.Type != tree.Dir {
		t.Errorf("root: %v, %v", n, err)
	}
	for path, want := range map[string]error{
		"/nowhere": fs.ErrNotExist, "/a/b/x": fs.ErrNotExist, "/a/../z": fs.ErrNotExist, "/z/x": ErrNotFolder,
	} {
		if _, err := f.Lookup(t.Context(), path); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", path, err, want)
		}
	}
}

func TestWalk(t *testing.T) {
	f := sample(t)
	if got, want := paths(t, f, everything), []string{"/a", "/a/b", "/a/b/c", "/a/empty", "/z"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	got := paths(t, f, func(path string, _ *tree.Node) error {
		if path == "/a/b" {
			return fs.SkipDir
		}
		return nil
	})
	if want := []string{"/a", "/a/b", "/a/empty", "/z"}; !slices.Equal(got, want) {
		t.Errorf("skipping: got %q, want %q", got, want)
	}
	got = paths(t, f, func(path string, _ *tree.Node) error {
		if path == "/a/b" {
			return fs.SkipAll
		}
		return nil
	})
	if want := []string{"/a", "/a/b"}; !slices.Equal(got, want) {
		t.Errorf("ending: got %q, want %q", got, want)
	}
}

func TestHostileNames(t *testing.T) {
	m := newMaker(t)
	f := m.open(m.raw(
		m.file("..", "x"), m.file("a", "x"), m.file("b/c", "x"), m.file("d", "x"), m.file("b", "x"), m.file("d", "y"), m.file("a", "y"),
		tree.Node{Name: "e", Type: "door"},
	))
	if got, want := paths(t, f, everything), []string{"/..!", "/a", "/b/c!", "/d", "/b", "/d!", "/a!", "/e!"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	list, err := f.ReadDir(t.Context(), f.Root())
	if len(list) != 3 || !errors.Is(err, tree.ErrName) || !errors.Is(err, ErrDuplicate) || !errors.Is(err, tree.ErrType) {
		t.Errorf("list: %d entries, %v", len(list), err)
	}
}

func TestMissingSubtree(t *testing.T) {
	m := newMaker(t)
	nowhere := id.Random()
	f := m.open(m.raw(tree.Node{Name: "gone", Type: tree.Dir, Subtree: &nowhere}, m.file("z", "zed")))
	if got, want := paths(t, f, everything), []string{"/gone", "/gone!", "/z"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestContent(t *testing.T) {
	m := newMaker(t)
	random := rand.New(rand.NewPCG(1, 2))
	var pieces []string
	for range 30 {
		p := make([]byte, random.IntN(5000))
		for k := range p {
			p[k] = byte(random.Uint32())
		}
		pieces = append(pieces, string(p))
	}
	want := strings.Join(pieces, "")
	f := m.open(m.raw(m.file("f", pieces...)))
	n, err := f.Lookup(t.Context(), "f")
	if err != nil {
		t.Fatal(err)
	}
	var written bytes.Buffer
	if err := f.WriteFile(t.Context(), n, &written); err != nil || written.String() != want {
		t.Errorf("written: %d bytes, %v", written.Len(), err)
	}
	file, err := f.OpenFile(n)
	if err != nil {
		t.Fatal(err)
	}
	if err := iotest.TestReader(file.Reader(t.Context()), []byte(want)); err != nil {
		t.Error(err)
	}
}

// A writer that fails, or a reader that gives up, ends the loading.
func TestWriteFileStops(t *testing.T) {
	m := newMaker(t)
	f := m.open(m.raw(m.file("f", slices.Repeat([]string{"x", "y"}, 100)...)))
	n, err := f.Lookup(t.Context(), "f")
	if err != nil {
		t.Fatal(err)
	}
	r, w := io.Pipe()
	r.Close()
	if err := f.WriteFile(t.Context(), n, w); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("closed pipe: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := f.WriteFile(ctx, n, io.Discard); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestCacheIsBounded(t *testing.T) {
	loads := 0
	c := newCache(100, func(_ context.Context, h blob.Handle) ([]byte, error) {
		loads++
		return make([]byte, 40), nil
	})
	handles := []blob.Handle{{ID: id.ID{1}}, {ID: id.ID{2}}, {ID: id.ID{3}}}
	for _, k := range []int{0, 1, 0, 2, 0, 1} { // 2 drops 1, then 1 drops 2
		if _, err := c.get(t.Context(), handles[k]); err != nil {
			t.Fatal(err)
		}
	}
	if loads != 4 || c.used != 80 || len(c.entries) != 2 || c.recent.Len() != 2 {
		t.Errorf("%d loads, %d bytes used in %d entries", loads, c.used, len(c.entries))
	}
}
