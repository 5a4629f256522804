package verify

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"holdfast/internal/size"
	"holdfast/repository"
	"holdfast/repository/blob"
	"holdfast/repository/id"
	"holdfast/storage"
)

// loadIndex reads all index files. When some cannot be used the check goes
// on with the others, to tell what that costs.
func (c *checker) loadIndex(ctx context.Context, report *Report) error {
	bad, err := c.r.ReloadIndex(ctx)
	if err != nil {
		return err
	}
	for _, f := range bad {
		c.suspect.Store(true)
		report.RepairIndex = true
		if err := c.badFile(ctx, repository.IndexFile, f.ID, f.Err); err != nil {
			return err
		}
	}
	report.IndexFiles = len(c.r.Index().Files()) + len(bad)
	report.Blobs = c.r.Index().Len()
	c.findDuplicates()
	return nil
}

// findDuplicates gives a hint for each pack that several index files list.
func (c *checker) findDuplicates() {
	var last repository.Listing
	told := false
	for l := range c.r.Index().Listings() {
		same := l.Pack == last.Pack && !last.File.IsZero()
		if same && !told {
			c.found(Problem{
				Kind: DuplicateEntry, File: repository.PackFile, ID: l.Pack,
				Detail: fmt.Sprintf("several index files list it, %s and %s among them", last.File.Short(), l.File.Short()),
			})
		}
		told = same
		last = l
	}
}

// comparePacks holds the packs that are there against those that should be.
func (c *checker) comparePacks(ctx context.Context, report *Report) error {
	err := c.listPacks(ctx)
	if err != nil {
		return err
	}
	report.Packs = len(c.packs)
	for _, p := range c.packs {
		report.PackBytes += uint64(max(0, p.sizeBytes))
	}
	err = c.r.Index().ByPack(ctx, nil, func(pack id.ID, blobs []blob.Blob) error {
		if state, ok := c.packs[pack]; ok {
			c.comparePack(pack, &state, blobs)
			c.packs[pack] = state
			return nil
		}
		c.loseAll(pack, Problem{Kind: MissingPack, Detail: "it does not exist, but the index lists it"}, blobs)
		return nil
	})
	if err != nil {
		return err
	}
	c.choosePacks()
	for pack, state := range c.packs {
		if !state.indexed {
			c.found(Problem{Kind: OrphanPack, File: repository.PackFile, ID: pack, Detail: "no index lists it"})
		}
	}
	return nil
}

// listPacks notes the packs that are there and, where data is to be read,
// which lie in cold classes: that takes as many requests.
func (c *checker) listPacks(ctx context.Context) error {
	tiering, ok := storage.As[storage.Tiering](c.r.Store())
	if !ok || !c.options.readsData() {
		return c.r.ListFiles(ctx, repository.PackFile, func(i id.ID, sizeBytes int64) error {
			c.packs[i] = packState{sizeBytes: sizeBytes}
			return nil
		})
	}
	err := tiering.ListTiers(ctx, "data/", func(info storage.Info, tier storage.Tier) error {
		i, err := id.Parse(info.Key[strings.LastIndexByte(info.Key, '/')+1:])
		if err != nil {
			return nil // it belongs to others
		}
		cold := tier.Cold || c.options.SkipCold != nil && c.options.SkipCold(tier.Class)
		c.packs[i] = packState{sizeBytes: info.SizeBytes, cold: cold}
		return nil
	})
	if err != nil {
		return fmt.Errorf("list packs: %w", err)
	}
	return nil
}

func (o *Options) readsData() bool { return o.ReadData || o.Subset != (size.Subset{}) }

// comparePack judges one pack without reading it.
func (c *checker) comparePack(pack id.ID, state *packState, blobs []blob.Blob) {
	state.indexed = true
	if want := repository.PackSize(blobs); state.sizeBytes != want {
		state.read = wholePack
		d := c.damageOf(pack)
		d.salvage = true
		d.complain(c, Problem{Kind: DamagedFile, Detail: fmt.Sprintf("it has %d bytes instead of %d", state.sizeBytes, want)})
	}
	switch trees := countTrees(blobs); {
	case trees == len(blobs):
		state.read = wholePack
	case trees > 0:
		state.read = max(state.read, onlyTrees)
		c.found(Problem{Kind: MixedPack, File: repository.PackFile, ID: pack, Detail: "it holds both trees and data"})
	}
}

func countTrees(blobs []blob.Blob) int {
	n := 0
	for _, b := range blobs {
		if b.Type == blob.Tree {
			n++
		}
	}
	return n
}

func isGone(err error) bool { return errors.Is(err, storage.ErrNotFound) }

// reason is what an error says beyond naming the file.
func reason(err error) string {
	var c *repository.CorruptError
	if errors.As(err, &c) {
		if c.Detail != "" {
			return "damaged at " + c.Detail + ": " + c.Err.Error()
		}
		return "damaged: " + c.Err.Error()
	}
	return err.Error()
}
