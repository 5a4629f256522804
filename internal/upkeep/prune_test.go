package upkeep

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"holdfast/internal/size"
	"holdfast/repository"
	"holdfast/repository/blob"
	"holdfast/repository/id"
	"holdfast/storage"
	"holdfast/storage/mem"
)

func unused(t fatalf, s string) size.Unused {
	u, err := size.ParseUnused(s)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return u
}

// twoBackups makes a store with a snapshot of which half of the content goes
// with it when it is forgotten, and one that needs the other half.
func twoBackups(t fatalf) (s *mem.Store, gone, kept files, forgotten func()) {
	s = mem.New()
	initRepository(t, s)
	gone, kept = make(files), make(files)
	for n := range 20 {
		path := fmt.Sprintf("folder%d/file%d", n%4, n)
		gone[path] = noise(uint64(n), 10_000)
		if n%2 == 0 {
			kept[path] = gone[path]
		}
	}
	kept["new"] = []byte("new in the second")
	first := backUp(t, s, 0, gone)
	second := backUp(t, s, 1, kept)
	return s, gone, kept, func() {
		if err := forget(t.Context(), s, first); err != nil {
			t.Fatalf("%v", err)
		}
		wantSound(t, s, map[id.ID]files{second.Tree: kept})
	}
}

func treeOf(t fatalf, s storage.Store, n int) (i id.ID) {
	must(t, s, func(r *repository.Repository) error {
		snapshots, err := r.Snapshots(t.Context())
		if err == nil {
			i = snapshots[n].Tree
		}
		return err
	})
	return i
}

func TestPruneFreesWhatNobodyNeeds(t *testing.T) {
	s, _, kept, forgotten := twoBackups(t)
	_, before := count(t, s, repository.PackFile)
	if stats, err := prune(t.Context(), s, PruneOptions{}); err != nil || stats.Unused.Count != 0 {
		t.Fatalf("with both snapshots: %+v, %v", stats, err)
	}
	forgotten()
	stats, err := prune(t.Context(), s, PruneOptions{})
	if err != nil {
		t.Fatal(err)
	}
	_, after := count(t, s, repository.PackFile)
	if stats.RepackRemoved.Bytes < 100_000 || before-after < 100_000 || stats.UnusedAfter() != 0 {
		t.Errorf("%d bytes became %d; %+v", before, after, stats)
	}
	wantSound(t, s, map[id.ID]files{treeOf(t, s, 0): kept})
	wantPruned(t, s, PruneOptions{})
}

func TestPruneLeavesWhatIsAllowed(t *testing.T) {
	s, _, kept, forgotten := twoBackups(t)
	forgotten()
	small := size.Bytes(1000)
	for name, o := range map[string]PruneOptions{
		"max unused": {MaxUnused: unused(t, "unlimited"), Writer: repository.WriterOptions{PackSizeBytes: repository.MinPackSize}},
		"max repack": {MaxRepack: &small},
		"trees only": {RepackCacheableOnly: true},
	} {
		clone := s.Clone()
		stats, err := prune(t.Context(), clone, o)
		if err != nil {
			t.Fatal(err)
		}
		if stats.UnusedAfter() < 100_000 {
			t.Errorf("%s: %+v", name, stats)
		}
		wantSound(t, clone, map[id.ID]files{treeOf(t, s, 0): kept})
		wantPruned(t, clone, o)
	}
}

func TestPruneOfEverything(t *testing.T) {
	s := mem.New()
	initRepository(t, s)
	if err := forget(t.Context(), s, backUp(t, s, 0, files{"a": []byte("a")})); err != nil {
		t.Fatal(err)
	}
	if _, err := prune(t.Context(), s, PruneOptions{MaxUnused: DefaultMaxUnused()}); err != nil {
		t.Fatal(err)
	}
	for _, k := range []repository.FileKind{repository.PackFile, repository.IndexFile} {
		if n, _ := count(t, s, k); n != 0 {
			t.Errorf("%d %s files are left", n, k)
		}
	}
}

