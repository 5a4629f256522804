package backup_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"testing"
	"time"

	"holdfast/internal/backup"
	"holdfast/internal/source"
	"holdfast/repository"
	"holdfast/repository/blob"
	"holdfast/repository/id"
	"holdfast/repository/snapshot"
	"holdfast/repository/tree"
	"holdfast/storage/mem"
)

// parcel is something that arrives.
type parcel struct {
	path    string
	content []byte
	dir     bool
	cut     int
	claims  int // the size it says it has, where it lies
}

// parcels arrive in the order given, and then end is returned.
type parcels struct {
	list []parcel
	end  error
}

func (p *parcels) Next(context.Context) (*source.Arrival, error) {
	if len(p.list) == 0 {
		return nil, p.end
	}
	next := p.list[0]
	p.list = p.list[1:]
	node := tree.Node{Type: tree.File, Mode: 0o600, ModTime: time.Unix(1000, 0), Size: uint64(len(next.content))}
	if next.claims > 0 {
		node.Size = uint64(next.claims)
	}
	if next.dir {
		node = tree.Node{Type: tree.Dir, Mode: os.ModeDir | 0o700, ModTime: time.Unix(2000, 0)}
	}
	return &source.Arrival{Path: next.path, Node: node, Content: bytes.NewReader(next.content), CutBytes: next.cut}, nil
}

func arrive(t *testing.T, r *repository.Repository, p *parcels, complete func(*snapshot.Snapshot) error) (*backup.Receipt, error) {
	t.Helper()
	if err := r.LoadIndex(t.Context()); err != nil {
		t.Fatal(err)
	}
	o := backup.Options{Snapshot: snapshot.Snapshot{Time: time.Unix(5000, 0), Hostname: "host", Paths: []string{"/shop"}}}
	return backup.RunArrivals(t.Context(), r, p, o, complete)
}

func memRepository(t *testing.T) *repository.Repository {
	t.Helper()
	return repositoryIn(t, mem.New())
}

func repositoryIn(t *testing.T, s *mem.Store) *repository.Repository {
	t.Helper()
	r, err := repository.Init(t.Context(), s, repository.InitOptions{
		Password: []byte("x"), KeyCost: repository.KeyCost{N: 2, R: 1, P: 1},
	}, repository.Options{Password: []byte("x")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// find returns the node at a path of a snapshot.
func find(t *testing.T, r *repository.Repository, root id.ID, names ...string) tree.Node {
	t.Helper()
	data, err := r.LoadTree(t.Context(), root, nil)
	if err != nil {
		t.Fatal(err)
	}
	e, ok, err := tree.Find(data, names[0])
	if err != nil || !ok {
		t.Fatalf("no %s: %v", names[0], err)
	}
	if len(names) == 1 {
		return e.Node
	}
	return find(t, r, *e.Node.Subtree, names[1:]...)
}

func TestArrivals(t *testing.T) {
	big := make([]byte, 300_000)
	for k := range big {
		big[k] = byte(k * k >> 8)
	}
	r := memRepository(t)
	tagged := func(s *snapshot.Snapshot) error { s.Tags = append(s.Tags, "late"); return nil }
	receipt, err := arrive(t, r, &parcels{end: io.EOF, list: []parcel{
		{path: "shop/global/1262", content: big, cut: 8192},
		{path: "shop/zero", content: nil},
		{path: "shop/base", dir: true},
		{path: "shop/base/1", dir: true},
		{path: "shop/base/1/a", content: []byte("hello")},
		{path: "shop/a", content: big},
	}}, tagged)
	if err != nil {
		t.Fatal(err)
	}
	s := receipt.Snapshot
	if !slices.Contains(s.Tags, "late") || s.Type() != snapshot.Full {
		t.Errorf("tags %q, type %s", s.Tags, s.Type())
	}
	if n := find(t, r, s.Tree, "shop", "base"); !n.ModTime.Equal(time.Unix(2000, 0)) {
		t.Errorf("the folder came with another time: %v", n.ModTime)
	}
	pages := find(t, r, s.Tree, "shop", "global", "1262")
	if len(pages.Content) != 37 || pages.Size != uint64(len(big)) {
		t.Errorf("%d bytes in %d blobs, want 37 of 8192 bytes", pages.Size, len(pages.Content))
	}
	for _, file := range []tree.Node{pages, find(t, r, s.Tree, "shop", "a")} {
		if got := contentOf(t, r, file); !bytes.Equal(got, big) {
			t.Errorf("%s has %d bytes that differ", file.Name, len(got))
		}
	}
	if n := find(t, r, s.Tree, "shop", "zero"); n.Content == nil || len(n.Content) != 0 {
		t.Errorf("an empty file has content %v", n.Content)
	}
}

func contentOf(t *testing.T, r *repository.Repository, n tree.Node) (all []byte) {
	t.Helper()
	for _, i := range n.Content {
		part, err := r.LoadBlob(t.Context(), blob.Handle{ID: i, Type: blob.Data}, nil)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, part...)
	}
	return all
}

// What does not arrive whole makes no snapshot.
func TestArrivalsCutShort(t *testing.T) {
	gone := errors.New("the connection is gone")
	whole := []parcel{{path: "a", content: []byte("hello")}}
	for name, test := range map[string]struct {
		parcels  parcels
		complete func(*snapshot.Snapshot) error
	}{
		"connection lost": {parcels: parcels{list: slices.Clone(whole), end: gone}},
		"file too short":  {parcels: parcels{list: []parcel{{path: "a", content: []byte("hello"), claims: 6}}, end: io.EOF}},
		"file twice":      {parcels: parcels{list: append(slices.Clone(whole), whole...), end: io.EOF}},
		"not complete":    {parcels: parcels{list: slices.Clone(whole), end: io.EOF}, complete: func(*snapshot.Snapshot) error { return gone }},
	} {
		t.Run(name, func(t *testing.T) {
			r := memRepository(t)
			if _, err := arrive(t, r, &test.parcels, test.complete); err == nil {
				t.Error("it made a snapshot")
			}
			if found, err := r.Snapshots(t.Context()); err != nil || len(found) > 0 {
				t.Errorf("snapshots %v, %v", found, err)
			}
		})
	}
}
