package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"holdfast/internal/app"
	"holdfast/internal/app/status"
	"holdfast/internal/logarchive"
	"holdfast/internal/objective"
	"holdfast/internal/pitr"
	"holdfast/internal/redundancy"
	"holdfast/internal/wal"
	"holdfast/repository"
)

// lookAtLogs finds out how far the databases of all plans can be recovered from
// a repository.
func (r *statusRun) lookAtLogs(ctx context.Context, repo *repository.Repository, p place, seen *status.Survey) error {
	if r.cfg == nil {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(r.cfg.Plans)) {
		at := slices.IndexFunc(r.planOf(name, r.cfg.Plans[name]).copies, func(c statusCopy) bool { return c.place.url == p.url })
		if at < 0 {
			continue
		}
		from := logRepository{place: p, name: r.planOf(name, r.cfg.Plans[name]).copies[at].name}
		for _, source := range r.cfg.Plans[name].Sources {
			if kindOf(r.cfg.Sources[source]) != kindPostgres {
				continue
			}
			log, err := r.lookAtLog(ctx, repo, from, name, source)
			if err != nil {
				return err
			}
			if seen.Logs == nil {
				seen.Logs = make(map[string]map[string]status.Log)
			}
			if seen.Logs[name] == nil {
				seen.Logs[name] = make(map[string]status.Log)
			}
			seen.Logs[name][source] = log
		}
	}
	return nil
}

// lookAtLog finds out how far one database can be recovered.
func (r *statusRun) lookAtLog(ctx context.Context, repo *repository.Repository, from logRepository, plan, source string) (status.Log, error) {
	all, err := r.snapshots(ctx, repo)
	if err != nil {
		return status.Log{}, err
	}
	own := app.SnapshotsOf(r.cfg, plan, all)
	if len(pitr.Points(own, source)) == 0 {
		return status.Log{}, nil // that there is no backup is told elsewhere
	}
	facts, _, err := r.recoveryFactsOf(ctx, repo, from, source, own)
	if ctx.Err() != nil {
		return status.Log{}, context.Cause(ctx)
	}
	if err != nil {
		return status.Log{Problem: err.Error()}, nil
	}
	log := status.Log{Spans: facts.Spans(), Unproven: oneLine(errors.Join(facts.Unproven...))}
	newest := facts.Points[len(facts.Points)-1]
	choice, err := pitr.Choose(facts, pitr.Wish{Immediate: newest.Held})
	if err != nil {
		log.Problem = oneLine(err)
		return log, nil
	}
	log.To = choice.EndTime
	if newest.Held || log.To.IsZero() {
		log.To = choice.Point.Ended
	}
	if choice.Point.Snapshot == newest.Snapshot && !newest.Held && r.nothingSince(ctx, source, choice) {
		log.To = r.now
	}
	return log, nil
}

// oneLine is what an error says, "" for none.
func oneLine(err error) string {
	if err == nil {
		return ""
	}
	return strings.Join(strings.Fields(err.Error()), " ")
}

// idleAfter is how old the end of a log is before the server is asked whether
// it goes on: a busy one would not be done being asked.
const idleAfter = 5 * time.Second

// nothingSince tells whether a server has written nothing since the end of its
// log in an archive: then nothing is lost with it. It is unknown, and false, when
// the server cannot be asked.
func (r *statusRun) nothingSince(ctx context.Context, source string, to *pitr.Choice) bool {
	if r.now.Sub(to.EndTime) < idleAfter {
		return false
	}
	at, asked := r.servers[source]
	if !asked {
		at = r.askServer(ctx, source)
		r.servers[source] = at
	}
	if at == nil || at.Timeline != to.Timeline {
		return false
	}
	has := logarchive.Range{Stream: to.Point.System, Line: to.Timeline, End: logarchive.Position(to.End)}
	behind, known := at.Behind([]logarchive.Range{has})
	return known && behind == 0
}

// askServer asks how far the log of a source is; nil when that is not known.
func (r *statusRun) askServer(ctx context.Context, source string) *wal.Position {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	dsn, err := postgresDSN(ctx, *r.cfg.Sources[source].Postgres)
	if err != nil {
		return nil
	}
	at, err := wal.PositionOf(ctx, dsn)
	if err != nil {
		return nil
	}
	return &at
}

// objectives tells how the objectives of a plan stand, from what was surveyed.
func (r *statusRun) objectives(p statusPlan) *objective.Standings {
	f := objective.Facts{Plan: p.name, Now: r.now, RPO: p.rpo, RTO: p.rto}
	for _, one := range p.copies {
		f.Copies = append(f.Copies, r.objectiveCopy(p, one))
	}
	f.Sources = sourcesOf(p.sources, f.Copies)
	return objective.Judge(f)
}

// sourcesOf returns the sources of a plan as snapshots name them, with their
// hosts, and those that nothing was ever backed up of.
func sourcesOf(configured []string, copies []objective.Copy) []string {
	var sources []string
	for _, c := range copies {
		for name := range c.Points {
			sources = append(sources, name)
		}
	}
	for _, name := range configured {
		if !slices.ContainsFunc(sources, func(s string) bool { return withoutHost(s) == name }) {
			sources = append(sources, name)
		}
	}
	slices.Sort(sources)
	return slices.Compact(sources)
}

