package browse

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"holdfast/internal/api"
	"holdfast/repository/blob"
	"holdfast/repository/id"
	"holdfast/repository/tree"
)

func names(page *api.EntryPage) string {
	var list []string
	for _, e := range page.Entries {
		list = append(list, e.Name)
	}
	return strings.Join(list, " ")
}

func TestEntriesAreSortedSearchedAndPaged(t *testing.T) {
	o := newWorld(t)
	m := o.repository("main")
	later := m.file("Beta", "22")
	later.ModTime = aTime.AddDate(1, 0, 0)
	link := tree.Node{Name: "link", Type: tree.Symlink, LinkTarget: "alpha", ModTime: aTime}
	s := m.snapshot(0, m.raw(m.folder("data", later, m.file("alpha", "333"), m.file("gamma", "1"), link, m.folder("zoo"))), nil)
	b := o.browser(quick)

	for name, c := range map[string]struct {
		q    api.EntryQuery
		want string
	}{
		"by name":       {api.EntryQuery{}, "zoo alpha Beta gamma link"},
		"by name, back": {api.EntryQuery{Sort: "-name"}, "zoo link gamma Beta alpha"},
		"by size":       {api.EntryQuery{Sort: "-size"}, "zoo alpha Beta gamma link"},
		"by time":       {api.EntryQuery{Sort: "-time"}, "zoo Beta alpha gamma link"},
		"a page":        {api.EntryQuery{Offset: 1, Limit: 2}, "alpha Beta"},
		"behind":        {api.EntryQuery{Offset: 100}, ""},
		"searched":      {api.EntryQuery{Search: "AL"}, "alpha"},
		"searched, too": {api.EntryQuery{Search: "bet"}, "Beta"},
		"nothing found": {api.EntryQuery{Search: "no"}, ""},
	} {
		c.q.Repository, c.q.Snapshot, c.q.Path = "main", s.ID.String(), "/data/"
		page, err := b.Entries(t.Context(), c.q)
		if err != nil || names(page) != c.want {
			t.Errorf("%s: got %q, %v; want %q", name, names(page), err, c.want)
		}
		if page.All != 5 || page.Path != "/data" || page.Entry.Kind != "folder" {
			t.Errorf("%s: %+v", name, page)
		}
	}

	at := func(path string) (*api.EntryPage, error) {
		return b.Entries(t.Context(), api.EntryQuery{Repository: "main", Snapshot: s.ID.String(), Path: path})
	}
	page, err := at("/data/alpha")
	if want := (api.Entry{Name: "alpha", Path: "/data/alpha", Kind: "file", Size: 3, Mode: "-rw-r--r--", Time: aTime, User: "ann", Group: "users"}); err != nil || *page.Entry != want || len(page.Entries) != 0 {
		t.Errorf("got %+v, %v", page, err)
	}
	if page, err := at("/data/link"); err != nil || page.Entry.Kind != "symlink" || page.Entry.Target != "alpha" || page.Entry.User != "0" {
		t.Errorf("got %+v, %v", page, err)
	}
	if page, err := at(""); err != nil || page.Entry != nil || names(page) != "data" {
		t.Errorf("got %+v, %v", page, err)
	}
	for path, want := range map[string]error{
		"/none": api.ErrNotFound, "/data/alpha/below": api.ErrNotFound, "/data/link/x": api.ErrNotFound,
		"/data/../data": api.ErrInvalid, "/..": api.ErrInvalid, "/data/\x00": api.ErrInvalid, `/a\b`: api.ErrInvalid,
	} {
		if _, err := at(path); !errors.Is(err, want) {
			t.Errorf("%q: %v", path, err)
		}
	}
	if _, err := b.Entries(t.Context(), api.EntryQuery{Repository: "main", Snapshot: s.ID.String(), Sort: "colour"}); !errors.Is(err, api.ErrInvalid) {
		t.Error(err)
	}
}

