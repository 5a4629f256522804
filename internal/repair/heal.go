package repair

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"holdfast/repository"
	"holdfast/repository/blob"
	"holdfast/repository/id"
	"holdfast/storage"
)

// HealOptions tell what is healed, and with what.
type HealOptions struct {
	// From are the copies, opened and with their index loaded. One of the same
	// ID is a mirror and gives whole files, byte for byte; any other gives
	// blobs, which are hashed and stored again.
	From []*repository.Repository
	// Files are index, snapshot and key files that a check found damaged,
	// Packs the packs. Packs that are missing or of a wrong size need not be
	// named, and files that somebody removed since do not come back.
	Files []File
	Packs []id.ID
	// Missing tells that snapshots need blobs that no index file lists, so
	// that all of them are walked.
	Missing bool
	Writer  repository.WriterOptions
	// Lost, if set, is told of everything that no copy could heal.
	Lost func(what string, err error)
}

// File names a file of a repository.
type File struct {
	Kind repository.FileKind
	ID   id.ID
}

// String names it for messages.
func (f File) String() string { return f.Kind.String() + " " + f.ID.Short() }

// HealReport tells what was healed.
type HealReport struct {
	// Files and Packs came whole from a mirror, in the place of what was
	// damaged or missing.
	Files []File
	Packs []id.ID
	// Blobs counts those that were stored again, in new packs, from what other
	// copies hold or is left here; Replaced are the packs that were given up
	// for that.
	Blobs    int
	Replaced []id.ID
	// Lost counts what was told to HealOptions.Lost.
	Lost int
}

// Heal mends a repository with what its copies hold. Nothing damaged is
// removed before what takes its place is here and proven, and what no copy
// has stays as it is: another one may have it. New packs, and those that came
// from a mirror, are read back in the end.
//
// It needs the exclusive lock, and may be cut off at any instant and run
// again.
func Heal(ctx context.Context, r *repository.Repository, o HealOptions) (*HealReport, error) {
	h := &healer{r: r, options: o}
	for _, c := range o.From {
		if c.ID() == r.ID() {
			h.mirrors = append(h.mirrors, c)
		}
	}
	for _, step := range []func(context.Context) error{h.files, h.packs, h.index, h.missing, h.readBack} {
		if err := step(ctx); err != nil {
			return &h.report, err
		}
	}
	return &h.report, nil
}

// healer is the work of one Heal.
type healer struct {
	r       *repository.Repository
	options HealOptions
	mirrors []*repository.Repository
	report  HealReport
	// had are the packs that were listed before, bulk those of them that hold
	// content of files alone.
	had, bulk id.Set
}

func (h *healer) lose(what string, err error) {
	h.report.Lost++
	if h.options.Lost != nil {
		h.options.Lost(what, err)
	}
}

// files brings damaged small files back. An index file that no mirror has is
// made anew from the packs later on, and so is no loss.
func (h *healer) files(ctx context.Context) error {
	for _, f := range h.options.Files {
		_, err := h.r.Store().Stat(ctx, f.Kind.Key(f.ID))
		if errors.Is(err, storage.ErrNotFound) {
			continue
		}
		err = h.fromMirror(ctx, f)
		if err != nil && f.Kind == repository.SnapshotFile {
			err = h.snapshotFromCopy(ctx, f.ID, err)
		}
		switch {
		case err == nil:
			h.report.Files = append(h.report.Files, f)
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case f.Kind != repository.IndexFile:
			h.lose(f.String(), err)
		}
	}
	return nil
}

// snapshotFromCopy stores the copy of a snapshot whose file is damaged, and
// removes the damaged one.
func (h *healer) snapshotFromCopy(ctx context.Context, i id.ID, cause error) error {
	for _, c := range h.options.From {
		list, err := c.Snapshots(ctx)
		if err != nil && !repository.IsCorrupt(err) {
			return errors.Join(cause, err)
		}
		for _, s := range list {
			if s.Original == nil || *s.Original != i {
				continue
			}
			if err := h.r.SaveSnapshot(ctx, s.Edited()); err != nil {
				return err
			}
			h.options.Missing = true // it may need what nobody looked for
			return h.r.RemoveFile(ctx, repository.SnapshotFile, i)
		}
	}
	return cause
}

