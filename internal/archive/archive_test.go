package archive

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast/repository"
	"holdfast/repository/snapshot"
	"holdfast/storage"
	"holdfast/storage/fault"
	"holdfast/storage/mem"
)

func TestRoundTrip(t *testing.T) {
	m, k, to := makeRepository(t), makeKey(t), mem.New()
	s := m.snapshot(noon, example())
	got := m.export(s, to, options("one", k, nil))
	if len(got.Parts) < 15 || got.Kind != Full || got.Entries != 9 {
		t.Errorf("%+v", got)
	}
	back, last := imported(t, to, "one", k)
	if got, want := back.described(last.Tree), m.described(s.Tree); got != want {
		t.Errorf("came back\n%s\nwant\n%s", got, want)
	}
	if !last.Time.Equal(noon) || last.Hostname != "ada" || !slices.Equal(last.Paths, s.Paths) || !slices.Equal(last.Tags, s.Tags) ||
		!slices.Equal(last.Excludes, s.Excludes) || *last.Original != s.ID {
		t.Errorf("the snapshot came back as %+v", last)
	}
}

// The tar.zst inside depends on the snapshot alone.
func TestInnerBytesAreTheSame(t *testing.T) {
	m, k, to := makeRepository(t), makeKey(t), mem.New()
	s := m.snapshot(noon, example())
	first := m.export(s, to, options("first", k, nil))
	for n, procs := range []int{1, 2, 7} {
		before := runtime.GOMAXPROCS(procs)
		o := options(fmt.Sprint("again", n), makeKey(t), nil)
		o.SplitBytes = MinSplit << n
		again := m.export(s, to, o)
		runtime.GOMAXPROCS(before)
		if again.Inner != first.Inner || again.TarBytes != first.TarBytes {
			t.Errorf("with %d processors %v, before %v", procs, again.Inner, first.Inner)
		}
	}
}

// chainOf exports a row of states, each relative to the one before.
func chainOf(m *made, to storage.Store, k key, states ...map[string]entry) (names []string, last *snapshot.Snapshot) {
	m.t.Helper()
	var parent *Manifest
	for n, state := range states {
		last = m.snapshot(noon.Add(time.Duration(n)*time.Hour), state)
		parent = m.export(last, to, options(fmt.Sprint("link", n), k, parent))
		names = append(names, parent.Name)
	}
	return names, last
}

