package damage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast/repository"
	"holdfast/repository/blob"
	"holdfast/repository/id"
	"holdfast/repository/snapshot"
	"holdfast/repository/tree"
	"holdfast/storage"
	"holdfast/storage/local"
)

const password = "correct horse"

// cheap is a key cost that tests can afford.
var cheap = repository.KeyCost{N: 2, R: 1, P: 1}

// files is the content of a snapshot: the blobs of each file by its path.
type files map[string][][]byte

func (f files) content(path string) []byte { return bytes.Join(f[path], nil) }

// noise is content that does not compress, the same for the same seed.
func noise(seed string, size int) []byte {
	var key [32]byte
	copy(key[:], seed)
	b := make([]byte, size)
	rand.NewChaCha8(key).Read(b) //nolint:errcheck // it never fails
	return b
}

func text(word string, size int) []byte { return bytes.Repeat([]byte(word+" "), size/len(word)) }

// fixture is a repository with two keys and two snapshots that share a part
// of their files, each with a pack of data, a pack of trees and an index file
// of its own.
type fixture struct {
	dir      string
	contents map[time.Time]files // by the time of the snapshot
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{dir: t.TempDir(), contents: make(map[time.Time]files)}
	s, err := local.Create(f.dir)
	if err != nil {
		t.Fatal(err)
	}
	r, err := repository.Init(t.Context(), s, repository.InitOptions{Password: []byte(password), KeyCost: cheap}, repository.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.AddKey(t.Context(), []byte("another"), cheap); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	shared := files{
		"shared/photo":      {noise("photo", 30_000)},
		"shared/notes":      {text("notes", 20_000)},
		"deep/down/there/x": {noise("x", 5000)},
		"large":             {noise("1", 40_000), noise("2", 40_000), noise("3", 40_000)},
		"empty":             {},
	}
	older := files{"old/only": {noise("old", 9000)}, "changed": {text("before", 3000)}}
	newer := files{"new/only": {noise("new", 9000)}, "changed": {text("after", 3000)}, "new/twice": {noise("new", 9000)}}
	maps.Copy(older, shared)
	maps.Copy(newer, shared)
	f.backUp(t, 1, older)
	f.backUp(t, 2, newer)
	return f
}

func (f *fixture) backUp(t *testing.T, day int, content files) {
	t.Helper()
	made := &snapshot.Snapshot{Time: time.Date(2026, 1, day, 0, 0, 0, 0, time.UTC), Paths: []string{"/data"}, Hostname: "www"}
	f.contents[made.Time] = content
	with(t, f.dir, func(ctx context.Context, r *repository.Repository) error {
		if err := r.LoadIndex(ctx); err != nil {
			return err
		}
		w, err := r.NewWriter(ctx, repository.WriterOptions{})
		if err != nil {
			return err
		}
		made.Tree, err = saveFolder(ctx, w, content)
		if err == nil {
			err = w.Flush(ctx)
		}
		if err := errors.Join(err, w.Close()); err != nil {
			return err
		}
		return r.SaveSnapshot(ctx, made)
	})
}

func saveFolder(ctx context.Context, w *repository.Writer, content files) (id.ID, error) {
	below := make(map[string]files)
	nodes := make(map[string]*tree.Node)
	for path, pieces := range content {
		name, rest, isFolder := strings.Cut(path, "/")
		if isFolder {
			if below[name] == nil {
				below[name] = make(files)
			}
			below[name][rest] = pieces
			continue
		}
		n := &tree.Node{Name: name, Type: tree.File, Mode: 0o644, Size: uint64(len(content.content(path))), Content: []id.ID{}}
		for _, piece := range pieces {
			saved, err := w.Save(ctx, blob.Data, piece)
			if err != nil {
				return id.ID{}, err
			}
			n.Content = append(n.Content, saved.ID)
		}
		nodes[name] = n
	}
	for name, c := range below {
		i, err := saveFolder(ctx, w, c)
		if err != nil {
			return id.ID{}, err
		}
		nodes[name] = &tree.Node{Name: name, Type: tree.Dir, Mode: 0o755 | os.ModeDir, Subtree: &i}
	}
	b := tree.NewBuilder()
	for _, name := range slices.Sorted(maps.Keys(nodes)) {
		if err := b.Add(nodes[name]); err != nil {
			return id.ID{}, err
		}
	}
	saved, err := w.Save(ctx, blob.Tree, b.Bytes())
	return saved.ID, err
}

// copyOf copies the repository to where it can be damaged.
func (f *fixture) copyOf(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "repo")
	if err := os.CopyFS(dir, os.DirFS(f.dir)); err != nil {
		t.Fatal(err)
	}
	return dir
}

func open(ctx context.Context, dir string) (*repository.Repository, error) {
	s, err := local.Open(dir)
	if err != nil {
		return nil, err
	}
	return repository.Open(ctx, s, repository.Options{Password: []byte(password)})
}

// with does something with the repository in a folder.
func with(t *testing.T, dir string, do func(ctx context.Context, r *repository.Repository) error) {
	t.Helper()
	r, err := open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(do(t.Context(), r), r.Close()); err != nil {
		t.Fatal(err)
	}
}

// reading is what can be read of a snapshot.
type reading struct {
	content map[string][]byte
	// unreadable are the paths of files and folders that gave an error.
	unreadable map[string]error
}

// readAll reads a snapshot in the plainest way, path by path.
func readAll(ctx context.Context, r *repository.Repository, s *snapshot.Snapshot) reading {
	got := reading{content: make(map[string][]byte), unreadable: make(map[string]error)}
	got.folder(ctx, r, s.Tree, "")
	return got
}

func (g *reading) folder(ctx context.Context, r *repository.Repository, i id.ID, at string) {
	data, err := r.LoadTree(ctx, i, nil)
	if err != nil {
		g.unreadable["/"+at] = err
		return
	}
	for e, err := range tree.Nodes(data) {
		if err != nil {
			g.unreadable["/"+at] = err
			return
		}
		path := strings.TrimPrefix(at+"/"+e.Node.Name, "/")
		switch e.Node.Type {
		case tree.Dir:
			g.folder(ctx, r, *e.Node.Subtree, path)
		case tree.File:
			g.file(ctx, r, &e.Node, path)
		}
	}
}

func (g *reading) file(ctx context.Context, r *repository.Repository, n *tree.Node, path string) {
	content := []byte{}
	for _, i := range n.Content {
		piece, err := r.LoadBlob(ctx, blob.Handle{ID: i, Type: blob.Data}, nil)
		if err != nil {
			g.unreadable["/"+path] = err
			return
		}
		content = append(content, piece...)
	}
	g.content[path] = content
}

// isOf tells whether all that was read is what it should be.
func (g *reading) isOf(want files) error {
	for path, content := range g.content {
		if pieces, ok := want[path]; !ok || !bytes.Equal(content, bytes.Join(pieces, nil)) {
			return fmt.Errorf("%s was read, but wrong", path)
		}
	}
	return nil
}

// isMissing tells whether an error says that a file is not there.
func isMissing(err error) bool { return errors.Is(err, storage.ErrNotFound) }
