package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"holdfast/internal/config"
	"holdfast/internal/logarchive"
	"holdfast/internal/pitr"
	"holdfast/internal/wal"
	"holdfast/repository/snapshot"
)

// copiedLogs are the log archives of the sources whose base backups are
// copied, in the repository that is copied from.
type copiedLogs struct {
	place   logPlace
	trusted logarchive.Options
	sources map[string]*copiedLog
}

// copiedLog is the log archive of one source.
type copiedLog struct {
	archive *logarchive.Archive
	status  *wal.Status
}

// broughtLog is what was brought to one destination.
type broughtLog struct {
	segments int
	// elsewhere tells how they are known to be there, where the log does not
	// lie in the repository.
	elsewhere confirmed
}

// bringLogs brings to a destination the log that the base backups there and
// those that come need, before they come: a base backup that is there can be
// restored from there.
func (r *copyRun) bringLogs(ctx context.Context, dst openedCopy, snapshots []*snapshot.Snapshot) (brought broughtLog, err error) {
	sources := sourcesWithLog(snapshots)
	if len(sources) == 0 {
		return brought, nil
	}
	if r.logs == nil {
		if err := r.openLogs(ctx); err != nil {
			return brought, err
		}
	}
	to := &logPlace{openedCopy: dst}
	writing := *r.command
	writing.confirming = r.flags.confirm.confirming()
	if err := writing.openLogPlace(ctx, to); err != nil {
		return brought, err
	}
	defer func() {
		if to.elsewhere {
			brought.elsewhere.add(to.store)
		}
		err = errors.Join(err, to.close())
	}()
	for _, source := range sources {
		n, berr := r.bringLog(ctx, to, source, pitr.Points(snapshots, source))
		brought.segments += n
		if berr != nil {
			return brought, fmt.Errorf("log of %s: %w", source, berr)
		}
	}
	return brought, nil
}

// sourcesWithLog returns the sources of which there are base backups that do
// not bring their log along.
func sourcesWithLog(snapshots []*snapshot.Snapshot) (sources []string) {
	for _, s := range snapshots {
		if need, ok := pitr.ParseNeed(s.Log()); ok && !need.Held && !slices.Contains(sources, s.Source()) {
			sources = append(sources, s.Source())
		}
	}
	slices.Sort(sources)
	return sources
}

// openLogs opens the store of the logs that are copied.
func (r *copyRun) openLogs(ctx context.Context) error {
	logs := &copiedLogs{place: logPlace{openedCopy: openedCopy{r.from, r.src}}, sources: map[string]*copiedLog{}}
	if err := r.openLogPlace(ctx, &logs.place); err != nil {
		return err
	}
	logs.trusted.Trusted = logs.place.keys.Trusted
	if l := r.from.configured; l != nil && l.Log != nil {
		for _, text := range l.Log.Trusted {
			key, err := logarchive.ParsePublicKey(text)
			if err != nil {
				return errors.Join(fmt.Errorf("repository %s: log.trusted: %w", r.from.name, err), logs.place.close())
			}
			logs.trusted.Trusted = append(logs.trusted.Trusted, key)
		}
	}
	logs.trusted.Identities = logs.place.keys.Identities
	r.logs = logs
	return nil
}

// closeLogs closes what openLogs has opened.
func (r *copyRun) closeLogs() error {
	if r.logs == nil {
		return nil
	}
	return r.logs.place.close()
}

// log returns the log archive of a source where it is copied from.
func (r *copyRun) log(ctx context.Context, source string) (*copiedLog, error) {
	if l := r.logs.sources[source]; l != nil {
		return l, nil
	}
	o := r.logs.trusted
	o.Source = source
	archive, err := logarchive.New(r.logs.place.store, o)
	if err != nil {
		return nil, err
	}
	l := &copiedLog{archive: archive}
	if l.status, err = wal.Inspect(ctx, archive); err != nil {
		return nil, fmt.Errorf("%s: %w", archive.Location(), err)
	}
	r.logs.sources[source] = l
	return l, nil
}

// bringLog brings the log of one source to a destination.
func (r *copyRun) bringLog(ctx context.Context, to *logPlace, source string, points []pitr.Point) (brought int, err error) {
	from, err := r.log(ctx, source)
	if err != nil {
		return 0, err
	}
	o := r.logs.trusted
	o.Source = source
	o.Trusted, o.Identities = append(slices.Clone(o.Trusted), to.keys.Trusted...), append(slices.Clone(o.Identities), to.keys.Identities...)
	archive, err := logarchive.New(to.store, o)
	if err != nil {
		return 0, err
	}
	there, err := archive.List(ctx, "")
	if err != nil {
		return 0, err
	}
	own := logarchive.Coverage(there)
	facts := pitr.PruneFacts{Facts: logFacts(from.status), Now: time.Now(), Window: r.windowAt(to.place)}
	facts.Points = points
	if facts.Segments, err = from.archive.List(ctx, ""); err != nil {
		return 0, err
	}
	parts := pitr.CopiedParts(facts, own)
	// Before the first segment comes that was archived with them.
	if err := logarchive.ShareKeys(ctx, r.src, to.r); err != nil {
		return 0, err
	}
	err = archive.Bring(ctx, from.archive, parts, func(logarchive.Segment) error {
		brought++
		return nil
	})
	if err != nil {
		return brought, err
	}
	return brought, r.tellLackingLog(ctx, archive, to, points)
}

// windowAt returns the point-in-time window that the plan has in a place: from
// now on, and so no more than the base backups need, where none is known.
func (r *copyRun) windowAt(to place) func(end time.Time) time.Time {
	plan, ok := config.Plan{}, false
	if cfg, err := r.loadConfig(); err == nil && r.flags.plan != "" {
		plan, ok = cfg.Plans[r.flags.plan]
	}
	if !ok {
		return func(end time.Time) time.Time { return end }
	}
	return windowFrom(plan.KeepIn(to.name).Within)
}

// tellLackingLog warns of base backups that lack log in a place all the same:
// it was gone where it was copied from.
func (r *copyRun) tellLackingLog(ctx context.Context, archive *logarchive.Archive, to *logPlace, points []pitr.Point) error {
	now, err := archive.List(ctx, "")
	if err != nil {
		return err
	}
	covered, told := logarchive.Coverage(now), map[pitr.Need]bool{}
	for _, p := range points {
		if p.Held || told[p.Need] || logarchive.Covers(covered, p.Range()) {
			continue
		}
		told[p.Need] = true
		r.ui.warn("copy", to.r.Location(), fmt.Errorf("the base backup of %s of %s cannot be restored from there: its log from %s to %s is not in %s",
			p.Snapshot.Time.Local().Format(time.DateTime), p.Snapshot.Source(), p.Start, p.End, r.src.Location()))
	}
	return nil
}
