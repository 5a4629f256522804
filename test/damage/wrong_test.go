package damage

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast/internal/repair"
	"holdfast/internal/size"
	"holdfast/internal/verify"
	"holdfast/repository"
	"holdfast/repository/blob"
	"holdfast/repository/id"
	"holdfast/repository/snapshot"
	"holdfast/repository/tree"
)

// kinds returns the kinds of problems that a report lists, each once.
func kinds(r *verify.Report) []verify.Kind {
	var list []verify.Kind
	for _, p := range r.Problems {
		list = append(list, p.Kind)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

func wantKinds(t *testing.T, r *verify.Report, want ...verify.Kind) {
	t.Helper()
	if got := kinds(r); !slices.Equal(got, want) {
		t.Errorf("found %v, want %v: %q", got, want, messages(r))
	}
}

// indexed returns what the index lists of each pack.
func indexed(ctx context.Context, r *repository.Repository) ([]repository.PackContent, error) {
	if err := r.LoadIndex(ctx); err != nil {
		return nil, err
	}
	var packs []repository.PackContent
	err := r.Index().ByPack(ctx, nil, func(pack id.ID, blobs []blob.Blob) error {
		packs = append(packs, repository.PackContent{ID: pack, Blobs: slices.Clone(blobs)})
		return nil
	})
	return packs, err
}

// reindexed replaces all index files by what edit makes of the packs.
func reindexed(t *testing.T, repo string, edit func(packs []repository.PackContent) []repository.PackContent) {
	t.Helper()
	with(t, repo, func(ctx context.Context, r *repository.Repository) error {
		packs, err := indexed(ctx, r)
		if err != nil {
			return err
		}
		old := r.Index().Files()
		if _, err := r.SaveIndex(ctx, edit(packs)); err != nil {
			return err
		}
		return r.RemoveFiles(ctx, repository.IndexFile, old, nil)
	})
}

func repairIndex(t *testing.T, repo string, o repair.IndexOptions) (report *repair.IndexReport) {
	t.Helper()
	with(t, repo, func(ctx context.Context, r *repository.Repository) (err error) {
		report, err = repair.Index(ctx, r, o)
		return err
	})
	return report
}

// An index file may be whole and say something that is wrong: two blobs that
// have changed places, one too few.
func TestIndexSaysWhatPacksDoNot(t *testing.T) {
	edits := map[string]func(blobs []blob.Blob) []blob.Blob{
		"swapped": func(b []blob.Blob) []blob.Blob {
			b[0].ID, b[1].ID = b[1].ID, b[0].ID
			return b
		},
		"other type": func(b []blob.Blob) []blob.Blob {
			b[len(b)-1].Type = blob.Tree
			return b
		},
		"first one left out": func(b []blob.Blob) []blob.Blob { return b[1:] },
		"last one left out":  func(b []blob.Blob) []blob.Blob { return b[:len(b)-1] },
	}
	f := newFixture(t)
	for name, edit := range edits {
		t.Run(name, func(t *testing.T) {
			repo := f.copyOf(t)
			var wrong id.ID
			reindexed(t, repo, func(packs []repository.PackContent) []repository.PackContent {
				n := slices.IndexFunc(packs, func(p repository.PackContent) bool {
					return len(p.Blobs) > 5 && p.Blobs[0].Type == blob.Data
				})
				wrong = packs[n].ID
				packs[n].Blobs = edit(packs[n].Blobs)
				return packs
			})
			report := checkAll(t, repo)
			if report.Sound() || !report.RepairIndex && len(report.BrokenPacks) == 0 {
				t.Fatalf("not found: %+v", report)
			}
			if out := repairIndex(t, repo, repair.IndexOptions{ReadAllPacks: true}); !slices.Equal(out.Corrected, []id.ID{wrong}) {
				t.Errorf("corrected %v, want %v", out.Corrected, wrong)
			}
			wantRepaired(t, f, resticUnlessShort(t), repo, f.read(t, f.dir))
		})
	}
}

func TestHints(t *testing.T) {
	f := newFixture(t)
	t.Run("listed twice", func(t *testing.T) {
		repo := f.copyOf(t)
		with(t, repo, func(ctx context.Context, r *repository.Repository) error {
			packs, err := indexed(ctx, r)
			if err != nil {
				return err
			}
			_, err = r.SaveIndex(ctx, packs[:2])
			return err
		})
		report := checkAll(t, repo)
		wantKinds(t, report, verify.DuplicateEntry)
		if !report.Sound() || !report.RepairIndex || report.Hints != 2 {
			t.Errorf("sound %v, repair index %v, %d hints", report.Sound(), report.RepairIndex, report.Hints)
		}
		repairIndex(t, repo, repair.IndexOptions{})
		wantKinds(t, checkAll(t, repo))
	})
	t.Run("orphan", func(t *testing.T) {
		repo := f.copyOf(t)
		with(t, repo, func(ctx context.Context, r *repository.Repository) error {
			if err := r.LoadIndex(ctx); err != nil {
				return err
			}
			before := r.Index().Files()
			w, err := r.NewWriter(ctx, repository.WriterOptions{})
			if err != nil {
				return err
			}
			if _, err := w.Save(ctx, blob.Data, []byte("nobody needs this")); err != nil {
				return err
			}
			if err := errors.Join(w.Flush(ctx), w.Close()); err != nil {
				return err
			}
			added := slices.DeleteFunc(r.Index().Files(), func(i id.ID) bool { return slices.Contains(before, i) })
			return r.RemoveFiles(ctx, repository.IndexFile, added, nil)
		})
		report := checkAll(t, repo)
		wantKinds(t, report, verify.OrphanPack)
		if !report.Sound() || !report.Prune {
			t.Errorf("sound %v, prune %v", report.Sound(), report.Prune)
		}
		if out := repairIndex(t, repo, repair.IndexOptions{DryRun: true}); len(out.Added) != 1 {
			t.Errorf("would add %v", out.Added)
		}
		wantKinds(t, checkAll(t, repo), verify.OrphanPack)
		repairIndex(t, repo, repair.IndexOptions{})
		wantKinds(t, checkAll(t, repo))
	})
}

// With a blob missing that an orphan pack may hold, nobody is told to prune.
func TestLostIndexAsksForRepairAndNoPrune(t *testing.T) {
	f := newFixture(t)
	reindexed(t, f.dir, func(packs []repository.PackContent) []repository.PackContent { return packs[1:] })
	report := checkAll(t, f.dir)
	if report.Sound() || !report.RepairIndex || report.Prune {
		t.Errorf("sound %v, repair index %v, prune %v", report.Sound(), report.RepairIndex, report.Prune)
	}
	if out := repairIndex(t, f.dir, repair.IndexOptions{}); len(out.Added) != 1 {
		t.Errorf("added %v", out.Added)
	}
	wantKinds(t, checkAll(t, f.dir))
}

// A damaged copy of a blob hits nothing as long as another is whole.
func TestAnotherCopyIsWhole(t *testing.T) {
	f := newFixture(t)
	with(t, f.dir, func(ctx context.Context, r *repository.Repository) error {
		if err := r.LoadIndex(ctx); err != nil {
			return err
		}
		w, err := r.NewWriter(ctx, repository.WriterOptions{Rewrite: true})
		if err != nil {
			return err
		}
		for _, content := range f.contents {
			if _, err := saveFolder(ctx, w, content); err != nil {
				return err
			}
		}
		return errors.Join(w.Flush(ctx), w.Close())
	})
	for _, d := range cases(t, f.dir) {
		if d.kind != "data" || d.name != "data A: body of the first blob" {
			continue
		}
		d.apply(t, f.dir)
		report := checkAll(t, f.dir)
		wantKinds(t, report, verify.DamagedFile)
		if len(report.DamagedSnapshots) > 0 || report.RepairSnapshots || len(report.BrokenPacks) != 1 {
			t.Errorf("hits %v", report.DamagedSnapshots)
		}
	}
}

// Trees may be stored soundly and say what makes no sense.
func TestTreesThatMakeNoSense(t *testing.T) {
	tests := map[string]struct {
		json string
		kind verify.Kind
	}{
		"no JSON":           {`{"nodes":[`, verify.InvalidTree},
		"name leads out":    {`{"nodes":[{"name":"../x","type":"file","size":0,"content":[]}]}`, verify.InvalidTree},
		"unknown type":      {`{"nodes":[{"name":"x","type":"wormhole"}]}`, verify.InvalidTree},
		"no content":        {`{"nodes":[{"name":"x","type":"file","content":null}]}`, verify.InvalidTree},
		"no subtree":        {`{"nodes":[{"name":"x","type":"dir"}]}`, verify.InvalidTree},
		"mode is no number": {`{"nodes":[{"name":"x","type":"file","mode":"rw","content":[]}]}`, verify.InvalidTree},
		"missing content":   {`{"nodes":[{"name":"x","type":"file","content":["` + id.Hash([]byte("?")).String() + `"]}]}`, verify.MissingBlob},
		"missing subtree":   {`{"nodes":[{"name":"x","type":"dir","subtree":"` + id.Hash([]byte("?")).String() + `"}]}`, verify.MissingBlob},
		"out of order":      {`{"nodes":[{"name":"b","type":"file","content":[]},{"name":"a","type":"file","content":[]}]}`, verify.UnusualTree},
		"wrong size":        {`{"nodes":[{"name":"a","type":"file","size":7,"content":[]}]}`, verify.UnusualTree},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			bad := f.saveTree(t, test.json)
			report := checkAll(t, f.dir)
			wantKinds(t, report, test.kind)
			for _, p := range report.Problems {
				if len(p.Affects.Paths) != 1 || p.Affects.Paths[0].Snapshot != bad {
					t.Errorf("affects %+v", p.Affects)
				}
			}
			if report.Sound() != test.kind.IsHint() {
				t.Errorf("sound: %v", report.Sound())
			}
			restic := resticUnlessShort(t)
			if report.Sound() && !resticSound(t, restic, f.dir) {
				t.Error("restic complains, holdfast does not")
			}
			if !report.Sound() {
				repairAll(t, f.dir, report)
				wantRepaired(t, f, restic, f.dir, nil)
			}
		})
	}
}