// Every name that a file can have is shown, and leads back to the file.
func TestHostileNames(t *testing.T) {
	o := newWorld(t)
	m := o.repository("main")
	hostile := []string{
		"bad\xff\xfe", "<script>alert(1)<script>", "line\nbreak\r\n", `back\slash`, `\xff`, "a b&c=d?e#f%2e", "\u202etxt.exe", "..x", "~", "-rf", "\x1b[31mred", "\"'`",
		strings.Repeat("n", 255), "ÄÖ", "\u00c4", "👩‍🚀",
	}
	slices.Sort(hostile)
	var nodes []tree.Node
	for _, name := range hostile {
		nodes = append(nodes, m.folder(name, m.file(name, name)))
	}
	s := m.snapshot(0, m.raw(nodes...), nil)
	b := o.browser(quick)
	ask := func(path, search string) *api.EntryPage {
		t.Helper()
		page, err := b.Entries(t.Context(), api.EntryQuery{Repository: "main", Snapshot: s.ID.String(), Path: path, Search: search})
		if err != nil {
			t.Fatalf("%q: %v", path, err)
		}
		return page
	}
	top := ask("/", "")
	if len(top.Entries) != len(hostile) {
		t.Fatalf("%d of %d are shown", len(top.Entries), len(hostile))
	}
	seen := make(map[string]bool)
	for _, e := range top.Entries {
		below := ask(e.Path, "")
		if len(below.Entries) != 1 || below.Entries[0].Name != e.Name {
			t.Fatalf("%q leads to %+v", e.Path, below.Entries)
		}
		var got string
		if err := download(t, b, api.DownloadQuery{Repository: "main", Snapshot: s.ID.String(), Path: below.Entries[0].Path}, &got); err != nil {
			t.Fatal(err)
		}
		if !slices.Contains(hostile, got) || seen[got] {
			t.Errorf("%q holds %q", e.Path, got)
		}
		seen[got] = true
		if found := ask("/", e.Name); !slices.ContainsFunc(found.Entries, func(f api.Entry) bool { return f.Name == e.Name }) {
			t.Errorf("what is shown as %q is not found by that", e.Name)
		}
	}
}

func TestDamageIsToldWithItsPath(t *testing.T) {
	o := newWorld(t)
	m := o.repository("main")
	lost := id.Random()
	gone := tree.Node{Name: "gone", Type: tree.Dir, Subtree: &lost}
	rotten := m.folder("rotten", m.file("below", "1"))
	if err := m.w.Flush(t.Context()); err != nil { // what is damaged is in a pack of its own
		t.Fatal(err)
	}
	m.begin()
	evil := m.file("../evil", "1")
	s := m.snapshot(0, m.raw(evil, m.file("a", "1"), m.file("a", "2"), gone, rotten, m.file("whole", "3")), nil)
	m.damage(blob.Handle{ID: *rotten.Subtree, Type: blob.Tree})
	b := o.browser(quick)
	at := func(path string) *api.EntryPage {
		t.Helper()
		page, err := b.Entries(t.Context(), api.EntryQuery{Repository: "main", Snapshot: s.ID.String(), Path: path})
		if err != nil {
			t.Fatalf("%q: %v", path, err)
		}
		return page
	}
	top := at("/")
	var damaged []string
	for _, d := range top.Damage {
		damaged = append(damaged, d.Path)
	}
	if names(top) != "gone rotten a whole" || !slices.Equal(damaged, []string{"/../evil", "/a"}) {
		t.Errorf("got %s, damage %+v", names(top), top.Damage)
	}
	for _, path := range []string{"/gone", "/rotten", "/rotten/below"} {
		page := at(path)
		if want := strings.TrimSuffix(path, "/below"); len(page.Damage) != 1 || page.Damage[0].Path != want || len(page.Entries) != 0 {
			t.Errorf("%s: %+v", path, page)
		}
	}
	// A search and a comparison tell of it, and go on.
	var told []string
	err := b.Find(t.Context(), api.FindQuery{SnapshotQuery: api.SnapshotQuery{Repository: "main"}, Pattern: "whole"}, func(f api.Found) error {
		if f.Damage != nil {
			told = append(told, f.Damage.Path)
		} else {
			told = append(told, f.Entry.Name)
		}
		return nil
	})
	if slices.Sort(told); err != nil || !slices.Equal(told, []string{"/../evil", "/a", "/gone", "/rotten", "whole"}) {
		t.Errorf("found %q, %v", told, err)
	}
	for _, path := range []string{"/rotten", "/rotten/below", "/gone"} {
		for _, archive := range []string{"", "tar"} {
			err := download(t, b, api.DownloadQuery{Repository: "main", Snapshot: s.ID.String(), Path: path, Archive: archive}, nil)
			if damage, ok := errors.AsType[*DamageError](err); archive != "" && path != "/rotten/below" && (!ok || damage.Path != path) {
				t.Errorf("%s %s: %v", path, archive, err)
			}
			if err == nil || errors.Is(err, api.ErrNotFound) {
				t.Errorf("%s %s: %v", path, archive, err)
			}
		}
	}
	if _, err := b.Extent(t.Context(), "main", s.ID.String(), []string{"/rotten"}); err == nil {
		t.Error("what is damaged was counted")
	}
}

