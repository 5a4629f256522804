package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/pflag"

	"holdfast/internal/evidence"
	"holdfast/internal/hold"
	"holdfast/internal/size"
	"holdfast/internal/upkeep"
	"holdfast/repository"
	"holdfast/storage"
	"holdfast/storage/immutable"
)

// mirrorFlags are the flags of `holdfast copy --mirror`.
type mirrorFlags struct {
	mirror, init, delete bool
}

func (f *mirrorFlags) register(fl *pflag.FlagSet) {
	fl.BoolVar(&f.mirror, "mirror", false, "copy the whole repository, byte for byte")
	fl.BoolVar(&f.init, "init", false, "with --mirror: begin a mirror where nothing is yet")
	fl.BoolVar(&f.delete, "delete", false, "with --mirror: remove from the mirror what the repository does not have")
}

// check refuses flags that contradict each other.
func (f *mirrorFlags) check(all *copyFlags, args []string) error {
	filter := all.chosen.filter()
	switch {
	case !f.mirror && (f.init || f.delete):
		return errors.New("--init and --delete are for mirrors: add --mirror, or leave them out")
	case f.mirror && (len(args) > 0 || all.plan != "" || !filter.IsZero()):
		return errors.New("--mirror copies the whole repository: leave out snapshots, --plan, --host, --tag and --path")
	}
	return nil
}

// mirrorSummary is the last message for each mirror.
type mirrorSummary struct {
	MessageType   string  `json:"message_type"` // "summary"
	DryRun        bool    `json:"dry_run,omitempty"`
	Repository    string  `json:"repository"`
	Files         uint64  `json:"files_copied"`
	Bytes         uint64  `json:"bytes_copied"`
	Replaced      int     `json:"files_replaced"`
	Present       uint64  `json:"files_present"`
	FilesReadBack uint64  `json:"files_read_back"`
	BytesReadBack uint64  `json:"bytes_read_back"`
	Deleted       int     `json:"files_deleted"`
	Surplus       int     `json:"files_surplus"`
	Problems      int     `json:"problems"`
	TotalDuration float64 `json:"total_duration"` // seconds
}

// mirrorTo brings one mirror after the other in line. One that fails does not
// stop the others.
func (c *command) mirrorTo(ctx context.Context, src *repository.Repository, to []place, f *copyFlags) error {
	err := src.LoadIndex(ctx)
	if _, onlyDamage := repository.DamagedIndexFiles(err); !onlyDamage {
		return err
	}
	// Damaged index files are told when their turn comes; all else is copied.
	var failed []error
	for _, p := range to {
		if ctx.Err() != nil {
			return errors.Join(append(failed, context.Cause(ctx))...)
		}
		if err := c.mirrorOne(ctx, src, p, f); err != nil {
			failed = append(failed, fmt.Errorf("mirror to %s: %w", p.url, err))
		}
	}
	return errors.Join(failed...)
}

func (c *command) mirrorOne(ctx context.Context, src *repository.Repository, to place, f *copyFlags) error {
	m, err := c.openMirror(ctx, src, to, f.mirror.init && !f.dryRun)
	if err != nil {
		return err
	}
	mode := repository.Shared
	if f.mirror.delete && !f.dryRun {
		mode = repository.Exclusive
	}
	writing := *c
	writing.global.noLock = false
	err = writing.locked(ctx, m, mode, func(ctx context.Context, m *repository.Repository) error {
		return c.fillMirror(ctx, src, m, f)
	})
	return errors.Join(err, m.Close())
}

// openMirror opens a mirror, or begins it.
func (c *command) openMirror(ctx context.Context, src *repository.Repository, to place, begin bool) (*repository.Repository, error) {
	store, err := c.openStore(ctx, to, begin)
	if errors.Is(err, storage.ErrNotFound) {
		return nil, fmt.Errorf("%w: %w; to begin a mirror there, add --init", repository.ErrNoRepository, err)
	}
	if err != nil {
		return nil, err
	}
	dir, err := c.cacheDir()
	if err != nil {
		return nil, err
	}
	o := repository.Options{CacheDir: dir, Warn: func(err error) { c.ui.warn("cache", "", err) }}
	if begin {
		return upkeep.BeginMirror(ctx, src, store, o)
	}
	m, err := src.OpenMirror(ctx, store, o)
	if errors.Is(err, repository.ErrNoRepository) {
		err = fmt.Errorf("%w; to begin a mirror there, add --init", err)
	}
	return m, err
}