// A tree that is not in order and lacks something is repaired to one that
// restic would write: in order, with each name once.
func TestRepairPutsNamesInOrder(t *testing.T) {
	f := newFixture(t)
	f.saveTree(t, `{"nodes":[{"name":"b","type":"file","content":[]},`+
		`{"name":"a","type":"file","content":["`+id.Hash([]byte("?")).String()+`"]},{"name":"b","type":"file","size":0,"content":[]}]}`)
	report := checkAll(t, f.dir)
	wantKinds(t, report, verify.MissingBlob, verify.UnusualTree)
	repairAll(t, f.dir, report)
	wantKinds(t, checkAll(t, f.dir))
}

// What several snapshots hold is named in the newest of them.
func TestNewestSnapshotIsNamed(t *testing.T) {
	f := newFixture(t)
	for _, d := range cases(t, f.dir) {
		if d.name == "data A: removed" {
			d.apply(t, f.dir)
		}
	}
	report := checkAll(t, f.dir)
	newest := report.DamagedSnapshots[len(report.DamagedSnapshots)-1]
	named := 0
	for _, p := range report.Problems[0].Affects.Paths {
		if strings.HasPrefix(p.Path, "/shared/") {
			named++
			if p.Snapshot != newest {
				t.Errorf("%s is named in %s, the newest snapshot is %s", p.Path, p.Snapshot.Short(), newest.Short())
			}
		}
	}
	if named != 2 {
		t.Errorf("%d paths of the shared folder are named, want each once", named)
	}
}