// packsOf returns the packs that hold the data blobs of a file.
func packsOf(t fatalf, s storage.Store, content []byte) (packs []id.ID) {
	must(t, s, func(r *repository.Repository) error {
		if err := r.LoadIndex(t.Context()); err != nil {
			return err
		}
		for _, l := range r.Index().LookupAll(nil, blob.Handle{ID: id.Hash(content), Type: blob.Data}) {
			packs = append(packs, l.Pack)
		}
		return nil
	})
	return packs
}

func TestPruneRefusesAnUnsoundRepository(t *testing.T) {
	s, _, kept, _ := twoBackups(t)
	pack := packsOf(t, s, kept["new"])[0]
	key := repository.PackFile.Key(pack)
	for name, damage := range map[string]func(s *mem.Store) error{
		"a pack is missing": func(s *mem.Store) error { return s.Delete(t.Context(), key) },
		"a pack is too short": func(s *mem.Store) error {
			data, err := storage.ReadAll(t.Context(), s, key)
			s.Overwrite(key, data[:len(data)-1])
			return err
		},
		"the index files are gone": func(s *mem.Store) error {
			return s.List(t.Context(), "index/", func(i storage.Info) error { return s.Delete(t.Context(), i.Key) })
		},
	} {
		clone := s.Clone()
		if err := damage(clone); err != nil {
			t.Fatal(err)
		}
		before, _ := count(t, clone, repository.PackFile)
		if _, err := prune(t.Context(), clone, PruneOptions{}); !errors.Is(err, ErrIncomplete) {
			t.Errorf("%s: %v", name, err)
		}
		if after, _ := count(t, clone, repository.PackFile); after != before {
			t.Errorf("%s: packs were deleted", name)
		}
	}
}

func TestPruneRefusesUnreadableSnapshots(t *testing.T) {
	s, _, _, _ := twoBackups(t)
	s.Overwrite(repository.SnapshotFile.Key(id.Hash([]byte("torn"))), []byte("torn"))
	if _, err := prune(t.Context(), s, PruneOptions{}); !repository.IsCorrupt(err) {
		t.Errorf("prune with a damaged snapshot: %v", err)
	}
}

// An index file that nothing depends on, as a crash may tear one, goes.
func TestPruneReplacesDamagedIndexFiles(t *testing.T) {
	s, gone, kept, _ := twoBackups(t)
	s.Overwrite(repository.IndexFile.Key(id.Hash([]byte("torn"))), []byte("to"))
	if _, err := prune(t.Context(), s, PruneOptions{}); err != nil {
		t.Fatal(err)
	}
	wantSound(t, s, map[id.ID]files{treeOf(t, s, 0): gone, treeOf(t, s, 1): kept})
	must(t, s, func(r *repository.Repository) error { return r.LoadIndex(t.Context()) })
	wantPruned(t, s, PruneOptions{})
}

func TestPruneDeletesUnindexedPacks(t *testing.T) {
	s, gone, kept, _ := twoBackups(t)
	s.Overwrite(repository.PackFile.Key(id.Hash([]byte("orphan"))), []byte("left by a killed backup"))
	stats, err := prune(t.Context(), s, PruneOptions{})
	if err != nil || stats.Unindexed.Count != 1 {
		t.Fatalf("%+v, %v", stats, err)
	}
	wantSound(t, s, map[id.ID]files{treeOf(t, s, 0): gone, treeOf(t, s, 1): kept})
	wantPruned(t, s, PruneOptions{})
}

func TestPruneForgetsMissingPacksNobodyNeeds(t *testing.T) {
	s := mem.New()
	initRepository(t, s)
	first := backUp(t, s, 0, files{"a": []byte("a")})
	second := files{"b": []byte("b")}
	kept := backUp(t, s, 1, second)
	if err := s.Delete(t.Context(), repository.PackFile.Key(packsOf(t, s, []byte("a"))[0])); err != nil {
		t.Fatal(err)
	}
	if err := forget(t.Context(), s, first); err != nil {
		t.Fatal(err)
	}
	stats, err := prune(t.Context(), s, PruneOptions{})
	if err != nil || stats.PacksMissing != 1 {
		t.Fatalf("%+v, %v", stats, err)
	}
	wantSound(t, s, map[id.ID]files{kept.Tree: second})
	wantPruned(t, s, PruneOptions{})
}

