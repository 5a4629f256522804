package archive

import (
	"context"
	"errors"
	"testing"
	"time"

	"holdfast/storage"
	"holdfast/storage/fault"
	"holdfast/storage/mem"
)

func TestOnlyArchives(t *testing.T) {
	for key, alone := range map[string]bool{
		"first/first.tar.zst.age":      true,
		"first/first.tar.zst.age.000":  true,
		"first/first.tar.zst.age.9001": true,
		"first/manifest.json":          true,
		"first/SHA256SUMS":             true,
		"holdfast/probe/x":             true,
		"config":                       false,
		"repo/config":                  false,
		"keys/aa":                      false,
		"first/notes.txt":              false,
		"first/second.tar.zst.age":     false,
		"first/first.tar.zst.age.bak":  false,
		"first/below/manifest.json":    false,
		"holdfast/log/1":               false,
	} {
		s := mem.New()
		if err := s.Put(t.Context(), key, storage.Bytes(nil), storage.PutOptions{}); err != nil {
			t.Fatal(err)
		}
		err := Shelf{Store: s}.OnlyArchives(t.Context())
		if (err == nil) != alone || err != nil && !errors.Is(err, ErrShared) {
			t.Errorf("with %s: %v", key, err)
		}
	}
}

func TestFindEarly(t *testing.T) {
	const day = 24 * time.Hour
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	at := func(name string, age time.Duration, parent string) Listed {
		m := &Manifest{Name: name, Created: begin.Add(age), Snapshot: Recorded{Time: begin.Add(age)}}
		if parent != "" {
			m.Parent = &Link{Name: parent}
		}
		return Listed{Name: name, Manifest: m}
	}
	long := begin.Add(400 * day)
	recorded := at("recorded", 0, "")
	recorded.Manifest.Expires = &long
	list := []Listed{
		at("full", 0, ""), at("one", 10*day, "full"), at("two", 20*day, "one"), at("three", 31*day, "two"),
		{Name: "damaged", Err: ErrDamaged},
		at("lost", 5*day, "gone"),
	}
	if early := FindEarly(list, 90*day, 121*day); len(early) != 0 {
		t.Errorf("a chain of 31 days under a rule that allows for it: %+v", early)
	}
	early := FindEarly(append(list, recorded), 90*day, 115*day)
	if len(early) != 2 || early[0].Name != "three" || early[0].Needs != "full" || early[1].Name != "recorded" || early[1].Needs != "recorded" {
		t.Errorf("%+v", early)
	}
}

// Where a store takes over a spool, large parts cost nothing; elsewhere they
// are kept here until they are sent.
func TestPartsSuitTheStore(t *testing.T) {
	if got := splitFor(mem.New(), 0); got.first != DefaultSplit || got.most != DefaultSplit {
		t.Errorf("a store that takes spools over: %+v", got)
	}
	if got := splitFor(far{mem.New()}, 0); got.first != firstFar || got.most != FarSplit {
		t.Errorf("a store that does not: %+v", got)
	}
	if got := splitFor(far{mem.New()}, 100_000); got.sizeOf(0) != 100_000 || got.sizeOf(1) != 100_000 {
		t.Errorf("a size that somebody chose: %+v", got)
	}
	for part, want := range map[int]int64{0: firstFar, 1: 2 * firstFar, 3: 8 * firstFar, 4: FarSplit, 5: FarSplit, 1 << 20: FarSplit} {
		if got := splitFor(far{mem.New()}, 0).sizeOf(part); got != want {
			t.Errorf("part %d has %d bytes, want %d", part, got, want)
		}
	}
}

// The first parts of an archive far away are small, so that the line need not
// wait for a large one to be made; joined they are what they would be anywhere.
// To look at them before reading takes one list, however many there are.
func TestPartsFarAwayGrow(t *testing.T) {
	m, k := makeRepository(t), makeKey(t)
	s := m.snapshot(noon, map[string]entry{"a": {content: noise(1, 4*firstFar)}})
	near, away := Shelf{Store: mem.New()}, fault.New(mem.New(), 1)
	o := options("one", k, nil)
	o.SplitBytes = 0
	whole, err := Export(t.Context(), m.repo, s, near, o)
	if err != nil {
		t.Fatal(err)
	}
	grown, err := Export(t.Context(), m.repo, s, Shelf{Store: far{away}}, o)
	if err != nil {
		t.Fatal(err)
	}
	if grown.Inner != whole.Inner || len(whole.Parts) != 1 || len(grown.Parts) != 3 || grown.Parts[0].Bytes != firstFar || grown.Parts[1].Bytes != 2*firstFar {
		t.Errorf("%+v is not %+v in parts that grow", grown, whole)
	}
	away.Add(fault.Rule{Op: fault.OpStat, Fault: fault.Before(errors.New("asked for each part"))})
	if _, err := Verify(t.Context(), Placed{grown, Shelf{Store: far{away}}}, k.ids, nil); err != nil {
		t.Errorf("Verify = %v", err)
	}
}

// A list may lag behind. What is not in it is asked for by its name.
func TestPartThatIsNotListedYet(t *testing.T) {
	m, k := makeRepository(t), makeKey(t)
	s := m.snapshot(noon, map[string]entry{"a": {content: noise(1, 200_000)}})
	to := mem.New()
	made, err := Export(t.Context(), m.repo, s, Shelf{Store: to}, options("one", k, nil))
	if err != nil {
		t.Fatal(err)
	}
	lagging := Shelf{Store: unlisted{to}}
	if _, err := Verify(t.Context(), Placed{made, lagging}, k.ids, nil); err != nil {
		t.Errorf("Verify = %v", err)
	}
	if err := to.Delete(t.Context(), lagging.key("one", made.Parts[1].Name)); err != nil {
		t.Fatal(err)
	}
	if _, err := Verify(t.Context(), Placed{made, lagging}, k.ids, nil); !errors.Is(err, ErrDamaged) {
		t.Errorf("Verify of an archive that lacks a part = %v", err)
	}
}

// unlisted is a store whose lists are empty yet.
type unlisted struct{ storage.Store }

func (unlisted) List(context.Context, string, func(storage.Info) error) error { return nil }

// far is a store without powers.
type far struct{ storage.Store }
