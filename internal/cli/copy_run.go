package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"holdfast/internal/evidence"
	"holdfast/internal/size"
	"holdfast/internal/upkeep"
	"holdfast/repository"
	"holdfast/repository/snapshot"
	"holdfast/storage"
)

// copyMessage tells of one snapshot.
type copyMessage struct {
	MessageType string `json:"message_type"` // "copied", "skipped" or "would_copy"
	Repository  string `json:"repository"`
	From        string `json:"source_snapshot_id"`
	To          string `json:"snapshot_id,omitempty"`
}

// copySummary is the last message for each destination.
type copySummary struct {
	MessageType string `json:"message_type"` // "summary"
	DryRun      bool   `json:"dry_run,omitempty"`
	Repository  string `json:"repository"`
	Copied      int    `json:"snapshots_copied"`
	Skipped     int    `json:"snapshots_skipped"`
	Blobs       uint64 `json:"blobs_copied"`
	Bytes       uint64 `json:"bytes_copied"`
	LogSegments int    `json:"log_segments_copied"`
	confirmed
	TotalDuration float64 `json:"total_duration"` // seconds
}

// copyRun is one copy of snapshots to some places.
type copyRun struct {
	*command
	flags  *copyFlags
	writer repository.WriterOptions
	from   place
	src    *repository.Repository
	chosen []*snapshot.Snapshot

	logs         *copiedLogs // nil until there is log to copy
	start        time.Time
	destinations []*upkeep.Destination
	brought      []broughtLog // by destination
	failed       []error
}

// to copies to the places. Each that cannot be opened is left out, and told
// at the end.
func (r *copyRun) to(ctx context.Context, places []place) error {
	r.start = time.Now()
	if err := r.open(ctx, places); err != nil {
		r.failed = append(r.failed, err)
	}
	return errors.Join(r.failed...)
}

// open opens and locks one place after the other, then copies to all. --no-lock
// is for the source alone: who writes needs a lock.
func (r *copyRun) open(ctx context.Context, places []place) error {
	if len(places) == 0 {
		return r.copy(ctx)
	}
	writing := *r.command
	writing.global.noLock = false
	writing.confirming = r.flags.confirm.confirming()
	dst, err := writing.openPlace(ctx, places[0])
	if err != nil {
		r.fail(places[0].url, err)
		return r.open(ctx, places[1:])
	}
	reached := false
	err = writing.loaded(ctx, dst, func(ctx context.Context, dst *repository.Repository, others []*snapshot.Snapshot) error {
		reached = true
		if err := r.add(ctx, openedCopy{places[0], dst}, others); err != nil {
			r.fail(dst.Location(), err)
		}
		err := r.open(ctx, places[1:])
		if err == nil && !r.flags.dryRun {
			r.keepLocked(ctx, dst)
		}
		return err
	})
	err = errors.Join(err, dst.Close())
	if err != nil && !reached {
		r.fail(dst.Location(), err)
		return r.open(ctx, places[1:])
	}
	return err
}

// fail notes that nothing, or not all, could be copied to a place.
func (r *copyRun) fail(place string, err error) {
	r.failed = append(r.failed, fmt.Errorf("copy to %s: %w", place, err))
}

// add makes a destination of a repository, given its snapshots, and brings the log there. Snapshots
// are copied also where that fails: then nothing is worse than without them.
func (r *copyRun) add(ctx context.Context, to openedCopy, others []*snapshot.Snapshot) error {
	dst := to.r
	brought := broughtLog{}
	if !r.flags.dryRun {
		var err error
		if brought, err = r.bringLogs(ctx, to, slices.Concat(others, r.chosen)); err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			r.fail(dst.Location(), err)
		}
		if brought.segments > 0 {
			r.ui.infof("brought %s of the log to %s", countOf(brought.segments, "segment"), dst.Location())
		}
	}
	d := &upkeep.Destination{Repository: dst}
	r.brought = append(r.brought, brought)
	for _, s := range r.chosen {
		same := upkeep.Copied(s, others)
		if same == nil {
			d.Snapshots = append(d.Snapshots, s)
			continue
		}
		r.ui.message(copyMessage{"skipped", dst.Location(), s.ID.String(), same.ID.String()})
		if r.ui.verbose > 0 {
			r.ui.infof("snapshot %s is there already, as %s", s.ID.Short(), same.ID.Short())
		}
	}
	r.destinations = append(r.destinations, d)
	return nil
}

