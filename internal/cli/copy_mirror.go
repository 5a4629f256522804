package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/pflag"
	"golang.org/x/sync/errgroup"

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
	MessageType string `json:"message_type"` // "summary"
	DryRun      bool   `json:"dry_run,omitempty"`
	Repository  string `json:"repository"`
	Files       uint64 `json:"files_copied"`
	Bytes       uint64 `json:"bytes_copied"`
	Replaced    int    `json:"files_replaced"`
	Present     uint64 `json:"files_present"`
	confirmed
	Deleted       int     `json:"files_deleted"`
	Surplus       int     `json:"files_surplus"`
	Problems      int     `json:"problems"`
	TotalDuration float64 `json:"total_duration"` // seconds
}

// mirrorsAtOnce bounds the mirrors that are written side by side, and so the
// memory and the room for spools: see upkeep.PlanMirror.
const mirrorsAtOnce = 4

// mirrorTo brings mirrors in line, several at once: each reads the repository
// by itself, so that a slow one holds up none of the others. One that fails
// does not stop them either.
func (c *command) mirrorTo(ctx context.Context, src *repository.Repository, to []place, f *copyFlags) error {
	err := src.LoadIndex(ctx)
	if _, onlyDamage := repository.DamagedIndexFiles(err); !onlyDamage {
		return err
	}
	// Damaged index files are told when their turn comes; all else is copied.
	run := &mirrorRun{command: c, flags: f, src: src, progress: jointProgress{c: c}}
	defer run.progress.stop()
	failed := make([]error, len(to))
	var g errgroup.Group // no context: none stops the others
	g.SetLimit(mirrorsAtOnce)
	for n, p := range to {
		g.Go(func() error {
			err := context.Cause(ctx)
			if err == nil {
				err = run.mirror(ctx, p)
			}
			if err != nil {
				failed[n] = fmt.Errorf("mirror to %s: %w", p.url, err)
			}
			return nil
		})
	}
	g.Wait() //nolint:errcheck // failed has them all
	return errors.Join(failed...)
}

// mirrorRun brings mirrors of one repository in line.
type mirrorRun struct {
	*command
	flags    *copyFlags
	src      *repository.Repository
	progress jointProgress
}

// mirror brings one mirror in line.
func (r *mirrorRun) mirror(ctx context.Context, to place) error {
	m, err := r.open(ctx, to)
	if err != nil {
		return err
	}
	writing := *r.command
	writing.global.noLock = false
	shares := !r.flags.mirror.delete || r.flags.dryRun
	err = writing.inTurns(m, shares, func(t *turns) error { return r.fill(ctx, m, t) })
	return errors.Join(err, m.Close())
}

// open opens a mirror, or begins it.
func (r *mirrorRun) open(ctx context.Context, to place) (*repository.Repository, error) {
	begin := r.flags.mirror.init && !r.flags.dryRun
	store, err := r.openConfirming(ctx, to, begin, r.flags)
	if errors.Is(err, storage.ErrNotFound) {
		return nil, fmt.Errorf("%w: %w; to begin a mirror there, add --init", repository.ErrNoRepository, err)
	}
	if err != nil {
		return nil, err
	}
	dir, err := r.cacheDir()
	if err != nil {
		return nil, err
	}
	o := repository.Options{CacheDir: dir, Warn: func(err error) { r.ui.warn("repository", "", err) }}
	if begin {
		return upkeep.BeginMirror(ctx, r.src, store, o)
	}
	m, err := r.src.OpenMirror(ctx, store, o)
	if errors.Is(err, repository.ErrNoRepository) {
		err = fmt.Errorf("%w; to begin a mirror there, add --init", err)
	}
	return m, err
}

// fill copies what a mirror lacks, deletes what it has besides if that is asked
// for, and tells.
func (r *mirrorRun) fill(ctx context.Context, m *repository.Repository, t *turns) error {
	w := &mirrorWork{mirrorRun: r, m: m, turns: t, start: time.Now(), deletes: r.flags.mirror.delete}
	var heldBack error
	if w.deletes {
		heldBack = w.mayDelete(ctx)
		if w.deletes = heldBack == nil; !w.deletes && !errors.Is(heldBack, upkeep.ErrHeld) {
			return heldBack
		}
	}
	done, err := upkeep.Mirror(ctx, r.src, m, upkeep.MirrorOptions{
		Delete: w.deletes, Watch: r.progress.watch,
		OnProblem: func(key string, err error) {
			w.findings = append(w.findings, err.Error())
			r.ui.warn("mirror", key, err)
		},
	}, upkeep.MirrorTurns{Locks: t, Planned: w.planned, Allowed: w.mayDelete})
	switch {
	case errors.Is(err, upkeep.ErrHeld): // since a moment ago
		heldBack, err = err, nil
	case errors.Is(err, upkeep.ErrIncomplete):
		heldBack, err = fmt.Errorf("%w, and `holdfast repair --from` may bring it back from this mirror", err), nil
	}
	if err != nil || r.flags.dryRun {
		return err
	}
	if err := w.end(ctx, done); err != nil {
		return err
	}
	if done.Surplus > 0 {
		return heldBack
	}
	return nil
}