func TestExtent(t *testing.T) {
	o := newWorld(t)
	m := o.repository("main")
	one, two := m.file("one", "12345"), m.file("two", "12345")
	one.Links, two.Links, one.Inode, two.Inode = 2, 2, 7, 7
	twice := m.folder("twice", m.file("f", "abc"))
	again := twice
	again.Name = "u"
	s := m.snapshot(0, m.raw(m.folder("linked", one, two), twice, again), nil)
	b := o.browser(quick)
	for paths, want := range map[string]Extent{
		"":                    {4, 11},
		"/linked":             {2, 5},
		"/twice /u":           {2, 6},
		"/twice/f":            {1, 3},
		"/twice/f /linked/tw": {},
	} {
		got, err := b.Extent(t.Context(), "main", s.ID.String(), strings.Fields(paths))
		if want == (Extent{}) {
			if !errors.Is(err, api.ErrNotFound) {
				t.Errorf("%s: %v", paths, err)
			}
			continue
		}
		if err != nil || got != want {
			t.Errorf("%s: got %+v, %v; want %+v", paths, got, err, want)
		}
	}
}

// manyFiles is a folder of so many files.
func (m *maker) manyFiles(n int) id.ID {
	nodes := make([]tree.Node, n)
	content := m.file("", "content").Content
	for k := range nodes {
		nodes[k] = tree.Node{
			Name: fmt.Sprintf("Report %07d about something.pdf", k), Type: tree.File, Mode: 0o644, ModTime: aTime, AccessTime: aTime, ChangeTime: aTime,
			UID: 1000, GID: 1000, User: "ann", Group: "users", Inode: uint64(k + 1), Size: uint64(k), Links: 1, Content: content,
		}
	}
	return m.raw(nodes...)
}

func TestAFolderOf100000Entries(t *testing.T) {
	o := newWorld(t)
	m := o.repository("main")
	s := m.snapshot(0, m.manyFiles(100_000), nil)
	b := o.browser(quick)
	page, err := b.Entries(t.Context(), api.EntryQuery{Repository: "main", Snapshot: s.ID.String(), Path: "/", Sort: "-size", Limit: 50})
	if err != nil || page.Total != 100_000 || len(page.Entries) != 50 || page.Entries[0].Size != 99_999 {
		t.Fatalf("%d, %v", page.Total, err)
	}
	page, err = b.Entries(t.Context(), api.EntryQuery{Repository: "main", Snapshot: s.ID.String(), Path: "/", Search: "REPORT 00999", Offset: 10, Limit: 10})
	if err != nil || page.Total != 100 || page.All != 100_000 || page.Entries[0].Size != 99_910 {
		t.Fatalf("%d, %v", page.Total, err)
	}
	if used := b.listings.used; used == 0 || used > listingBytes/2 {
		t.Errorf("%d bytes are kept", used)
	}
}

func BenchmarkEntriesOf100000(b *testing.B) {
	o := newWorld(b)
	m := o.repository("main")
	s := m.snapshot(0, m.manyFiles(100_000), nil)
	w := o.browser(usualLimits)
	ask := func(b *testing.B, q api.EntryQuery) {
		q.Repository, q.Snapshot, q.Path = "main", s.ID.String(), "/"
		if page, err := w.Entries(b.Context(), q); err != nil || page.All != 100_000 {
			b.Fatal(err)
		}
	}
	b.Run("read", func(b *testing.B) {
		for b.Loop() {
			w.listings.drop("main")
			ask(b, api.EntryQuery{})
		}
	})
	for _, sort := range []string{"name", "size", "-time"} {
		b.Run("sort by "+sort, func(b *testing.B) {
			for b.Loop() {
				for _, e := range w.listings.kept {
					e.Value.(*keptListing).orders = nil
				}
				ask(b, api.EntryQuery{Sort: sort})
			}
		})
	}
	b.Run("page", func(b *testing.B) {
		for b.Loop() {
			ask(b, api.EntryQuery{Offset: 50_000})
		}
	})
	b.Run("search", func(b *testing.B) {
		for b.Loop() {
			ask(b, api.EntryQuery{Search: "0099"})
		}
	})
}
