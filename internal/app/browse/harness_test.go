package browse

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"holdfast/internal/app"
	"holdfast/internal/config"
	"holdfast/internal/secret"
	"holdfast/repository"
	"holdfast/repository/blob"
	"holdfast/repository/id"
	"holdfast/repository/snapshot"
	"holdfast/repository/tree"
	"holdfast/storage"
	"holdfast/storage/fault"
	"holdfast/storage/local"
)

var discard = slog.New(slog.DiscardHandler)

// world is a configuration with repositories in folders of this machine.
type world struct {
	t   testing.TB
	cfg *config.Config
	dir string

	mu sync.Mutex
	// faults are in front of the stores, by URL, as the Browser opens them.
	faults map[string]*fault.Store
}

func newWorld(t testing.TB) *world {
	t.Helper()
	dir := t.TempDir()
	password := filepath.Join(dir, "password")
	if err := os.WriteFile(password, []byte("pw\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return &world{t: t, dir: dir, faults: make(map[string]*fault.Store), cfg: &config.Config{
		Path: filepath.Join(dir, "holdfast.yaml"), Repositories: make(map[string]config.Repository),
		Plans: make(map[string]config.Plan), Sources: make(map[string]config.Source),
	}}
}

// maker writes into a repository by hand.
type maker struct {
	t   testing.TB
	r   *repository.Repository
	w   *repository.Writer
	dir string
}

// repository makes a repository and names it in the configuration.
func (o *world) repository(name string) *maker {
	o.t.Helper()
	dir := filepath.Join(o.dir, name)
	store, err := local.Create(dir)
	if err != nil {
		o.t.Fatal(err)
	}
	r, err := repository.Init(o.t.Context(), store, repository.InitOptions{
		Password: []byte("pw"), KeyCost: repository.KeyCost{N: 2, R: 1, P: 1},
	}, repository.Options{})
	if err == nil {
		err = r.LoadIndex(o.t.Context())
	}
	if err != nil {
		o.t.Fatal(err)
	}
	o.t.Cleanup(func() { r.Close() })
	o.cfg.Repositories[name] = config.Repository{URL: dir, Password: secret.Ref{File: filepath.Join(o.dir, "password")}}
	m := &maker{t: o.t, r: r, dir: dir}
	m.begin()
	return m
}

func (m *maker) begin() {
	m.t.Helper()
	w, err := m.r.NewWriter(m.t.Context(), repository.WriterOptions{})
	if err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() { w.Close() })
	m.w = w
}

func (m *maker) save(t blob.Type, plain []byte) id.ID {
	m.t.Helper()
	saved, err := m.w.Save(m.t.Context(), t, plain)
	if err != nil {
		m.t.Fatal(err)
	}
	return saved.ID
}

var aTime = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// file stores content in pieces.
func (m *maker) file(name string, pieces ...string) tree.Node {
	n := tree.Node{Name: name, Type: tree.File, Mode: 0o644, ModTime: aTime, User: "ann", Group: "users", Links: 1, Content: []id.ID{}}
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

func (m *maker) folder(name string, nodes ...tree.Node) tree.Node {
	i := m.raw(nodes...)
	return tree.Node{Name: name, Type: tree.Dir, Mode: os.ModeDir | 0o755, ModTime: aTime, User: "ann", Group: "users", Subtree: &i}
}

// snapshot stores a snapshot of a tree that was taken so many hours after the
// first.
func (m *maker) snapshot(hour int, root id.ID, change func(*snapshot.Snapshot)) *snapshot.Snapshot {
	m.t.Helper()
	if err := m.w.Flush(m.t.Context()); err != nil {
		m.t.Fatal(err)
	}
	s := &snapshot.Snapshot{Time: aTime.Add(time.Duration(hour) * time.Hour), Tree: root, Paths: []string{"/data"}, Hostname: "www"}
	if change != nil {
		change(s)
	}
	if err := m.r.SaveSnapshot(m.t.Context(), s); err != nil {
		m.t.Fatal(err)
	}
	return s
}

func of(plan, source string) func(*snapshot.Snapshot) {
	return func(s *snapshot.Snapshot) {
		s.SetPlan(plan)
		s.SetSource(source)
	}
}

// quick are limits with which tests need not wait.
var quick = limits{keepFor: time.Hour, answerWithin: time.Minute, patience: time.Millisecond}

// browser returns a Browser of the configuration.
func (o *world) browser(l limits) *Browser {
	o.t.Helper()
	b := New(Options{Config: func() *config.Config { return o.cfg }, CacheDir: filepath.Join(o.dir, "cache"), Log: discard})
	b.limits = l
	b.open = func(ctx context.Context, url string, so app.StoreOptions) (storage.Store, error) {
		s, err := app.OpenStore(ctx, url, so)
		if err != nil {
			return nil, err
		}
		o.mu.Lock()
		defer o.mu.Unlock()
		f := fault.New(s, 1)
		if before := o.faults[url]; before != nil {
			if f = before; f.Store == nil { // a store that is used stays: an old view may still read it
				f.Store = s
			}
		}
		o.faults[url] = f
		return f, nil
	}
	o.t.Cleanup(func() {
		if err := b.Close(); err != nil {
			o.t.Error(err)
		}
	})
	return b
}

// faulty returns what stands in front of a repository's store.
func (o *world) faulty(name string) *fault.Store {
	o.mu.Lock()
	defer o.mu.Unlock()
	url := o.cfg.Repositories[name].URL
	if o.faults[url] == nil {
		o.faults[url] = fault.New(nil, 1)
	}
	return o.faults[url]
}

// plan adds a plan of a source of files.
func (o *world) plan(name, source, repository string, copies ...string) {
	p := config.Plan{Sources: []string{source}, Repository: repository}
	for _, to := range copies {
		p.Copies = append(p.Copies, config.Copy{To: to})
	}
	o.cfg.Plans[name] = p
	o.cfg.Sources[source] = config.Source{Files: &config.Files{Paths: []string{"/srv/" + source}}}
}

// damage flips a byte in the middle of the pack that holds a blob.
func (m *maker) damage(h blob.Handle) {
	m.t.Helper()
	if err := m.r.LoadIndex(m.t.Context()); err != nil {
		m.t.Fatal(err)
	}
	l, ok := m.r.Index().Lookup(h)
	if !ok {
		m.t.Fatal(fmt.Errorf("%s is not there", h))
	}
	path := filepath.Join(m.dir, filepath.FromSlash(repository.PackFile.Key(l.Pack)))
	if err := os.Chmod(path, 0o600); err != nil {
		m.t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		m.t.Fatal(err)
	}
	defer f.Close()
	b := make([]byte, 1)
	at := int64(l.Offset) + int64(l.Length)/2
	if _, err := f.ReadAt(b, at); err != nil {
		m.t.Fatal(err)
	}
	b[0] ^= 1
	if _, err := f.WriteAt(b, at); err != nil {
		m.t.Fatal(err)
	}
}