// withoutHost is the source of HOST:SOURCE.
func withoutHost(key string) string {
	_, source, found := strings.Cut(key, ":")
	if !found {
		return key
	}
	return source
}

// objectiveCopy is what is known of one repository of a plan. Tests of it may
// be recorded in the others.
func (r *statusRun) objectiveCopy(p statusPlan, one statusCopy) objective.Copy {
	found := r.surveys[one.place.url]
	c := objective.Copy{Name: one.name, Points: make(map[string]objective.Point)}
	if found.down != nil {
		c.Down = found.down.Error()
	}
	if found.Survey == nil {
		return c
	}
	if bad := found.Bad; bad != nil && bad.RestoreTest == nil && (found.Good == nil || !found.Good.Time.After(bad.Time)) {
		c.Wrong = "errors were found on " + bad.Time.Local().Format(timeFormat)
	}
	if found.Lost != "" {
		c.Wrong = found.Lost
	}
	for key, at := range found.Points[p.name] {
		point := objective.Point{Time: at, Bytes: found.Sizes[p.name][key]}
		if log, ok := found.Logs[p.name][withoutHost(key)]; ok {
			point.Failed = log.Problem
			if !log.To.IsZero() {
				point.Time = log.To
			}
		}
		r.addTests(&point, p, withoutHost(key), one.name)
		c.Points[key] = point
	}
	return c
}

// addTests adds what restore tests of a source from a repository have found.
func (r *statusRun) addTests(point *objective.Point, p statusPlan, source, from string) {
	var good []status.Test
	var failed status.Test
	for _, one := range p.copies {
		found := r.surveys[one.place.url]
		if found.Survey == nil {
			continue
		}
		for _, t := range found.Tests {
			switch {
			case t.Plan != p.name || t.Source != source || t.From != from:
			case t.Failed != "" && t.Time.After(failed.Time):
				failed = t
			case t.Failed == "":
				good = append(good, t)
			}
		}
	}
	slices.SortFunc(good, func(a, b status.Test) int { return b.Time.Compare(a.Time) })
	var measured []objective.Test
	for _, t := range good {
		measured = append(measured, objective.Test{Time: t.Time, Took: time.Duration(t.Seconds * float64(time.Second)), Bytes: t.Bytes})
	}
	if len(measured) > 0 {
		point.Test, point.Earlier = &measured[0], measured[1:]
	}
	if point.Failed == "" && (len(good) == 0 || failed.Time.After(good[0].Time)) {
		point.Failed = failed.Failed
	}
}

// unproven are the logs of a plan of which some may be lost without anybody
// noticing.
func unproven(sources []statusSource) (list []redundancy.Missing) {
	for _, s := range sources {
		for _, log := range s.Logs {
			if log.Unproven == "" {
				continue
			}
			list = append(list, redundancy.Missing{
				Rule: "log",
				What: fmt.Sprintf("newer log of %s in %s may be lost without anybody noticing: %s", s.Source, log.Repository, log.Unproven),
				Next: "wait until more log is archived there, which says anew where it ends; if it stays so: holdfast repair -r " + log.Repository + " --from a copy",
			})
		}
	}
	return list
}

// brokenPromises are the objectives that are not kept, or not known to be.
func brokenPromises(plan string, s *objective.Standings) (list []redundancy.Missing) {
	for _, one := range []struct {
		rule, next string
		*objective.Standing
	}{
		{"rpo", "see why nothing newer can be restored: holdfast verify --plan " + plan, &s.RPO},
		{"rto", "measure it: holdfast verify --plan " + plan + "; if it takes too long, restore from a place that is nearer, or promise less", &s.RTO},
	} {
		switch {
		case !one.Broken():
		case one.State == objective.Unknown:
			list = append(list, redundancy.Missing{Rule: one.rule, What: one.Reason, Next: one.next})
		default:
			list = append(list, redundancy.Missing{Rule: one.rule, What: fmt.Sprintf("%s, and %s is promised: %s", spent(one.Value), spent(one.Promised), one.Reason), Next: one.next})
		}
	}
	return list
}

// standingMessage is how an objective stands.
type standingMessage struct {
	State    objective.State `json:"state"`
	Seconds  float64         `json:"seconds,omitempty"`
	Promised float64         `json:"promised_seconds,omitempty"`
	Source   string          `json:"source,omitempty"`
	Reason   string          `json:"reason"`
	// Point is the recovery point that an RPO is measured from.
	Point *time.Time `json:"point,omitempty"`
}

func newStandingMessage(s objective.Standing) standingMessage {
	return standingMessage{s.State, s.Value.Seconds(), s.Promised.Seconds(), s.Source, s.Reason, instant(s.Point)}
}

// tellObjectives prints how the objectives of a plan stand.
func (r *statusRun) tellObjectives(s *objective.Standings) {
	for _, one := range []struct {
		name string
		*objective.Standing
	}{{"RPO", &s.RPO}, {"RTO", &s.RTO}} {
		promised := "nothing promised"
		if one.Promised > 0 {
			promised = spent(one.Promised) + " promised, " + strings.ToUpper(string(one.State))
		}
		r.ui.printf("  %s %s (%s): %s\n", one.name, standingText(one.Standing), promised, printable(one.Reason))
	}
}

// standingText is what was measured.
func standingText(s *objective.Standing) string {
	if s.State == objective.Unknown {
		return "unknown"
	}
	return spent(s.Value)
}
