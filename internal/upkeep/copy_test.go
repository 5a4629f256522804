package upkeep

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"holdfast/repository"
	"holdfast/repository/blob"
	"holdfast/repository/id"
	"holdfast/repository/snapshot"
	"holdfast/storage"
	"holdfast/storage/fault"
	"holdfast/storage/mem"
)

func TestCopy(t *testing.T) {
	from, _, _, _ := twoBackups(t)
	to := mem.New()
	initRepository(t, to)
	receipt, err := copyInto(t.Context(), from, to)
	if err != nil || len(receipt.Copied) != 2 || receipt.Blobs.Count == 0 {
		t.Fatalf("%+v, %v", receipt, err)
	}
	must(t, from, func(src *repository.Repository) error {
		originals, err := src.Snapshots(t.Context())
		for n, copied := range receipt.Copied {
			if copied.Original == nil || *copied.Original != originals[n].ID || copied.Parent != nil || copied.Tree != originals[n].Tree {
				t.Errorf("%+v is no copy of %+v", copied, originals[n])
			}
		}
		return err
	})
	again, err := copyInto(t.Context(), from, to)
	if err != nil || len(again.Copied) != 0 || again.Blobs.Count != 0 {
		t.Errorf("second copy: %+v, %v", again, err)
	}
	back, err := copyInto(t.Context(), to, from)
	if err != nil || len(back.Copied) != 0 {
		t.Errorf("copy back: %+v, %v", back, err)
	}
}

func TestCopyTakesOnlyWhatIsMissing(t *testing.T) {
	from, to := mem.New(), mem.New()
	initRepository(t, from)
	initRepository(t, to)
	shared := noise(1, 4000)
	backUp(t, to, 0, files{"elsewhere": shared})
	content := files{"dir/a": shared, "dir/b": noise(2, 4000)}
	made := backUp(t, from, 0, content)
	receipt, err := copyInto(t.Context(), from, to)
	if err != nil || receipt.Blobs.Count != 3 { // two trees and b
		t.Fatalf("%+v, %v", receipt, err)
	}
	wantSound(t, to, map[id.ID]files{made.Tree: content})
}

// A tree whose bytes no encoder of ours would write must keep them.
func TestCopyKeepsTreesByteForByte(t *testing.T) {
	from, to := mem.New(), mem.New()
	initRepository(t, from)
	initRepository(t, to)
	odd := []byte(`{ "later": 1, "nodes":[ {"type":"fifo","name":"pipe","unknown":[1,2]} ] }`)
	must(t, from, func(r *repository.Repository) error {
		if err := r.LoadIndex(t.Context()); err != nil {
			return err
		}
		w, err := r.NewWriter(t.Context(), repository.WriterOptions{})
		if err != nil {
			return err
		}
		saved, err := w.Save(t.Context(), blob.Tree, odd)
		if err == nil {
			err = w.Flush(t.Context())
		}
		if err != nil {
			return err
		}
		if err := w.Close(); err != nil {
			return err
		}
		return r.SaveSnapshot(t.Context(), &snapshot.Snapshot{Time: firstTime, Tree: saved.ID})
	})
	if _, err := copyInto(t.Context(), from, to); err != nil {
		t.Fatal(err)
	}
	must(t, to, func(r *repository.Repository) error {
		if err := r.LoadIndex(t.Context()); err != nil {
			return err
		}
		plain, err := r.LoadTree(t.Context(), id.Hash(odd), nil)
		if !bytes.Equal(plain, odd) {
			t.Errorf("copied as %s", plain)
		}
		return err
	})
}

// One snapshot that lost something keeps no other from being copied: neither an
// older one nor those that come later, and share what it has still.
func TestCopyLeavesOutWhatIsLost(t *testing.T) {
	for name, lose := range map[string]func(t *testing.T, from *mem.Store, pack string){
		"damaged": func(t *testing.T, from *mem.Store, pack string) {
			data, err := storage.ReadAll(t.Context(), from, pack)
			if err != nil {
				t.Fatal(err)
			}
			data = bytes.Clone(data)
			data[20] ^= 1
			from.Overwrite(pack, data)
		},
		"gone": func(t *testing.T, from *mem.Store, pack string) {
			if err := from.Delete(t.Context(), pack); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			from, gone, kept, _ := twoBackups(t)
			lost := repository.PackFile.Key(packsOf(t, from, kept["new"])[0])
			later := files{"folder0/file0": gone["folder0/file0"]}
			for n := range 200 { // packs that are on their way beside the one that is lost
				later[fmt.Sprintf("fresh%d", n)] = noise(uint64(1000+n), 20_000)
			}
			third := backUp(t, from, 2, later)
			lose(t, from, lost)
			to := mem.New()
			initRepository(t, to)
			receipt, err := copyInto(t.Context(), from, to)
			if !errors.Is(err, ErrLeftOut) || len(receipt.Copied) != 2 {
				t.Fatalf("copied %d snapshots: %v", len(receipt.Copied), err)
			}
			first := receipt.Copied[0].Tree
			wantSound(t, to, map[id.ID]files{first: gone, third.Tree: later})
			if n, _ := count(t, to, repository.SnapshotFile); n != 2 {
				t.Errorf("%d snapshots are there", n)
			}
		})
	}
}

