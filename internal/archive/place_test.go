package archive

import (
	"errors"
	"testing"
	"time"

	"holdfast/storage"
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
	if got := splitFor(mem.New()); got != DefaultSplit {
		t.Errorf("a store that takes spools over: %d", got)
	}
	if got := splitFor(far{mem.New()}); got != FarSplit {
		t.Errorf("a store that does not: %d", got)
	}
}

// far is a store without powers.
type far struct{ storage.Store }
