package backup

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"holdfast/internal/snapfs"
	"holdfast/internal/source"
	"holdfast/repository"
	"holdfast/repository/id"
	"holdfast/repository/snapshot"
	"holdfast/repository/tree"
	"holdfast/storage"
	"holdfast/storage/mem"
)

// bed is a repository with what backups of one source need.
type bed struct {
	t     testing.TB
	store storage.Store
	cache string

	problems map[string]error // by path, of the last run
	items    map[string]Item  // by path, of the last run
	progress *Progress        // of the last run
}

func newBed(t testing.TB) *bed { return newBedIn(t, mem.New()) }

func newBedIn(t testing.TB, s storage.Store) *bed {
	t.Helper()
	b := &bed{t: t, store: s, cache: t.TempDir()}
	r, err := repository.Init(t.Context(), s, repository.InitOptions{
		Password: []byte("pw"), KeyCost: repository.KeyCost{N: 2, R: 1, P: 1},
	}, b.opening())
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *bed) opening() repository.Options {
	return repository.Options{Password: []byte("pw"), CacheDir: b.cache}
}

// open opens the repository as a new process would.
func (b *bed) open() *repository.Repository {
	b.t.Helper()
	r, err := repository.Open(context.Background(), b.store, b.opening())
	if err == nil {
		err = r.LoadIndex(context.Background())
	}
	if err != nil {
		b.t.Fatal(err)
	}
	return r
}

// options are those of a plain incremental backup made now.
func (b *bed) options() Options {
	return Options{
		Snapshot: snapshot.Snapshot{Time: time.Now(), Hostname: "host", Paths: []string{"/src"}},
		Type:     snapshot.Incremental,
		GroupBy:  snapshot.GroupBy{Host: true, Paths: true},
	}
}

// try makes a backup in a process of its own.
func (b *bed) try(ctx context.Context, src source.Source, change ...func(*Options)) (*Receipt, error) {
	b.t.Helper()
	r := b.open()
	defer r.Close()
	o := b.options()
	var err error
	if o.Snapshots, err = r.Snapshots(context.Background()); err != nil {
		b.t.Fatal(err)
	}
	b.problems, b.items, b.progress = map[string]error{}, map[string]Item{}, new(Progress)
	o.Progress = b.progress
	o.OnError = func(path string, err error) { b.problems[path] = err }
	o.OnItem = func(i Item) { b.items[i.Path] = i }
	for _, c := range change {
		c(&o)
	}
	return Run(ctx, r, src, o)
}

// tryAll is try, where the store may fail at anything.
func (b *bed) tryAll(ctx context.Context, src source.Source) (*Receipt, error) {
	r, err := repository.Open(ctx, b.store, b.opening())
	if err != nil {
		return nil, err
	}
	defer r.Close()
	o := b.options()
	if o.Snapshots, err = r.Snapshots(ctx); err != nil {
		return nil, err
	}
	if err := r.LoadIndex(ctx); err != nil {
		return nil, err
	}
	return Run(ctx, r, src, o)
}

func (b *bed) run(src source.Source, change ...func(*Options)) *Receipt {
	b.t.Helper()
	receipt, err := b.try(b.t.Context(), src, change...)
	if err != nil {
		b.t.Fatal(err)
	}
	return receipt
}

// clean is run for backups that must report no problem.
func (b *bed) clean(src source.Source, change ...func(*Options)) *Receipt {
	b.t.Helper()
	receipt := b.run(src, change...)
	if len(b.problems) > 0 || receipt.Errors > 0 {
		b.t.Fatalf("%d errors: %.300v", receipt.Errors, fmt.Sprint(b.problems))
	}
	return receipt
}

// wantTree reads a snapshot back and compares it with a fake source.
func (b *bed) wantTree(root id.ID, s *fake) {
	b.t.Helper()
	r := b.open()
	defer r.Close()
	f, err := snapfs.Open(b.t.Context(), r, root)
	if err != nil {
		b.t.Fatal(err)
	}
	got := map[string]bool{}
	err = f.Walk(b.t.Context(), "/", f.Root(), func(path string, n *tree.Node, err error) error {
		if err != nil {
			return err
		}
		got[path] = true
		return sameAsFake(b.t.Context(), f, path, n, s)
	})
	if err != nil {
		b.t.Fatal(err)
	}
	s.each(func(path string) {
		if !got[path] {
			b.t.Errorf("%s is missing", path)
		}
	})
}

// treeAt returns the tree of a folder.
func (b *bed) treeAt(root id.ID, path string) id.ID {
	b.t.Helper()
	r := b.open()
	defer r.Close()
	f, err := snapfs.Open(b.t.Context(), r, root)
	if err != nil {
		b.t.Fatal(err)
	}
	n, err := f.Lookup(b.t.Context(), path)
	if err != nil || n.Type != tree.Dir {
		b.t.Fatal(n, err)
	}
	return *n.Subtree
}

func sameAsFake(ctx context.Context, f *snapfs.FS, path string, n *tree.Node, s *fake) error {
	want := s.get(path)
	if want == nil {
		return fmt.Errorf("%s is in the snapshot and not in the source", path)
	}
	node := fakeNodeOf(n.Name, want)
	if n.Type != node.Type || n.Mode != node.Mode || !n.ModTime.Equal(node.ModTime) || n.LinkTarget != node.LinkTarget || n.Inode != node.Inode {
		return fmt.Errorf("%s is %+v, want %+v", path, n, node)
	}
	if n.Type != tree.File {
		return nil
	}
	var content bytes.Buffer
	if err := f.WriteFile(ctx, n, &content); err != nil {
		return err
	}
	if !bytes.Equal(content.Bytes(), want.content) || n.Size != uint64(len(want.content)) {
		return fmt.Errorf("%s: content differs", path)
	}
	return nil
}

// each calls visit with the path of everything in the source.
func (s *fake) each(visit func(path string)) {
	var walk func(path string, n *fakeNode)
	walk = func(path string, n *fakeNode) {
		for name, c := range n.children {
			visit(path + "/" + name)
			walk(path+"/"+name, c)
		}
	}
	walk("", s.root)
}

// noise returns n bytes that depend on the seed.
func noise(n int, seed uint64) []byte {
	r := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), byte(seed >> 16)})
	b := make([]byte, n)
	r.Read(b) //nolint:errcheck // never fails
	return b
}

// sample returns a source of some folders and files, one of them large.
func sample() *fake {
	s := newFake()
	s.file("/src/a/one", []byte("one"))
	s.file("/src/a/two", noise(100_000, 2))
	s.file("/src/a/deep/er/three", noise(3_000_000, 3))
	s.file("/src/b/empty", nil)
	s.file("/src/b/large", noise(12_000_000, 4))
	s.symlink("/src/b/link", "../a/one")
	s.dir("/src/c")
	return s
}

// keys returns the names of all objects under a prefix.
func keys(t testing.TB, s storage.Store, prefix string) (names []string) {
	t.Helper()
	err := s.List(t.Context(), prefix, func(i storage.Info) error {
		names = append(names, i.Key)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

var errTest = fmt.Errorf("test: %w", fs.ErrPermission)

// packContent is what an index file says of a pack.
type packContent = repository.PackContent

// checkpoints returns the checkpoints that are kept.
func checkpoints(t testing.TB, b *bed) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(b.cache, "*", "checkpoint-*"))
	if err != nil {
		t.Fatal(err)
	}
	return names
}