// saveTree makes a snapshot of a tree that is taken as it is.
func (f *fixture) saveTree(t *testing.T, json string) id.ID {
	t.Helper()
	s := &snapshot.Snapshot{Time: time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC), Paths: []string{"/bad"}}
	with(t, f.dir, func(ctx context.Context, r *repository.Repository) error {
		if err := r.LoadIndex(ctx); err != nil {
			return err
		}
		w, err := r.NewWriter(ctx, repository.WriterOptions{})
		if err != nil {
			return err
		}
		inner, err := w.Save(ctx, blob.Tree, []byte(json))
		if err != nil {
			return err
		}
		b := tree.NewBuilder()
		if err := b.Add(&tree.Node{Name: "folder", Type: tree.Dir, Subtree: &inner.ID}); err != nil {
			return err
		}
		outer, err := w.Save(ctx, blob.Tree, b.Bytes())
		if err != nil {
			return err
		}
		if err := errors.Join(w.Flush(ctx), w.Close()); err != nil {
			return err
		}
		s.Tree = outer.ID
		return r.SaveSnapshot(ctx, s)
	})
	return s.ID
}

// Trees that no snapshot reaches may lack anything.
func TestUnreachableTreesMayBeIncomplete(t *testing.T) {
	f := newFixture(t)
	bad := f.saveTree(t, `{"nodes":[{"name":"x","type":"dir","subtree":"`+id.Hash([]byte("?")).String()+`"}]}`)
	with(t, f.dir, func(ctx context.Context, r *repository.Repository) error {
		return r.RemoveFile(ctx, repository.SnapshotFile, bad)
	})
	wantKinds(t, checkAll(t, f.dir))
}