// fillMirror copies what the mirror lacks, and tells.
func (c *command) fillMirror(ctx context.Context, src, m *repository.Repository, f *copyFlags) error {
	start := time.Now()
	var findings []string
	f, heldBack, err := mayDelete(ctx, src, m, f)
	if err != nil {
		return err
	}
	plan, err := upkeep.PlanMirror(ctx, src, m, upkeep.MirrorOptions{
		Delete: f.mirror.delete, ReadBack: f.readBack, Watch: c.watchUpkeep,
		OnProblem: func(key string, err error) {
			findings = append(findings, err.Error())
			c.ui.warn("mirror", key, err)
		},
	})
	if err != nil {
		return err
	}
	s := mirrorSummary{MessageType: "summary", Repository: m.Location(), Surplus: plan.Surplus()}
	if f.dryRun {
		s.DryRun, s.Files, s.Bytes = true, plan.Missing().Count, plan.Missing().Bytes
		c.ui.message(s)
		c.ui.infof("would copy %d files (%s) to %s", s.Files, size.FormatBytes(s.Bytes), s.Repository)
		if f.mirror.delete {
			c.ui.infof("would delete %d files there", s.Surplus)
		}
		return nil
	}
	r, err := plan.Execute(ctx)
	if err != nil {
		return err
	}
	s.Files, s.Bytes, s.Replaced, s.Present = r.Copied.Count, r.Copied.Bytes, r.Replaced, r.Present.Count
	s.FilesReadBack, s.BytesReadBack, s.Deleted, s.Problems = r.ReadBack.Count, r.ReadBack.Bytes, r.Deleted, r.Problems
	s.Surplus -= s.Deleted
	s.TotalDuration = time.Since(start).Seconds()
	c.tellMirror(s, f)
	if _, ok := storage.As[*immutable.Store](m.Store()); ok {
		if _, err := c.loadAll(ctx, m); err != nil {
			return err
		}
		c.keepLocked(ctx, m)
	}
	if f.readBack && (r.ReadBack.Count > 0 || r.Problems > 0) {
		c.keepEvidence(ctx, m, evidence.Record{
			Kind: evidence.ReadBack, Read: evidence.Part, Seconds: s.TotalDuration, Packs: countPacks(src),
			PacksRead: r.PacksReadBack, BytesRead: r.ReadBack.Bytes, Problems: r.Problems, Findings: findings,
		})
	}
	if r.Problems > 0 {
		return fmt.Errorf("%s could not be copied as they should be, each named above; the rest is there. "+
			"`holdfast check --read-data` tells what the damage hits, `holdfast repair --from` heals it", countOf(r.Problems, "file"))
	}
	if plan.Surplus() > 0 {
		return heldBack
	}
	return nil
}

// mayDelete returns the flags without --delete, and why, while anything is held
// in the repository or the mirror: a hold that was removed at one of them still
// is at the other.
func mayDelete(ctx context.Context, src, m *repository.Repository, f *copyFlags) (_ *copyFlags, heldBack, err error) {
	if !f.mirror.delete {
		return f, nil, nil
	}
	active, err := hold.Active(ctx, src, m)
	if err != nil || len(active) == 0 {
		return f, nil, err
	}
	without := *f
	without.mirror.delete = false
	h := active[0]
	return &without, fmt.Errorf("all was copied, and nothing deleted: %s %w since %s: %s; look into it, then `holdfast hold release %s`",
		h.Of(), upkeep.ErrHeld, h.Time.Local().Format(time.DateTime), h.Reason, h.ID), nil
}

func (c *command) tellMirror(s mirrorSummary, f *copyFlags) {
	c.ui.message(s)
	c.ui.infof("copied %d files (%s) to %s; %d were there already", s.Files, size.FormatBytes(s.Bytes), s.Repository, s.Present)
	if s.Replaced > 0 {
		c.ui.infof("%s there was damaged, and was replaced", countOf(s.Replaced, "file"))
	}
	if f.readBack {
		c.ui.infof("read back from there, as they were written: %d files (%s)", s.FilesReadBack, size.FormatBytes(s.BytesReadBack))
	}
	switch {
	case s.Deleted > 0:
		c.ui.infof("deleted %s there", countOf(s.Deleted, "file"))
	case s.Surplus > 0:
		c.ui.infof("it keeps %s that the repository does not have; --delete would remove them", countOf(s.Surplus, "file"))
	}
}
