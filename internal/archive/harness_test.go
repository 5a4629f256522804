package archive

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"holdfast/repository"
	"holdfast/repository/blob"
	"holdfast/repository/id"
	"holdfast/repository/snapshot"
	"holdfast/repository/tree"
	"holdfast/storage"
	"holdfast/storage/mem"
)

// made is a repository that tests fill by hand.
type made struct {
	t     testing.TB
	store *mem.Store
	repo  *repository.Repository
}

func makeRepository(t testing.TB) *made {
	t.Helper()
	store := mem.New()
	r, err := repository.Init(t.Context(), store, repository.InitOptions{
		Password: []byte("pw"), KeyCost: repository.KeyCost{N: 2, R: 1, P: 1},
	}, repository.Options{})
	if err == nil {
		err = r.LoadIndex(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return &made{t, store, r}
}

// entry is a file (content), a symlink (target) or a folder (entries).
type entry struct {
	content string
	target  string
	entries map[string]entry
	inode   uint64 // with others of the same: hard links
	links   uint64
	mode    uint32
	xattrs  []string
}

// snapshot stores a folder as a snapshot.
func (m *made) snapshot(at time.Time, root map[string]entry) *snapshot.Snapshot {
	m.t.Helper()
	w, err := m.repo.NewWriter(m.t.Context(), repository.WriterOptions{})
	if err != nil {
		m.t.Fatal(err)
	}
	s := &snapshot.Snapshot{Time: at, Hostname: "ada", Paths: []string{"/src"}, Tags: []string{"mine", "holdfast:type=full"}, Excludes: []string{"*.tmp"}}
	s.Tree = m.folder(w, root)
	if err := w.Flush(m.t.Context()); err != nil {
		m.t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		m.t.Fatal(err)
	}
	if err := m.repo.SaveSnapshot(m.t.Context(), s); err != nil {
		m.t.Fatal(err)
	}
	return s
}

func (m *made) folder(w *repository.Writer, entries map[string]entry) id.ID {
	m.t.Helper()
	b := tree.NewBuilder()
	var names []string
	for name := range entries {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if err := b.Add(m.node(w, name, entries[name])); err != nil {
			m.t.Fatal(err)
		}
	}
	return m.save(w, blob.Tree, b.Bytes())
}

func (m *made) save(w *repository.Writer, t blob.Type, plain []byte) id.ID {
	m.t.Helper()
	saved, err := w.Save(m.t.Context(), t, plain)
	if err != nil {
		m.t.Fatal(err)
	}
	return saved.ID
}

func (m *made) node(w *repository.Writer, name string, e entry) *tree.Node {
	n := &tree.Node{
		Name: name, Type: tree.File, Mode: 0o644, ModTime: time.Unix(1e9, 5), AccessTime: time.Unix(1e9, 6), ChangeTime: time.Unix(1e9, 7),
		User: "ann", UID: 1000, GID: 100, Inode: e.inode, Links: max(e.links, 1), DeviceID: e.links / 2, Content: []id.ID{},
	}
	for _, x := range e.xattrs {
		n.ExtendedAttributes = append(n.ExtendedAttributes, tree.ExtendedAttribute{Name: "user." + x, Value: []byte(x)})
	}
	switch {
	case e.entries != nil:
		sub := m.folder(w, e.entries)
		n.Type, n.Subtree, n.Content, n.Mode, n.Links = tree.Dir, &sub, nil, os.ModeDir|0o755, 2
	case e.target != "":
		n.Type, n.LinkTarget, n.Content, n.Mode = tree.Symlink, e.target, nil, os.ModeSymlink|0o777
	default:
		n.Size = uint64(len(e.content))
		for piece := range slices.Chunk([]byte(e.content), 300_000) {
			n.Content = append(n.Content, m.save(w, blob.Data, piece))
		}
	}
	if e.mode != 0 {
		n.Mode = n.Mode&^0o777 | os.FileMode(e.mode)
	}
	return n
}

// described writes down all of a tree that archives keep.
func (m *made) described(root id.ID) string {
	m.t.Helper()
	var b strings.Builder
	m.describe(&b, "", root, make(map[file]string))
	return b.String()
}

func (m *made) describe(b *strings.Builder, path string, folder id.ID, names map[file]string) {
	m.t.Helper()
	data, err := m.repo.LoadTree(m.t.Context(), folder, nil)
	if err != nil {
		m.t.Fatal(err)
	}
	s := tree.NewScanner(data)
	for s.Next() {
		n := *s.Node()
		at := join(path, n.Name)
		var content bytes.Buffer
		for _, i := range n.Content {
			plain, err := m.repo.LoadBlob(m.t.Context(), blob.Handle{ID: i, Type: blob.Data}, nil)
			if err != nil {
				m.t.Fatal(err)
			}
			content.Write(plain)
		}
		first := ""
		if f, ok := hasLinks(&n); ok {
			if names[f] == "" {
				names[f] = at
			}
			first = names[f]
		}
		bare := n
		bare.Content, bare.Subtree, bare.Inode, bare.DeviceID = nil, nil, 0, 0
		fmt.Fprintf(b, "%q first %q %s %x\n", at, first, tree.AppendNode(nil, &bare), id.Hash(content.Bytes()))
		if n.Type == tree.Dir {
			m.describe(b, at, *n.Subtree, names)
		}
	}
	if s.Err() != nil {
		m.t.Fatal(s.Err())
	}
}

// key is a key pair.
type key struct {
	keys Keys
	ids  Identities
}

func makeKey(t testing.TB) key {
	t.Helper()
	secret, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	var k key
	if err := k.keys.AddRecipient(secret.Recipient().String()); err != nil {
		t.Fatal(err)
	}
	k.ids.list = []age.Identity{secret}
	return k
}

// options are those of an export to a name, which tests change.
func options(name string, k key, parent *Manifest) Options {
	o := Options{Name: name, Kind: Full, Parent: parent, Keys: k.keys, SplitBytes: MinSplit, Program: "test", Warn: func(string, error) {}}
	if parent != nil {
		o.Kind = Incremental
	}
	return o
}

func (m *made) export(s *snapshot.Snapshot, to storage.Store, o Options) *Manifest {
	m.t.Helper()
	got, err := Export(m.t.Context(), m.repo, s, Shelf{Store: to}, o)
	if err != nil {
		m.t.Fatal(err)
	}
	return got
}

// imported imports an archive into a fresh repository, and returns the last
// snapshot.
func imported(t testing.TB, from storage.Store, name string, k key) (*made, *snapshot.Snapshot) {
	t.Helper()
	m := makeRepository(t)
	chain, err := Chain(t.Context(), name, []Shelf{{Store: from}})
	if err != nil {
		t.Fatal(err)
	}
	var last *snapshot.Snapshot
	err = Import(t.Context(), m.repo, chain, ImportOptions{Identities: k.ids}, func(i Imported) { last = i.Snapshot })
	if err != nil {
		t.Fatal(err)
	}
	return m, last
}

// noise returns content that does not compress.
func noise(seed uint64, n int) string {
	rng := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	b := make([]byte, n)
	rng.Read(b)
	return string(b)
}

var noon = time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.UTC)

// example is a folder with a bit of everything.
func example() map[string]entry {
	return map[string]entry{
		"a": {content: "short"}, "big": {content: noise(1, 1_000_000)}, "empty": {},
		"dir":    {entries: map[string]entry{"in": {content: noise(2, 1000), inode: 7, links: 2}, "link": {target: "../a"}, "none": {entries: map[string]entry{}}}},
		"second": {content: noise(2, 1000), inode: 7, links: 2},
		"x\xff":  {content: "bytes", xattrs: []string{"one", "two"}},
	}
}