func TestHardLinksAcrossAChain(t *testing.T) {
	file := func(inode, links uint64) entry { return entry{content: "same", inode: inode, links: links} }
	m, k, to := makeRepository(t), makeKey(t), mem.New()
	names, last := chainOf(m, to, k,
		map[string]entry{"d1": {entries: map[string]entry{"a": file(1, 2), "d": file(2, 2)}}, "d2": {entries: map[string]entry{"b": file(1, 2), "c": file(2, 2)}}},
		// d1 is as before, but what is linked to what is not.
		map[string]entry{"d1": {entries: map[string]entry{"a": file(1, 2), "d": file(2, 2)}}, "d2": {entries: map[string]entry{"b": file(2, 2), "c": file(1, 2)}}},
	)
	back, got := imported(t, to, names[1], k)
	if got, want := back.described(got.Tree), m.described(last.Tree); got != want {
		t.Errorf("came back\n%s\nwant\n%s", got, want)
	}
	in, err := open(t.Context(), Placed{mustLoad(t, to, names[1]), Shelf{Store: to}}, k.ids, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer in.close()
	var all []string
	for h, err := in.Next(); err == nil; h, err = in.Next() {
		all = append(all, h.Name+">"+h.Linkname)
	}
	want := []string{DeletionsName + ">", "d1/>", "d1/a>", "d1/d>", "d2/>", "d2/b>d1/d", "d2/c>d1/a"}
	if !slices.Equal(all, want) {
		t.Errorf("the archive has %q, want %q", all, want)
	}
}

func mustLoad(t testing.TB, s storage.Store, name string) *Manifest {
	t.Helper()
	m, err := Shelf{Store: s}.Load(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestBrokenChains(t *testing.T) {
	m, k, to := makeRepository(t), makeKey(t), mem.New()
	state := example()
	names, _ := chainOf(m, to, k, state, map[string]entry{"a": {content: "other"}}, map[string]entry{})
	remove := func(t *testing.T, s storage.Store, name string) {
		t.Helper()
		err := s.List(t.Context(), name+"/", func(i storage.Info) error { return s.Delete(t.Context(), i.Key) })
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Run("a link is missing", func(t *testing.T) {
		s := to.Clone()
		remove(t, s, names[1])
		_, err := Chain(t.Context(), names[2], []Shelf{{Store: s}})
		if !errors.Is(err, ErrBrokenChain) || !strings.Contains(err.Error(), names[1]) {
			t.Error(err)
		}
		// It lies elsewhere.
		if chain, err := Chain(t.Context(), names[2], []Shelf{{Store: s}, {Store: to}}); err != nil || len(chain) != 3 {
			t.Error(chain, err)
		}
	})
	t.Run("a link is another archive", func(t *testing.T) {
		s := to.Clone()
		remove(t, s, names[0])
		m.export(m.snapshot(noon, map[string]entry{"b": {}}), s, options(names[0], k, nil))
		_, err := Chain(t.Context(), names[2], []Shelf{{Store: s}})
		if !errors.Is(err, ErrBrokenChain) || !strings.Contains(err.Error(), "another archive") {
			t.Error(err)
		}
	})
	t.Run("links that need each other", func(t *testing.T) {
		s := to.Clone()
		forged := mustLoad(t, s, names[0])
		forged.Kind, forged.Parent = Incremental, &Link{names[1], mustLoad(t, s, names[1]).Inner.SHA256}
		remove(t, s, names[0])
		if err := store(t.Context(), Shelf{Store: s}, forged, new(partWriter)); err != nil {
			t.Fatal(err)
		}
		watched := fault.New(s, 1)
		_, err := Chain(t.Context(), names[2], []Shelf{{Store: watched}})
		if !errors.Is(err, ErrBrokenChain) || watched.Count() > 10 {
			t.Errorf("%d requests, %v", watched.Count(), err)
		}
	})
	t.Run("there is none of that name", func(t *testing.T) {
		if _, err := Chain(t.Context(), "none", []Shelf{{Store: to}}); !errors.Is(err, storage.ErrNotFound) {
			t.Error(err)
		}
	})
}

// Whatever happens to an object of an archive is found, by whoever has the
// key and by whoever has not.
func TestDamageIsFound(t *testing.T) {
	m, k, to := makeRepository(t), makeKey(t), mem.New()
	m.export(m.snapshot(noon, example()), to, options("one", k, nil))
	var keys []string
	if err := to.List(t.Context(), "", func(i storage.Info) error { keys = append(keys, i.Key); return nil }); err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		data, err := storage.ReadAll(t.Context(), to, key)
		if err != nil {
			t.Fatal(err)
		}
		flipped := slices.Clone(data)
		flipped[len(data)/3] ^= 1
		for name, now := range map[string][]byte{
			"flipped": flipped, "cut": data[:len(data)-1], "empty": {}, "longer": append(slices.Clone(data), 0), "gone": nil,
		} {
			t.Run(key+" "+name, func(t *testing.T) {
				s := to.Clone()
				if err := s.Delete(t.Context(), key); err != nil {
					t.Fatal(err)
				}
				if now != nil {
					if err := s.Put(t.Context(), key, storage.Bytes(now), storage.PutOptions{}); err != nil {
						t.Fatal(err)
					}
				}
				for _, ids := range []Identities{k.ids, {}} {
					if err := loadAndVerify(t.Context(), s, "one", ids); !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrIncomplete) {
						t.Errorf("with keys %v: %v", !ids.IsZero(), err)
					}
				}
			})
		}
	}
}

// A copy of a part beside the parts is no damage to us, and the end of a restore
// with the plain tools.
func TestStrayParts(t *testing.T) {
	m, k, to := makeRepository(t), makeKey(t), mem.New()
	m.export(m.snapshot(noon, example()), to, options("one", k, nil))
	for _, stray := range []string{"one.tar.zst.age.bak", "one.tar.zst.age.999", "one-before"} {
		s := to.Clone()
		if err := s.Put(t.Context(), "one/"+stray, storage.Bytes([]byte("x")), storage.PutOptions{}); err != nil {
			t.Fatal(err)
		}
		if err := loadAndVerify(t.Context(), s, "one", k.ids); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), stray) {
			t.Errorf("%s: %v", stray, err)
		}
	}
	if err := to.Put(t.Context(), "one/README", storage.Bytes([]byte("x")), storage.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := loadAndVerify(t.Context(), to, "one", k.ids); err != nil {
		t.Errorf("a file that nobody takes for a part: %v", err)
	}
}

func loadAndVerify(ctx context.Context, s storage.Store, name string, ids Identities) error {
	m, err := Shelf{Store: s}.Load(ctx, name)
	if err == nil {
		_, err = Verify(ctx, Placed{m, Shelf{Store: s}}, ids, nil)
	}
	return err
}

// A manifest that was made to fit other parts does not fit what is inside.
func TestForgedManifest(t *testing.T) {
	m, k, to := makeRepository(t), makeKey(t), mem.New()
	m.export(m.snapshot(noon, example()), to, options("one", k, nil))
	at := Placed{mustLoad(t, to, "one"), Shelf{Store: to}}
	for name, forge := range map[string]func(m *Manifest){
		"time":   func(m *Manifest) { m.Snapshot.Time = m.Snapshot.Time.Add(1) },
		"inner":  func(m *Manifest) { m.Inner.SHA256[0] ^= 1 },
		"parent": func(m *Manifest) { m.Kind, m.Parent = Incremental, &Link{Name: "two"} },
		"length": func(m *Manifest) { m.TarBytes++ },
		"count":  func(m *Manifest) { m.Entries++ },
	} {
		forged := *at.Manifest
		forge(&forged)
		if _, err := Verify(t.Context(), Placed{&forged, at.Shelf}, k.ids, nil); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWrongKey(t *testing.T) {
	m, k, to := makeRepository(t), makeKey(t), mem.New()
	m.export(m.snapshot(noon, example()), to, options("one", k, nil))
	err := loadAndVerify(t.Context(), to, "one", makeKey(t).ids)
	if err == nil || errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), k.keys.public[0]) {
		t.Error(err)
	}
}

// An export that dies at any moment leaves nothing that is taken for an
// archive, and can be begun again.
func TestDyingExports(t *testing.T) {
	m, k := makeRepository(t), makeKey(t)
	s := m.snapshot(noon, map[string]entry{"a": {content: noise(1, 200_000)}})
	fault.Replay{
		Fresh: func() storage.Store { return mem.New() },
		Job: func(ctx context.Context, to storage.Store) error {
			_, err := Export(ctx, m.repo, s, Shelf{Store: to}, options("one", k, nil))
			return err
		},
		Check: func(t *testing.T, left storage.Store) {
			t.Helper()
			list, err := Shelf{Store: left}.List(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, a := range list {
				if a.Err == nil { // then it is whole
					if err := loadAndVerify(t.Context(), left, a.Name, k.ids); err != nil {
						t.Error(err)
					}
					return
				}
			}
			o := options("one", k, nil)
			if len(list) > 0 {
				if _, err := Export(t.Context(), m.repo, s, Shelf{Store: left}, o); err == nil {
					t.Error("what is left of another export was not noticed")
				}
				if _, ok := errorsOf(list); !ok {
					return // a torn SHA256SUMS: damage, for somebody to look at
				}
			}
			o.Restart = true
			if _, err := Export(t.Context(), m.repo, s, Shelf{Store: left}, o); err != nil {
				t.Error(err)
			}
		},
	}.Run(t)
}

// errorsOf tells whether all archives are merely incomplete.
func errorsOf(list []Listed) (error, bool) {
	for _, a := range list {
		if !errors.Is(a.Err, ErrIncomplete) {
			return a.Err, false
		}
	}
	return nil, true
}

// An export that fails removes what it stored.
func TestFailingExportLeavesNothing(t *testing.T) {
	m, k := makeRepository(t), makeKey(t)
	s := m.snapshot(noon, map[string]entry{"a": {content: noise(1, 200_000)}})
	for skip := range 6 {
		to := mem.New()
		failing := fault.New(to, 1, fault.Rule{Op: fault.OpPut, Skip: skip, Fault: fault.Before(errors.New("no luck"))})
		if _, err := Export(t.Context(), m.repo, s, Shelf{Store: failing}, options("one", k, nil)); err == nil {
			t.Fatal("the export did not fail")
		}
		if files, err := (Shelf{Store: to}).files(t.Context(), "one"); err != nil || len(files) > 0 {
			t.Errorf("left: %v, %v", files, err)
		}
	}
}

// A damaged repository gives no archive.
func TestDamagedRepository(t *testing.T) {
	m, k, to := makeRepository(t), makeKey(t), mem.New()
	s := m.snapshot(noon, example())
	err := m.store.List(t.Context(), "data/", func(i storage.Info) error {
		data, err := storage.ReadAll(t.Context(), m.store, i.Key)
		if err != nil {
			return err
		}
		for n := range data[:len(data)/2] {
			data[n] ^= 1
		}
		return errors.Join(m.store.Delete(t.Context(), i.Key), m.store.Put(t.Context(), i.Key, storage.Bytes(data), storage.PutOptions{}))
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Export(t.Context(), m.repo, s, Shelf{Store: to}, options("one", k, nil)); !repository.IsCorrupt(err) {
		t.Errorf("exported from a damaged repository: %v", err)
	}
	if files, err := (Shelf{Store: to}).files(t.Context(), "one"); err != nil || len(files) > 0 {
		t.Errorf("left: %v, %v", files, err)
	}
}

func TestRefusals(t *testing.T) {
	m, k, to := makeRepository(t), makeKey(t), mem.New()
	s := m.snapshot(noon, map[string]entry{"a": {}, DeletionsName: {content: "mine"}})
	m.export(s, to, options("one", k, nil))
	empty := m.export(m.snapshot(noon, map[string]entry{}), to, options("empty", k, nil))
	for name, try := range map[string]struct {
		change func(o *Options) Shelf
		want   string
	}{
		"the name is taken":      {func(*Options) Shelf { return Shelf{Store: to} }, "has an archive one already"},
		"taken, with restart":    {func(o *Options) Shelf { o.Restart = true; return Shelf{Store: to} }, "has an archive one already"},
		"the place":              {func(*Options) Shelf { return Shelf{Store: m.store} }, "is a repository"},
		"no key":                 {func(o *Options) Shelf { o.Keys = Keys{}; return Shelf{Store: mem.New()} }, "nobody could open"},
		"a bad name":             {func(o *Options) Shelf { o.Name = "../x"; return Shelf{Store: mem.New()} }, "want letters"},
		"what cat m* takes":      {func(o *Options) Shelf { o.Name = "m"; return Shelf{Store: mem.New()} }, "choose a longer name"},
		"what cat SHA* takes":    {func(o *Options) Shelf { o.Name = "SHA256"; return Shelf{Store: mem.New()} }, "choose a longer name"},
		"tiny parts":             {func(o *Options) Shelf { o.SplitBytes = 5; return Shelf{Store: mem.New()} }, "too small"},
		"the list's name is one": {func(o *Options) Shelf { o.Name, o.Kind, o.Parent = "two", Incremental, empty; return Shelf{Store: to} }, "keep their list"},
	} {
		o := options("one", k, nil)
		shelf := try.change(&o)
		if _, err := Export(t.Context(), m.repo, s, shelf, o); err == nil || !strings.Contains(err.Error(), try.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPartNamesSort(t *testing.T) {
	var names []string
	for n := range 12_000 {
		names = append(names, PartName("a", n, 12_000))
	}
	if !slices.IsSorted(names) || len(slices.Compact(names)) != 12_000 || names[0] != "a.tar.zst.age.000" || names[901] != "a.tar.zst.age.90001" {
		t.Errorf("names %s %s %s", names[0], names[899], names[901])
	}
	if got := PartName("a", 0, 1); got != "a.tar.zst.age" {
		t.Error(got)
	}
}

// An archive of a snapshot that the repository has is not read again.
func TestImportOfWhatIsThere(t *testing.T) {
	m, k, to := makeRepository(t), makeKey(t), mem.New()
	s := m.snapshot(noon, example())
	m.export(s, to, options("one", k, nil))
	chain, err := Chain(t.Context(), "one", []Shelf{{Store: to}})
	if err != nil {
		t.Fatal(err)
	}
	watch := new(Progress)
	o := ImportOptions{Identities: k.ids, Snapshots: []*snapshot.Snapshot{s}, Progress: watch}
	var got Imported
	if err := Import(t.Context(), m.repo, chain, o, func(i Imported) { got = i }); err != nil {
		t.Fatal(err)
	}
	if !got.Known || got.Snapshot.ID != s.ID {
		t.Errorf("imported %+v", got)
	}
	var other Identities
	o.Identities = other
	if err := Import(t.Context(), m.repo, chain, o, func(Imported) {}); err == nil {
		t.Error("the label was believed without a key")
	}
}
