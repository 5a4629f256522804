package restore

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"holdfast/internal/backup"
	"holdfast/internal/source/files"
	"holdfast/repository"
	"holdfast/repository/blob"
	"holdfast/repository/id"
	"holdfast/repository/snapshot"
	"holdfast/repository/tree"
	"holdfast/storage"
	"holdfast/storage/mem"
)

// bed is a repository to restore from.
type bed struct {
	t     testing.TB
	store storage.Store
	repo  *repository.Repository
}

func newBed(t testing.TB) *bed { return newBedIn(t, mem.New()) }

func newBedIn(t testing.TB, s storage.Store) *bed {
	t.Helper()
	r, err := repository.Init(context.Background(), s, repository.InitOptions{
		Password: []byte("pw"), KeyCost: repository.KeyCost{N: 2, R: 1, P: 1},
	}, repository.Options{})
	if err == nil {
		err = r.LoadIndex(context.Background())
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return &bed{t, s, r}
}

// backUp makes a snapshot of a folder, which is its only path.
func (b *bed) backUp(dir string) *snapshot.Snapshot {
	b.t.Helper()
	src, err := files.New(files.Config{Paths: []string{dir}})
	if err != nil {
		b.t.Fatal(err)
	}
	receipt, err := backup.Run(context.Background(), b.repo, src, backup.Options{
		Snapshot: snapshot.Snapshot{Time: time.Now(), Hostname: "host", Paths: []string{dir}},
		Type:     snapshot.Full,
		OnError:  func(path string, err error) { b.t.Errorf("back up %s: %v", path, err) },
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return receipt.Snapshot
}

// outcome is what a restore told.
type outcome struct {
	receipt  *Receipt
	progress Progress
	problems map[string]error
	items    map[string]Action
}

func (o *outcome) actions(a Action) (paths []string) {
	for path, action := range o.items {
		if action == a {
			paths = append(paths, path)
		}
	}
	slices.Sort(paths)
	return paths
}

func (o *outcome) failed() []string { return slices.Sorted(maps.Keys(o.problems)) }

// try restores the only path of a snapshot, right into the target.
func (b *bed) try(ctx context.Context, s *snapshot.Snapshot, target string, change ...func(*Options)) (*outcome, error) {
	b.t.Helper()
	out := &outcome{problems: map[string]error{}, items: map[string]Action{}}
	o := Options{Target: target, Progress: &out.progress}
	if len(s.Paths) == 1 {
		o.Subfolder = s.Paths[0]
	}
	o.OnError = func(path string, err error) { out.problems[path] = err }
	o.OnItem = func(i Item) {
		if was, ok := out.items[i.Path]; ok && was != Deleted {
			b.t.Errorf("%s is told to be %s and %s", i.Path, was, i.Action)
		}
		out.items[i.Path] = i.Action
	}
	for _, c := range change {
		c(&o)
	}
	var err error
	out.receipt, err = Run(ctx, b.repo, s, o)
	return out, err
}

// restore restores and wants no problems.
func (b *bed) restore(s *snapshot.Snapshot, target string, change ...func(*Options)) *outcome {
	b.t.Helper()
	out := b.restoreSome(s, target, change...)
	for path, err := range out.problems {
		b.t.Errorf("%s: %v", path, err)
	}
	return out
}

// restoreSome restores and expects that items fail.
func (b *bed) restoreSome(s *snapshot.Snapshot, target string, change ...func(*Options)) *outcome {
	b.t.Helper()
	out, err := b.try(b.t.Context(), s, target, change...)
	if err != nil {
		b.t.Fatal(err)
	}
	p := &out.progress
	if got, want := p.ItemsRestored.Load()+p.ItemsSkipped.Load(), p.ItemsTotal.Load(); out.receipt.Errors == 0 && got != want {
		b.t.Errorf("%d of %d items are done", got, want)
	}
	return out
}

// save stores a blob by hand.
func (b *bed) save(w *repository.Writer, t blob.Type, plain []byte) id.ID {
	b.t.Helper()
	saved, err := w.Save(b.t.Context(), t, plain)
	if err != nil {
		b.t.Fatal(err)
	}
	return saved.ID
}

// node is a node of a snapshot made by hand: content becomes its blobs, a
// folder's nodes its tree.
type node struct {
	tree.Node
	content []string
	nodes   []node
}

func fileOf(name string, content ...string) node {
	return node{Node: tree.Node{Name: name, Type: tree.File, Mode: 0o644, ModTime: time.Unix(1e9, 0)}, content: content}
}

func dirOf(name string, nodes ...node) node {
	return node{Node: tree.Node{Name: name, Type: tree.Dir, Mode: os.ModeDir | 0o755, ModTime: time.Unix(1e9, 0)}, nodes: nodes}
}

func linkOf(name, target string) node {
	return node{Node: tree.Node{Name: name, Type: tree.Symlink, Mode: os.ModeSymlink | 0o777, LinkTarget: target}}
}

// make stores a snapshot made by hand, however hostile.
func (b *bed) make(nodes ...node) *snapshot.Snapshot {
	b.t.Helper()
	w, err := b.repo.NewWriter(b.t.Context(), repository.WriterOptions{})
	if err != nil {
		b.t.Fatal(err)
	}
	defer w.Close()
	s := &snapshot.Snapshot{Tree: b.tree(w, nodes)}
	if err := w.Flush(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
	return s
}

func (b *bed) tree(w *repository.Writer, nodes []node) id.ID {
	data := []byte(`{"nodes":[`)
	for k, n := range nodes {
		if k > 0 {
			data = append(data, ',')
		}
		n.UID, n.GID = uint32(os.Getuid()), uint32(os.Getgid())
		switch n.Type {
		case tree.File:
			n.Content = []id.ID{}
			for _, c := range n.content {
				n.Content = append(n.Content, b.save(w, blob.Data, []byte(c)))
				n.Size += uint64(len(c))
			}
		case tree.Dir:
			i := b.tree(w, n.nodes)
			n.Subtree = &i
		}
		data = tree.AppendNode(data, &n.Node)
	}
	return b.save(w, blob.Tree, append(data, "]}\n"...))
}

// put writes a file for a test, with its folders.
func put(t testing.TB, path, content string) {
	t.Helper()
	err := os.MkdirAll(filepath.Dir(path), 0o755)
	if err == nil {
		err = os.WriteFile(path, []byte(content), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// age sets the modification time of a file.
func age(t testing.TB, path string, to time.Time) {
	t.Helper()
	if err := os.Chtimes(path, to, to); err != nil {
		t.Fatal(err)
	}
}

// content returns what is in a file, or what is wrong with it.
func content(path string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return "!" + err.Error()
	}
	return string(data)
}

// exists tells whether there is anything at a path, a symlink itself
// included.
func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func lists(t testing.TB, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}