// mirrorWork is the work on one mirror.
type mirrorWork struct {
	*mirrorRun
	m        *repository.Repository
	turns    *turns
	start    time.Time
	deletes  bool
	findings []string
}

// planned goes on with a plan, but for a dry run, which tells of it.
func (w *mirrorWork) planned(plan *upkeep.MirrorPlan) (goOn bool) {
	if !w.flags.dryRun {
		return true
	}
	s := mirrorSummary{
		MessageType: "summary", DryRun: true, Repository: w.m.Location(),
		Surplus: plan.Surplus(), Files: plan.Missing().Count, Bytes: plan.Missing().Bytes,
	}
	w.ui.message(s)
	w.ui.infof("would copy %s (%s) to %s", countOf(s.Files, "file"), size.FormatBytes(s.Bytes), s.Repository)
	switch err := plan.HeldBack(); {
	case err != nil:
		w.ui.warn("mirror", "", err)
	case w.deletes:
		w.ui.infof("would delete %s there", countOf(s.Surplus, "file"))
	}
	return false
}

// mayDelete returns an error while anything is held in the repository or the
// mirror: a hold that was removed at one of them still is at the other.
func (w *mirrorWork) mayDelete(ctx context.Context) error {
	active, err := hold.Active(ctx, w.src, w.m)
	if err != nil || len(active) == 0 {
		return err
	}
	h := active[0]
	return fmt.Errorf("all was copied, and nothing is deleted now: %s %w since %s: %s; look into it, then `holdfast hold release %s`",
		h.Of(), upkeep.ErrHeld, h.Time.Local().Format(time.DateTime), h.Reason, h.ID)
}

// end tells what was done, keeps the evidence of it, and extends retentions.
func (w *mirrorWork) end(ctx context.Context, done *upkeep.MirrorReceipt) error {
	s := mirrorSummary{
		MessageType: "summary", Repository: w.m.Location(),
		Files: done.Copied.Count, Bytes: done.Copied.Bytes, Replaced: done.Replaced, Present: done.Present.Count,
		Deleted: done.Deleted, Surplus: done.Surplus, Problems: done.Problems, TotalDuration: time.Since(w.start).Seconds(),
	}
	s.add(w.m.Store())
	w.tell(s)
	if _, ok := storage.As[*immutable.Store](w.m.Store()); ok {
		err := w.turns.Locked(ctx, repository.Shared, func(ctx context.Context) error {
			_, err := w.loadAll(ctx, w.m)
			if err == nil {
				w.keepLocked(ctx, w.m)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	if w.flags.confirm.readBack && (s.FilesReadBack > 0 || done.Problems > 0) {
		w.keepEvidence(ctx, w.m, evidence.Record{
			Kind: evidence.ReadBack, Read: evidence.Part, Seconds: s.TotalDuration, Packs: countPacks(w.src),
			PacksRead: s.PacksReadBack, BytesRead: s.BytesReadBack, Problems: done.Problems, Findings: w.findings,
		})
	}
	if done.Problems > 0 {
		return fmt.Errorf("%s could not be copied as they should be, each named above; the rest is there. "+
			"`holdfast check --read-data` tells what the damage hits, `holdfast repair --from` heals it", countOf(done.Problems, "file"))
	}
	return nil
}

// tell tells what was done to one mirror.
func (r *mirrorRun) tell(s mirrorSummary) {
	r.progress.clear()
	r.ui.message(s)
	r.ui.infof("copied %s (%s) to %s; %d were there already", countOf(s.Files, "file"), size.FormatBytes(s.Bytes), s.Repository, s.Present)
	if s.Replaced > 0 {
		r.ui.infof("%s there was damaged, and was replaced", countOf(s.Replaced, "file"))
	}
	r.tellConfirmed(s.confirmed)
	switch {
	case s.Deleted > 0:
		r.ui.infof("deleted %s there", countOf(s.Deleted, "file"))
	case s.Surplus > 0:
		r.ui.infof("it keeps %s that the repository does not have; --delete would remove them", countOf(s.Surplus, "file"))
	}
}