// The groups of a subset, one after the other, are all packs.
func TestSubset(t *testing.T) {
	f := newFixture(t)
	packs := make(map[string]uint64)
	for _, subset := range []string{"1/256", "100%", "0.1%", "1", "100G"} {
		u, err := size.ParseSubset(subset)
		if err != nil {
			t.Fatal(err)
		}
		with(t, f.dir, func(ctx context.Context, r *repository.Repository) error {
			report, err := verify.Check(ctx, r, verify.Options{Subset: u})
			packs[subset] = report.PacksRead
			return err
		})
	}
	// The two packs of trees are always read.
	if packs["100%"] != 4 || packs["100G"] != 4 || packs["0.1%"] < 2 || packs["0.1%"] > 3 {
		t.Errorf("packs read: %v", packs)
	}
}

// A dry run of the repair of snapshots tells what would be, and does nothing.
func TestRepairSnapshotsDryRun(t *testing.T) {
	f := newFixture(t)
	f.saveTree(t, `{"nodes":[{"name":"x","type":"dir"}]}`)
	with(t, f.dir, func(ctx context.Context, r *repository.Repository) error {
		snapshots, err := r.Snapshots(ctx)
		if err != nil {
			return err
		}
		var told []string
		repaired, err := repair.Snapshots(ctx, r, repair.SnapshotsOptions{
			Snapshots: snapshots, DryRun: true,
			Changed: func(_ *snapshot.Snapshot, path, _ string) { told = append(told, path) },
		})
		if len(repaired) != 1 || !slices.Equal(told, []string{"/folder/x"}) {
			t.Errorf("repaired %v, told %v", repaired, told)
		}
		return err
	})
	if report := checkAll(t, f.dir); report.Sound() || report.Snapshots != 3 {
		t.Error("the dry run changed something")
	}
}

// Without --forget the repaired snapshot stands beside the damaged one and
// says where it comes from, as restic's does.
func TestRepairSnapshotsKeepsTheDamaged(t *testing.T) {
	f := newFixture(t)
	bad := f.saveTree(t, `{"nodes":[{"name":"x","type":"dir"}]}`)
	with(t, f.dir, func(ctx context.Context, r *repository.Repository) error {
		s, err := r.LoadSnapshot(ctx, bad)
		if err != nil {
			return err
		}
		repaired, err := repair.Snapshots(ctx, r, repair.SnapshotsOptions{Snapshots: []*snapshot.Snapshot{s}})
		if err != nil {
			return err
		}
		made := repaired[0].New
		if *made.Original != bad || !slices.Contains(made.Tags, repair.RepairedTag) || repaired[0].Removed {
			t.Errorf("repaired: %+v", made)
		}
		_, err = r.LoadSnapshot(ctx, bad)
		return err
	})
}
