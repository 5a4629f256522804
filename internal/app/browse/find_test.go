package browse

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"holdfast/internal/api"
	"holdfast/repository/tree"
	"holdfast/storage/fault"
)

// search returns what was found, as lines of the hour of the snapshot and path.
func (o *world) search(b *Browser, q api.FindQuery) []string {
	o.t.Helper()
	var got []string
	q.Repository = "main"
	err := b.Find(o.t.Context(), q, func(f api.Found) error {
		if f.Damage != nil {
			o.t.Errorf("damage: %+v", f.Damage)
		}
		got = append(got, fmt.Sprintf("%d %s", int(f.Snapshot.Time.Sub(aTime).Hours()), f.Entry.Path))
		return nil
	})
	if err != nil {
		o.t.Error(err)
	}
	return got
}

func TestFindTellsEachVersionOnce(t *testing.T) {
	o := newWorld(t)
	m := o.repository("main")
	same := m.folder("same", m.file("Letter.odt", "1"), m.file("other", "2"))
	m.snapshot(0, m.raw(m.file("letter.odt", "old"), same), of("home", "docs"))
	m.snapshot(1, m.raw(m.file("letter.odt", "new"), same), of("home", "docs"))
	m.snapshot(2, m.raw(m.file("letter.odt", "new"), m.file("added", "3"), same), of("home", "docs"))
	moved := same
	moved.Name = "moved"
	m.snapshot(3, m.raw(moved), of("work", "docs"))
	b := o.browser(quick)
	for pattern, want := range map[string][]string{
		"LETTER":         {"3 /moved/Letter.odt", "2 /letter.odt", "2 /same/Letter.odt", "0 /letter.odt"},
		"*.ODT":          {"3 /moved/Letter.odt", "2 /letter.odt", "2 /same/Letter.odt", "0 /letter.odt"},
		"/same/*.odt":    {"2 /same/Letter.odt"},
		"same/letter*":   {"2 /same/Letter.odt"},
		"/**/letter.odt": {"3 /moved/Letter.odt", "2 /letter.odt", "2 /same/Letter.odt", "0 /letter.odt"},
		"same":           {"2 /same"},
		"nothing":        nil,
	} {
		if got := o.search(b, api.FindQuery{Pattern: pattern}); !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", pattern, got, want)
		}
	}
	if got := o.search(b, api.FindQuery{Pattern: "letter", SnapshotQuery: api.SnapshotQuery{Plan: "home"}, Limit: 1}); !slices.Equal(got, []string{"2 /letter.odt"}) {
		t.Errorf("got %q", got)
	}
	for _, bad := range []string{"", " ", "[", `\`} {
		if err := b.Find(t.Context(), api.FindQuery{Pattern: bad, SnapshotQuery: api.SnapshotQuery{Repository: "main"}}, nil); !errors.Is(err, api.ErrInvalid) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// The versions of a path are those of that path alone, whatever it looks like.
func TestFindVersionsOfAPath(t *testing.T) {
	o := newWorld(t)
	m := o.repository("main")
	const odd = "a*[b]?\\ \xff"
	m.snapshot(0, m.raw(m.folder("in", m.file(odd, "old"), m.file("a-b", "other"))), of("home", "docs"))
	m.snapshot(1, m.raw(m.folder("in", m.file(odd, "new"))), of("home", "docs"))
	m.snapshot(2, m.raw(m.folder("in", m.file(odd, "new")), m.file(odd, "elsewhere")), of("home", "docs"))
	b := o.browser(quick)
	text := api.PathText("/in/" + odd)
	if got, want := o.search(b, api.FindQuery{Path: text}), []string{"2 " + text, "0 " + text}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := o.search(b, api.FindQuery{Path: "/in"}); !slices.Equal(got, []string{"2 /in"}) {
		t.Errorf("got %q", got)
	}
	if got := o.search(b, api.FindQuery{Path: "/in/nothing"}); got != nil {
		t.Errorf("got %q", got)
	}
}

// A search of many snapshots reads each folder once, and ends with its client.
func TestASearchReadsEachFolderOnce(t *testing.T) {
	o := newWorld(t)
	m := o.repository("main")
	var folders []tree.Node
	for n := range 20 {
		folders = append(folders, m.folder(fmt.Sprintf("d%02d", n), m.file("f", fmt.Sprint(n))))
	}
	for hour := range 50 {
		m.snapshot(hour, m.raw(append(slices.Clone(folders), m.file("now", fmt.Sprint(hour)))...), nil)
	}
	b := o.browser(quick)
	if _, err := b.Entries(t.Context(), api.EntryQuery{Repository: "main", Snapshot: "latest"}); err != nil {
		t.Fatal(err)
	}
	for _, pattern := range []string{"none", "/d*/none", "f"} {
		before := o.faulty("main").Count()
		found := o.search(b, api.FindQuery{Pattern: pattern})
		// The 50 roots differ; lists of files and holds are some more.
		if n := o.faulty("main").Count() - before; n > 50+20+20 {
			t.Errorf("%s: %d operations for %d results", pattern, n, len(found))
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	err := b.Find(ctx, api.FindQuery{Pattern: "now", SnapshotQuery: api.SnapshotQuery{Repository: "main"}}, func(api.Found) error { cancel(); return nil })
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	full := errors.New("full")
	err = b.Find(t.Context(), api.FindQuery{Pattern: "now", SnapshotQuery: api.SnapshotQuery{Repository: "main"}}, func(api.Found) error { return full })
	if !errors.Is(err, full) {
		t.Error(err)
	}
}

func TestDiff(t *testing.T) {
	o := newWorld(t)
	m := o.repository("main")
	read := m.file("read", "5")
	readLater := read
	readLater.AccessTime = aTime.AddDate(1, 0, 0)
	opened := m.file("opened", "6")
	openedMore := opened
	openedMore.Mode = 0o666
	one := m.snapshot(0, m.raw(m.folder("home", m.folder("gone", m.file("in it", "1")), m.file("grown", "short"), opened, read)), nil)
	link := tree.Node{Name: "gone", Type: tree.Symlink, LinkTarget: "x"}
	two := m.snapshot(1, m.raw(m.folder("home", m.file("added\n", "22"), link, m.file("grown", "longer"), openedMore, readLater)), nil)
	b := o.browser(quick)
	for _, path := range []string{"/", "/home"} {
		var got []string
		err := b.Diff(t.Context(), api.DiffQuery{Repository: "main", From: one.ID.String(), To: two.ID.String(), Path: path}, func(d api.Difference) error {
			got = append(got, fmt.Sprintf("%s %s %s %d>%d", d.Change, d.Kind, d.Path, d.Before, d.After))
			return nil
		})
		want := []string{
			`added file /home/added\x0a 0>2`, "type symlink /home/gone 0>0", "removed file /home/gone/in it 1>0", "changed file /home/grown 5>6", "metadata file /home/opened 1>1",
		}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: got %s, %v", path, strings.Join(got, "\n"), err)
		}
	}
	n := 0
	err := b.Diff(t.Context(), api.DiffQuery{Repository: "main", From: one.ID.String(), To: two.ID.String(), Limit: 2}, func(api.Difference) error { n++; return nil })
	if err != nil || n != 2 {
		t.Errorf("%d, %v", n, err)
	}
	if err := b.Diff(t.Context(), api.DiffQuery{Repository: "main", From: one.ID.String(), To: two.ID.String(), Path: "/home/grown"}, nil); !errors.Is(err, api.ErrInvalid) {
		t.Error(err)
	}
	// A store that fails is no damage.
	fresh := o.browser(quick)
	if _, err := fresh.Snapshots(t.Context(), api.SnapshotQuery{Repository: "main"}); err != nil {
		t.Fatal(err)
	}
	o.faulty("main").Add(fault.Rule{Op: fault.OpGet, Prefix: "data/", Fault: fault.Before(errors.New("cable cut"))})
	err = fresh.Diff(t.Context(), api.DiffQuery{Repository: "main", From: one.ID.String(), To: two.ID.String()}, func(d api.Difference) error {
		t.Errorf("%+v", d)
		return nil
	})
	if !errors.Is(err, api.ErrUnavailable) {
		t.Error(err)
	}
	err = fresh.Find(t.Context(), api.FindQuery{Pattern: "x", SnapshotQuery: api.SnapshotQuery{Repository: "main"}}, func(f api.Found) error {
		t.Errorf("%+v", f)
		return nil
	})
	if !errors.Is(err, api.ErrUnavailable) {
		t.Error(err)
	}
}
