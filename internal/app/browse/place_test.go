package browse

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"holdfast/internal/api"
	"holdfast/repository"
	"holdfast/repository/blob"
	"holdfast/repository/snapshot"
	"holdfast/storage/fault"
)

// eventually waits for something that needs no more than other goroutines.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); !ok(); {
		if time.Now().After(end) {
			t.Fatal(what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// A repository that hangs is given up, opens in the end, and keeps nobody from
// looking into another one.
func TestASlowStoreHoldsNobodyUp(t *testing.T) {
	o := newWorld(t)
	for _, name := range []string{"hanging", "late", "well"} {
		m := o.repository(name)
		m.snapshot(0, m.raw(m.file("f", "1")), nil)
	}
	l := quick
	l.answerWithin = 20 * time.Millisecond
	b := o.browser(l)
	o.faulty("hanging").Add(fault.Rule{Prefix: "config", Fault: fault.Delay(time.Hour)})
	o.faulty("late").Add(fault.Rule{Prefix: "config", Times: 1, Fault: fault.Delay(time.Second)})
	look := func(name string) error {
		_, err := b.Snapshots(t.Context(), api.SnapshotQuery{Repository: name})
		return err
	}
	for _, name := range []string{"hanging", "late"} {
		if err := look(name); !errors.Is(err, api.ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range []string{"well", "late"} {
		eventually(t, name+" does not open", func() bool { return look(name) == nil })
	}
	if err := look("hanging"); !errors.Is(err, api.ErrUnavailable) {
		t.Error(err)
	}
}

// A store that is down is told with what to do, is not asked again at once, and
// is, once that may have changed.
func TestAStoreThatIsDown(t *testing.T) {
	o := newWorld(t)
	m := o.repository("main")
	m.snapshot(0, m.raw(m.file("f", "1")), nil)
	l := quick
	l.askAgainAfter = time.Hour
	b := o.browser(l)
	o.faulty("main").Add(fault.Rule{Fault: fault.Before(errors.New("cable cut"))})
	ask := func() error {
		_, err := b.Entries(t.Context(), api.EntryQuery{Repository: "main", Snapshot: "latest"})
		return err
	}
	if err := ask(); !errors.Is(err, api.ErrUnavailable) || !strings.Contains(err.Error(), "cable cut") {
		t.Error(err)
	}
	n := o.faulty("main").Count()
	if err := ask(); !errors.Is(err, api.ErrUnavailable) || o.faulty("main").Count() != n {
		t.Errorf("it was asked again: %v", err)
	}
	o.faulty("main").Clear()
	b.limits.askAgainAfter = 0
	if err := ask(); err != nil {
		t.Error(err)
	}
	// What was seen goes on to be shown while the store is away, which is said.
	o.faulty("main").Add(fault.Rule{Fault: fault.Before(errors.New("cable cut"))})
	if err := ask(); err != nil {
		t.Error(err)
	}
	page, err := b.Snapshots(t.Context(), api.SnapshotQuery{Repository: "main"})
	if err != nil || page.Total != 1 || !strings.Contains(page.Down, "cable cut") {
		t.Errorf("got %+v, %v", page, err)
	}
	o.faulty("main").Clear()
	if page, err := b.Snapshots(t.Context(), api.SnapshotQuery{Repository: "main"}); err != nil || page.Down != "" {
		t.Errorf("got %+v, %v", page, err)
	}
}

func TestWrongPasswordsAndMissingPlaces(t *testing.T) {
	o := newWorld(t)
	m := o.repository("main")
	m.snapshot(0, m.raw(), nil)
	wrong := o.cfg.Repositories["main"]
	wrong.Password.File, wrong.Password.Env = "", "HOLDFAST_TEST_WRONG"
	t.Setenv("HOLDFAST_TEST_WRONG", "not-the-password")
	o.cfg.Repositories["wrong"] = wrong
	missing := o.cfg.Repositories["main"]
	missing.URL = o.dir + "/nowhere"
	o.cfg.Repositories["missing"] = missing
	unset := wrong
	unset.Password.Env = "HOLDFAST_TEST_UNSET"
	o.cfg.Repositories["unset"] = unset
	b := o.browser(quick)
	for _, name := range []string{"wrong", "missing", "unset"} {
		_, err := b.Snapshots(t.Context(), api.SnapshotQuery{Repository: name})
		if !errors.Is(err, api.ErrUnavailable) || strings.Contains(err.Error(), "not-the-password") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// copied makes a copy of what is in main by another name, with IDs of its own.
func (o *world) copied(name string, s *snapshot.Snapshot, m *maker) *maker {
	to := o.repository(name)
	for _, h := range []blob.Handle{{ID: s.Tree, Type: blob.Tree}} {
		plain, err := m.r.LoadBlob(o.t.Context(), h, nil)
		if err != nil {
			o.t.Fatal(err)
		}
		to.save(h.Type, plain)
	}
	to.snapshot(0, s.Tree, func(c *snapshot.Snapshot) { c.Original = &s.ID })
	return to
}

func TestACopyIsReadInstead(t *testing.T) {
	o := newWorld(t)
	m := o.repository("main")
	o.plan("shop", "orders", "main", "offsite")
	s := m.snapshot(0, m.raw(m.folder("d"), m.file("f", "1")), nil)
	o.copied("offsite", s, m)
	b := o.browser(quick)
	ask := func() *api.EntryPage {
		t.Helper()
		page, err := b.Entries(t.Context(), api.EntryQuery{Repository: "main", Snapshot: s.ID.String(), Path: "/"})
		if err != nil {
			t.Fatal(err)
		}
		if names(page) != "d f" {
			t.Errorf("got %s", names(page))
		}
		return page
	}
	// One folder that is damaged is read from the copy.
	m.damage(blob.Handle{ID: s.Tree, Type: blob.Tree})
	if page := ask(); page.Instead == nil || page.Instead.Repository != "offsite" || page.Snapshot.Repository != "main" || len(page.Damage) != 0 {
		t.Errorf("got %+v", page.Instead)
	}
	// And all of it, when the repository is away.
	away := o.browser(quick)
	o.faulty("main").Add(fault.Rule{Fault: fault.Before(errors.New("cable cut"))})
	b = away
	page := ask()
	if page.Instead == nil || page.Instead.Repository != "offsite" || !strings.Contains(page.Instead.Why, "cable cut") || page.Snapshot.Repository != "offsite" {
		t.Errorf("got %+v of %s", page.Instead, page.Snapshot.Repository)
	}
	list, err := b.Snapshots(t.Context(), api.SnapshotQuery{Repository: "main"})
	if err != nil || list.Total != 1 || list.Instead == nil {
		t.Errorf("got %+v, %v", list, err)
	}
}

// Repositories are closed when nobody looks, and when too many are open.
func TestIdleRepositoriesClose(t *testing.T) {
	o := newWorld(t)
	var all []string
	for n := range openAtOnce + 2 {
		name := fmt.Sprint("r", n)
		m := o.repository(name)
		m.snapshot(0, m.raw(m.file("f", "1")), nil)
		all = append(all, name)
	}
	open := func(b *Browser) (n int) {
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, p := range b.places {
			p.mu.Lock()
			if p.current != nil {
				n++
			}
			p.mu.Unlock()
		}
		return n
	}
	ask := func(b *Browser, name string) {
		t.Helper()
		if _, err := b.Entries(t.Context(), api.EntryQuery{Repository: name, Snapshot: "latest"}); err != nil {
			t.Fatal(err)
		}
	}
	patient := o.browser(quick)
	for _, name := range all {
		ask(patient, name)
		if n := open(patient); n > openAtOnce {
			t.Errorf("%d are open", n)
		}
	}
	l := quick
	l.keepFor = time.Millisecond
	hasty := o.browser(l)
	for range 2 {
		for _, name := range all {
			ask(hasty, name)
		}
		eventually(t, "some stay open", func() bool {
			hasty.listings.mu.Lock()
			defer hasty.listings.mu.Unlock()
			return open(hasty) == 0 && hasty.listings.used == 0
		})
	}
}

// What a prune takes away while it is looked at is looked up anew.
func TestAPackThatMovedIsFound(t *testing.T) {
	o := newWorld(t)
	m := o.repository("main")
	s := m.snapshot(0, m.raw(m.file("f", "1")), nil)
	l := quick
	l.refreshAfter = time.Hour
	b := o.browser(l)
	v, err := b.view(t.Context(), "main")
	if err != nil {
		t.Fatal(err)
	}
	if err := v.loadIndex(t.Context()); err != nil {
		t.Fatal(err)
	}
	v.release()
	// The tree is stored once more, in another pack, and the first one goes.
	if err := m.r.LoadIndex(t.Context()); err != nil {
		t.Fatal(err)
	}
	h := blob.Handle{ID: s.Tree, Type: blob.Tree}
	old, _ := m.r.Index().Lookup(h)
	plain, err := m.r.LoadBlob(t.Context(), h, nil)
	if err != nil {
		t.Fatal(err)
	}
	w, err := m.r.NewWriter(t.Context(), repository.WriterOptions{Rewrite: true})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if _, err := w.Save(t.Context(), blob.Tree, plain); err != nil {
		t.Fatal(err)
	}
	if err := w.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := m.r.RemoveFile(t.Context(), repository.PackFile, old.Pack); err != nil {
		t.Fatal(err)
	}
	page, err := b.Entries(t.Context(), api.EntryQuery{Repository: "main", Snapshot: "latest"})
	if err != nil || names(page) != "f" || len(page.Damage) != 0 {
		t.Errorf("got %+v, %v", page, err)
	}
}

// Everything at once, while snapshots come and repositories close.
func TestManyLookAtOnce(t *testing.T) {
	o := newWorld(t)
	m := o.repository("main")
	other := o.repository("other")
	other.snapshot(0, other.raw(other.file("f", "1")), nil)
	m.snapshot(0, m.raw(m.folder("home", m.file("letter", "dear"), m.file("other", "x"))), nil)
	l := quick
	l.keepFor = 10 * time.Millisecond
	b := o.browser(l)
	var lookers sync.WaitGroup
	rounds := 30
	for n := range 6 {
		lookers.Go(func() {
			for k := range rounds {
				var err error
				switch (n + k) % 6 {
				case 0:
					_, err = b.Snapshots(t.Context(), api.SnapshotQuery{Repository: "main"})
				case 1:
					_, err = b.Entries(t.Context(), api.EntryQuery{Repository: "main", Snapshot: "latest", Path: "/home", Sort: "size"})
				case 2:
					err = b.Find(t.Context(), api.FindQuery{Pattern: "letter", SnapshotQuery: api.SnapshotQuery{Repository: "main"}}, func(api.Found) error { return nil })
				case 3:
					err = b.Download(t.Context(), api.DownloadQuery{Repository: "main", Snapshot: "latest", Path: "/home/letter"}, func(api.Content) io.Writer { return io.Discard })
				case 4:
					_, err = b.Entries(t.Context(), api.EntryQuery{Repository: "other", Snapshot: "latest"})
				case 5:
					ctx, cancel := context.WithTimeout(t.Context(), time.Duration(k)*time.Millisecond)
					_, err = b.Extent(ctx, "main", "latest", []string{"/home"})
					cancel()
					if ctx.Err() != nil {
						err = nil
					}
				}
				if err != nil {
					t.Error((n+k)%6, err)
				}
			}
		})
	}
	for hour := range 5 {
		m.begin()
		m.snapshot(hour+1, m.raw(m.folder("home", m.file("letter", fmt.Sprint("dear ", hour)))), nil)
		time.Sleep(20 * time.Millisecond)
	}
	lookers.Wait()
}