func TestCopied(t *testing.T) {
	original := func() *snapshot.Snapshot {
		return &snapshot.Snapshot{
			ID: id.Hash([]byte("s")), Time: firstTime, Tree: id.Hash([]byte("t")),
			Hostname: "www", Paths: []string{"/a", "/b"}, Tags: []string{"x"},
		}
	}
	s := original()
	for n, change := range []func(c *snapshot.Snapshot){
		func(c *snapshot.Snapshot) { c.Tree = id.ID{1} },
		func(c *snapshot.Snapshot) { c.Time = c.Time.Add(1) },
		func(c *snapshot.Snapshot) { c.Hostname = "db" },
		func(c *snapshot.Snapshot) { c.Tags = nil },
		func(c *snapshot.Snapshot) { c.Paths = c.Paths[:1] },
		func(c *snapshot.Snapshot) { c.Excludes = []string{"x"} },
		func(c *snapshot.Snapshot) { c.UID = 5 },
		func(c *snapshot.Snapshot) { c.Original = &id.ID{2} },
	} {
		c := original().Edited()
		change(c)
		if Copied(s, []*snapshot.Snapshot{c}) != nil {
			t.Errorf("%d: taken for a copy", n)
		}
	}
	c := original().Edited()
	c.Parent, c.Paths = &id.ID{3}, []string{"/b", "/a"}
	if Copied(s, []*snapshot.Snapshot{nilTree(), c}) != c {
		t.Error("not found")
	}
}

func nilTree() *snapshot.Snapshot { return &snapshot.Snapshot{} }

func TestTagKeepsReservedTags(t *testing.T) {
	s := mem.New()
	initRepository(t, s)
	made := backUp(t, s, 0, files{"a": nil})
	must(t, s, func(r *repository.Repository) error {
		edits, err := Tag(t.Context(), r, snapshot.TagEdit{Add: []string{"x"}}, editing(r, unlocked{}))
		if err != nil || len(edits) != 1 || fmt.Sprint(edits[0].New.Tags) != "[x]" || *edits[0].New.Original != made.ID {
			t.Errorf("%+v, %v", edits, err)
		}
		if _, err := r.LoadSnapshot(t.Context(), made.ID); err == nil {
			t.Error("the old snapshot is still there")
		}
		return nil
	})
}

// A destination that fails is given up, wherever that happens, and the others
// get everything.
func TestCopyGoesOnWithoutADestinationThatFails(t *testing.T) {
	from, _, kept, _ := twoBackups(t)
	for n := 1; n < 8; n++ {
		good, bad := mem.New(), mem.New()
		initRepository(t, good)
		initRepository(t, bad)
		failing := fault.New(bad, 0, fault.Rule{Op: fault.OpPut, Skip: n - 1, Fault: fault.Full()})
		var to []*Destination
		must(t, from, func(src *repository.Repository) error {
			snapshots, err := src.Snapshots(t.Context())
			if err := errors.Join(err, src.LoadIndex(t.Context())); err != nil {
				return err
			}
			return with(t.Context(), good, func(a *repository.Repository) error {
				return with(t.Context(), failing, func(b *repository.Repository) error {
					if err := errors.Join(a.LoadIndex(t.Context()), b.LoadIndex(t.Context())); err != nil {
						return err
					}
					to = []*Destination{{Repository: b, Snapshots: snapshots}, {Repository: a, Snapshots: snapshots}}
					return Copy(t.Context(), src, to, CopyOptions{})
				})
			})
		})
		if to[1].Err != nil || len(to[1].Receipt.Copied) != 2 {
			t.Errorf("fault at %d: the good one: %+v", n, to[1])
		}
		wantSound(t, good, map[id.ID]files{to[1].Receipt.Copied[1].Tree: kept})
		if stored, _ := count(t, bad, repository.SnapshotFile); stored == 2 != (to[0].Err == nil) || to[0].Err != nil && !errors.Is(to[0].Err, storage.ErrFull) {
			t.Errorf("fault at %d: %d snapshots, %v", n, stored, to[0].Err)
		}
	}
}

func TestCopyFailsWhenAllDestinationsDo(t *testing.T) {
	from, _, _, _ := twoBackups(t)
	to := mem.New()
	initRepository(t, to)
	full := fault.New(to, 0, fault.Rule{Op: fault.OpPut, Fault: fault.Full()})
	if _, err := copyInto(t.Context(), from, full); !errors.Is(err, storage.ErrFull) {
		t.Error(err)
	}
}
