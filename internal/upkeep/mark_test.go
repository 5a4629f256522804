package upkeep

import (
	"errors"
	"testing"

	"holdfast/repository"
	"holdfast/repository/blob"
	"holdfast/repository/id"
	"holdfast/storage"
	"holdfast/storage/mem"
)

func TestMarkBulk(t *testing.T) {
	b := mem.NewBucket(mem.BucketOptions{})
	// The same objects, as another program puts them.
	s := mem.New()
	initRepository(t, s)
	backUp(t, s, 0, files{"a/b": noise(1, 2_000_000), "c": noise(2, 2_000_000)})
	err := s.List(t.Context(), "", func(i storage.Info) error {
		data, err := storage.ReadAll(t.Context(), s, i.Key)
		if err != nil {
			return err
		}
		return b.Put(t.Context(), i.Key, storage.Bytes(data), storage.PutOptions{})
	})
	if err != nil {
		t.Fatal(err)
	}
	cache := t.TempDir()
	mark := func(o MarkOptions) (stats MarkStats) {
		r, err := repository.Open(t.Context(), b, repository.Options{Password: testPassword, CacheDir: cache})
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		if err := r.LoadIndex(t.Context()); err != nil {
			t.Fatal(err)
		}
		if stats, err = MarkBulk(t.Context(), r, o); err != nil {
			t.Fatal(err)
		}
		err = r.Index().ByPack(t.Context(), nil, func(pack id.ID, blobs []blob.Blob) error {
			tier, err := b.Tier(t.Context(), repository.PackFile.Key(pack))
			if want := kindOf(blobs) == dataPack && !o.DryRun; tier.Bulk != want {
				t.Errorf("pack %s: marked = %v, want %v", pack.Short(), tier.Bulk, want)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return stats
	}
	if stats := mark(MarkOptions{DryRun: true}); stats.Marked != uint64(stats.Packs) || stats.Packs == 0 {
		t.Errorf("dry run: %+v", stats)
	}
	if stats := mark(MarkOptions{}); stats.Marked != uint64(stats.Packs) {
		t.Errorf("first: %+v", stats)
	}
	if stats := mark(MarkOptions{}); stats.Asked != 0 {
		t.Errorf("second, with the record: %+v", stats)
	}
	if stats := mark(MarkOptions{All: true}); stats.Asked != uint64(stats.Packs) || stats.Marked != 0 {
		t.Errorf("asking about all: %+v", stats)
	}

	must(t, s, func(r *repository.Repository) error {
		if _, err := MarkBulk(t.Context(), r, MarkOptions{}); !errors.Is(err, storage.ErrUnsupported) {
			t.Errorf("a store without classes: %v", err)
		}
		return nil
	})
}