// Two backups that did not know of each other store the same twice.
func TestPruneKeepsOneOfSeveralCopies(t *testing.T) {
	base := mem.New()
	initRepository(t, base)
	content := files{"dir/a": noise(1, 5000), "dir/b": noise(2, 5000)}
	left, right := base.Clone(), base.Clone()
	made := backUp(t, left, 0, content)
	backUp(t, right, 0, content)
	err := right.List(t.Context(), "", func(i storage.Info) error {
		data, err := storage.ReadAll(t.Context(), right, i.Key)
		left.Overwrite(i.Key, data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	stats, err := prune(t.Context(), left, PruneOptions{})
	if err != nil || stats.Duplicate.Count != stats.Used.Count || stats.PacksRepack != 0 || stats.PacksRemove != 2 {
		t.Fatalf("%+v, %v", stats, err)
	}
	wantSound(t, left, map[id.ID]files{made.Tree: content})
	wantPruned(t, left, PruneOptions{})
}

// A damaged blob is taken from another pack when there is one.
func TestPruneMovesTheSoundCopy(t *testing.T) {
	base := mem.New()
	initRepository(t, base)
	shared := noise(1, 5000)
	left, right := base.Clone(), base.Clone()
	first := backUp(t, left, 0, files{"shared": shared, "gone": noise(2, 5000)})
	second := backUp(t, right, 1, files{"shared": shared, "gone too": noise(3, 5000)})
	third := files{"shared": shared}
	err := right.List(t.Context(), "", func(i storage.Info) error {
		data, err := storage.ReadAll(t.Context(), right, i.Key)
		left.Overwrite(i.Key, data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	kept := backUp(t, left, 2, third)
	if err := forget(t.Context(), left, first, second); err != nil {
		t.Fatal(err)
	}
	// Whichever of the two is read first, one of the two runs meets damage.
	for _, pack := range packsOf(t, left, shared) {
		clone := left.Clone()
		key := repository.PackFile.Key(pack)
		data, err := storage.ReadAll(t.Context(), clone, key)
		if err != nil {
			t.Fatal(err)
		}
		data = slices.Clone(data)
		for n := range len(data) - 500 { // but its header
			data[n] ^= 1
		}
		clone.Overwrite(key, data)
		if _, err := prune(t.Context(), clone, PruneOptions{}); err != nil {
			t.Fatal(err)
		}
		wantSound(t, clone, map[id.ID]files{kept.Tree: third})
	}
}

func TestPruneMergesSmallPacksAndIndexFiles(t *testing.T) {
	s := mem.New()
	initRepository(t, s)
	want := make(map[id.ID]files)
	for day := range 12 {
		content := files{fmt.Sprint(day): noise(uint64(day), 500)}
		want[backUp(t, s, day, content).Tree] = content
	}
	stats, err := prune(t.Context(), s, PruneOptions{MaxUnused: DefaultMaxUnused()})
	if err != nil || stats.PacksRepack != 24 {
		t.Fatalf("%+v, %v", stats, err)
	}
	wantSound(t, s, want)
	if n, _ := count(t, s, repository.PackFile); n > 2 {
		t.Errorf("%d packs are left", n)
	}
	if n, _ := count(t, s, repository.IndexFile); n != 1 {
		t.Errorf("%d index files are left", n)
	}
	wantPruned(t, s, PruneOptions{MaxUnused: DefaultMaxUnused()})
}

// Packs of file content that is not compressed are rewritten on request, once:
// also what does not get smaller is then stored compressed.
func TestPruneCompressesOnRequest(t *testing.T) {
	s := mem.New()
	initRepository(t, s)
	content := files{"folder/noise": noise(1, 300_000), "text": bytes.Repeat([]byte("text "), 1000)}
	made := backUp(t, s, 0, content) // the noise is stored as it is
	packs := packsOf(t, s, content["folder/noise"])
	if stats, err := prune(t.Context(), s, PruneOptions{MaxUnused: DefaultMaxUnused()}); err != nil || stats.PacksRepack != 0 {
		t.Fatalf("unasked: %+v, %v", stats, err)
	}
	o := PruneOptions{MaxUnused: DefaultMaxUnused(), RepackUncompressed: true}
	o.RepackCacheableOnly = true
	if stats, err := prune(t.Context(), s, o); err != nil || stats.PacksRepack != 0 {
		t.Fatalf("packs of folders only: %+v, %v", stats, err)
	}
	o.RepackCacheableOnly = false
	stats, err := prune(t.Context(), s, o)
	if err != nil || stats.PacksRepack == 0 {
		t.Fatalf("%+v, %v", stats, err)
	}
	if again := packsOf(t, s, content["folder/noise"]); slices.Equal(again, packs) {
		t.Errorf("the content is still in pack %s", packs)
	}
	wantSound(t, s, map[id.ID]files{made.Tree: content})
	wantPruned(t, s, o)

	o.Writer.Compression = repository.CompressionOff
	if _, err := prune(t.Context(), s, o); !errors.Is(err, errPointless) {
		t.Errorf("without compression: %v", err)
	}
}

func TestPruneRewritesPacksBelowASize(t *testing.T) {
	s := mem.New()
	initRepository(t, s)
	want := make(map[id.ID]files)
	for day := range 12 {
		content := files{fmt.Sprint(day): noise(uint64(day), 200_000)}
		want[backUp(t, s, day, content).Tree] = content
	}
	// Of packs of 4 MiB, less than 4 % is small: the trees.
	for limit, repacked := range map[size.Bytes]int{0: 12, 1000: 12, 150_000: 12, 300_000: 24} {
		clone := s.Clone()
		o := PruneOptions{RepackSmallerThan: limit, Writer: repository.WriterOptions{PackSizeBytes: repository.MinPackSize}}
		stats, err := prune(t.Context(), clone, o)
		if err != nil || stats.PacksRepack != repacked {
			t.Errorf("below %d bytes: %+v, %v", limit, stats, err)
		}
		wantSound(t, clone, want)
		wantPruned(t, clone, o)
	}
}

func TestPlanIsGoodForOneExecution(t *testing.T) {
	s, _, _, _ := twoBackups(t)
	must(t, s, func(r *repository.Repository) error {
		p, err := PlanPrune(t.Context(), r, PruneOptions{})
		if err != nil {
			return err
		}
		if err := p.Execute(t.Context()); err != nil {
			return err
		}
		if err := p.Execute(t.Context()); err == nil || !strings.Contains(err.Error(), "executed already") {
			t.Errorf("second execution: %v", err)
		}
		return nil
	})
}

// TestPruneLaws: whatever is forgotten, what is kept stays readable, and a
// second prune has nothing to do.
func TestPruneLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := mem.New()
		initRepository(t, s)
		want := make(map[id.ID]files)
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0)) //nolint:gosec // a test
		content := make(files)
		for day := range rapid.IntRange(1, 6).Draw(t, "backups") {
			content = changed(rng, content)
			made := backUp(t, s, day, content)
			if rapid.Bool().Draw(t, "forget") {
				if err := forget(t.Context(), s, made); err != nil {
					t.Fatalf("%v", err)
				}
				continue
			}
			want[made.Tree] = content
		}
		o := PruneOptions{
			MaxUnused:   unused(t, rapid.SampledFrom([]string{"0", "5%", "50%", "unlimited"}).Draw(t, "max unused")),
			RepackSmall: rapid.Bool().Draw(t, "small"),
		}
		if _, err := prune(t.Context(), s, o); err != nil {
			t.Fatalf("%v", err)
		}
		wantSound(t, s, want)
		wantPruned(t, s, o)
	})
}

// changed returns files some of which are new, gone or different.
func changed(rng *rand.Rand, content files) files {
	content = maps.Clone(content)
	for range rng.IntN(8) {
		path := fmt.Sprintf("folder%d/file%d", rng.IntN(3), rng.IntN(5))
		if rng.IntN(4) == 0 {
			delete(content, path)
			continue
		}
		content[path] = noise(uint64(rng.IntN(20)), rng.IntN(3000))
	}
	content["always"] = []byte("here")
	return content
}