// packs mends the packs that are listed, and damaged or missing.
func (h *healer) packs(ctx context.Context) error {
	if _, err := h.r.ReloadIndex(ctx); err != nil {
		return err
	}
	if err := h.survey(ctx); err != nil {
		return err
	}
	damaged, err := h.r.DamagedPacks(ctx)
	if err != nil {
		return err
	}
	for _, p := range h.options.Packs {
		damaged.Add(p)
	}
	var rest []id.ID
	for p := range damaged {
		err := h.fromMirror(ctx, File{repository.PackFile, p})
		switch {
		case err == nil:
			h.report.Packs = append(h.report.Packs, p)
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case h.had.Has(p):
			rest = append(rest, p)
		default: // nothing lists it, and so nothing needs it that is not missing
			h.options.Missing = true
		}
	}
	slices.SortFunc(rest, id.ID.Compare)
	return h.blobsOf(ctx, rest)
}

// survey notes what packs are listed.
func (h *healer) survey(ctx context.Context) error {
	h.had, h.bulk = make(id.Set), make(id.Set)
	return h.r.Index().ByPack(ctx, nil, func(pack id.ID, blobs []blob.Blob) error {
		h.had.Add(pack)
		if !slices.ContainsFunc(blobs, func(b blob.Blob) bool { return b.Type != blob.Data }) {
			h.bulk.Add(pack)
		}
		return nil
	})
}

// isBulk tells whether lifecycle rules may move a pack.
func (h *healer) isBulk(pack id.ID) bool { return h.bulk.Has(pack) }

// blobsOf stores the blobs of some packs again, wherever they come from, and
// gives up the packs of which that can be done to the last.
func (h *healer) blobsOf(ctx context.Context, packs []id.ID) error {
	if len(packs) == 0 {
		return nil
	}
	if err := h.mendIndex(ctx, false); err != nil {
		return err
	}
	done, err := Packs(ctx, h.r, PacksOptions{
		Packs: packs, Writer: h.options.Writer, From: h.options.From, OnlyWhole: true,
		Lost: func(b blob.Blob, err error) { h.lose(b.String()+" of pack "+b.Pack.Short(), err) },
	})
	if err != nil {
		return err
	}
	h.report.Blobs += done.Salvaged
	h.report.Replaced = done.Removed
	return nil
}

// mendIndex makes the index say what the packs hold, where files of it are
// damaged or, with unlisted, in any case: a pack that no file lists may have
// what is missing. Packs that do not exist stay listed: what they held is
// known from that alone.
func (h *healer) mendIndex(ctx context.Context, unlisted bool) error {
	bad, err := h.r.ReloadIndex(ctx)
	if err != nil || len(bad) == 0 && !unlisted {
		return err
	}
	damaged, err := damagedIndexes(bad)
	if err != nil {
		return err
	}
	x := &indexer{r: h.r, stored: make(map[id.ID]int64)}
	err = h.r.ListFiles(ctx, repository.PackFile, func(i id.ID, sizeBytes int64) error {
		x.stored[i] = sizeBytes
		return nil
	})
	if err != nil {
		return err
	}
	for p := range h.r.Index().Packs() {
		delete(x.stored, p)
	}
	plan := h.r.PlanReindex(func(id.ID) bool { return false }, damaged)
	if err := x.readUnlisted(ctx); err != nil {
		return err
	}
	if err := x.save(ctx, 0); err != nil {
		return err
	}
	return plan.Execute(ctx)
}

// index does that for what is left after the packs.
func (h *healer) index(ctx context.Context) error {
	if err := h.mendIndex(ctx, h.options.Missing); err != nil {
		return fmt.Errorf("repair the index: %w", err)
	}
	return nil
}

// readBack proves every pack that is new, or newly listed.
func (h *healer) readBack(ctx context.Context) error {
	if _, err := h.r.ReloadIndex(ctx); err != nil {
		return err
	}
	again := id.NewSet(h.report.Packs...)
	wanted := func(p id.ID) bool { return !h.had.Has(p) || again.Has(p) }
	verifier := h.r.NewPackVerifier()
	return h.r.Index().ByPack(ctx, wanted, func(pack id.ID, blobs []blob.Blob) error {
		err := verifier.Verify(ctx, pack, blobs, func(_ blob.Blob, _ []byte, err error) error { return err })
		if err != nil {
			err = fmt.Errorf("read back what was healed: %w", err)
		}
		if repository.IsCorrupt(err) {
			h.lose("pack "+pack.Short(), err)
			return nil
		}
		return err
	})
}