// copy copies to all destinations, and tells what became of each.
func (r *copyRun) copy(ctx context.Context) error {
	if len(r.destinations) == 0 {
		return nil
	}
	if r.flags.dryRun {
		r.tellPlan()
		return nil
	}
	err := upkeep.Copy(ctx, r.src, r.destinations, upkeep.CopyOptions{
		Writer: r.writer, Watch: r.watchUpkeep,
		OnCopied: func(d *upkeep.Destination, from, to *snapshot.Snapshot) {
			r.ui.message(copyMessage{"copied", d.Repository.Location(), from.ID.String(), to.ID.String()})
			where := ""
			if len(r.destinations) > 1 {
				where = " at " + d.Repository.Location()
			}
			r.ui.infof("snapshot %s of %s copied as %s%s", from.ID.Short(), from.Time.Local().Format(time.DateTime), to.ID.Short(), where)
		},
	})
	if errors.Is(err, upkeep.ErrLeftOut) { // the rest is as it should be
		r.failed = append(r.failed, err)
		err = nil
	}
	told := false
	for k, d := range r.destinations {
		if d.Err != nil {
			r.fail(d.Repository.Location(), d.Err)
			told = true
		}
		if err == nil || d.Err != nil {
			r.tell(ctx, d, r.brought[k])
		}
	}
	if told && len(r.destinations) == r.failures() {
		return nil // the error is that of all destinations
	}
	return err
}

// failures counts the destinations that failed.
func (r *copyRun) failures() (n int) {
	for _, d := range r.destinations {
		if d.Err != nil {
			n++
		}
	}
	return n
}

// tellPlan tells what would be copied.
func (r *copyRun) tellPlan() {
	for _, d := range r.destinations {
		place := d.Repository.Location()
		for _, s := range d.Snapshots {
			r.ui.message(copyMessage{"would_copy", place, s.ID.String(), ""})
			r.ui.infof("would copy snapshot %s of %s to %s", s.ID.Short(), s.Time.Local().Format(time.DateTime), place)
		}
		r.ui.message(copySummary{
			MessageType: "summary", DryRun: true, Repository: place, Copied: len(d.Snapshots), Skipped: len(r.chosen) - len(d.Snapshots),
		})
		r.ui.infof("would copy %s to %s; %d are there already", countOf(len(d.Snapshots), "snapshot"), place, len(r.chosen)-len(d.Snapshots))
	}
}

// tell tells what was done to one destination, and keeps evidence of what was
// read back.
func (r *copyRun) tell(ctx context.Context, d *upkeep.Destination, brought broughtLog) {
	n := &d.Receipt
	m := copySummary{
		MessageType: "summary", Repository: d.Repository.Location(), Copied: len(n.Copied), Skipped: len(r.chosen) - len(d.Snapshots),
		Blobs: n.Blobs.Count, Bytes: n.Blobs.Bytes, LogSegments: brought.segments, confirmed: brought.elsewhere,
		TotalDuration: time.Since(r.start).Seconds(),
	}
	m.add(d.Repository.Store())
	r.ui.message(m)
	r.ui.infof("copied %s to %s (%s in %s); %d were there already", countOf(m.Copied, "snapshot"), m.Repository, size.FormatBytes(m.Bytes), countOf(m.Blobs, "blob"), m.Skipped)
	r.tellConfirmed(m.confirmed)
	if !r.flags.confirm.readBack || m.PacksReadBack == 0 && d.Err == nil {
		return
	}
	rec := evidence.Record{
		Kind: evidence.ReadBack, Read: evidence.Part, Seconds: m.TotalDuration, Packs: countPacks(d.Repository),
		PacksRead: m.PacksReadBack, BytesRead: m.BytesReadBack,
	}
	if errors.Is(d.Err, storage.ErrConflict) {
		rec.Problems, rec.Findings = 1, []string{d.Err.Error()}
	}
	r.keepEvidence(ctx, d.Repository, rec)
}

// countPacks counts the packs in the index.
func countPacks(r *repository.Repository) (n int) {
	for range r.Index().Packs() {
		n++
	}
	return n
}
