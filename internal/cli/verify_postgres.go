package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"holdfast/internal/logarchive"
	"holdfast/internal/pitr"
	"holdfast/internal/postgres"
	"holdfast/internal/postgres/rowcount"
	"holdfast/internal/verify/cluster"
	"holdfast/internal/verify/restoretest"
	"holdfast/repository"
)

// cluster restores a base backup, recovers it with a private server, and looks
// into what came back.
func (t *restoreTest) cluster(ctx context.Context, r *repository.Repository) error {
	facts, archive, err := t.recoveryFacts(ctx, r, t.from, t.name)
	if err != nil {
		return err
	}
	facts.Points = t.notLate(facts)
	wish, choice, err := t.choose(ctx, r, facts)
	if err != nil {
		return err
	}
	t.take(choice.Point.Snapshot)
	if !wish.Time.IsZero() {
		t.test.Point.Time, t.point.at = wish.Time.UTC(), wish.Time
	}
	if archive != nil && !choice.Point.Held {
		t.checkLog(facts, choice)
	}
	counts, err := rowCounts(ctx, r, choice.Point.Snapshot, t.name)
	if err != nil {
		return err
	}
	for _, why := range choice.Why {
		t.ui.infof("%s", why)
	}
	if err := ownDataDirectory(t.scratch.Path()); err != nil {
		return notJudged(err)
	}
	data := filepath.Join(t.scratch.Path(), "data")
	if err := t.test.Step("restore", func() error { return t.restoreScratchCluster(ctx, r, t.name, choice, wish, data) }); err != nil {
		return err
	}
	result, err := t.prove(ctx, t.scratch.Path(), data, choice, wish, archive, counts)
	t.judge(result)
	if err != nil {
		return err
	}
	t.test.RTO.Measured = t.test.Took("restore", "recover").Seconds()
	// What is lost when the server is lost now: all since the archive's end.
	newest := choice.EndTime
	if newest.IsZero() {
		newest = choice.Point.Ended
	}
	t.test.RPO.Measured = max(0, t.test.Began.Sub(newest)).Seconds()
	t.message.LSN = result.Recovered.LSN.String()
	t.test.Point.Reached = fmt.Sprintf("%s on timeline %d", t.message.LSN, result.Recovered.Timeline)
	if last := result.Recovered.LastCommit; !last.IsZero() {
		t.message.LastCommit = last.Format(time.RFC3339Nano)
		t.test.Point.Reached += ", last transaction of " + last.UTC().Format(time.RFC3339)
	}
	return nil
}

// checkLog makes sure that the log goes on to its end. What comes after a gap
// cannot be recovered from this base backup.
func (t *restoreTest) checkLog(facts pitr.Facts, choice *pitr.Choice) {
	const want = "no gap from the base backup to its end"
	for _, part := range facts.Log {
		if part.Stream == choice.Point.System && part.Line == choice.Timeline && postgres.LSN(part.Start) > choice.End {
			t.test.Check("log archive", want, fmt.Sprintf("the log from %s to %s is missing: nothing after it can be recovered", choice.End, part.Start.LSN()), false)
			return
		}
	}
	t.test.Check("log archive", want, fmt.Sprintf("it leads from %s to %s without a gap", choice.Point.Start, choice.End), true)
}

// judge turns what was found out about a cluster into steps and checks.
func (t *restoreTest) judge(result *cluster.Result) {
	if result == nil {
		return
	}
	began := time.Now()
	for _, phase := range result.Phases {
		began = began.Add(-phase.Duration)
	}
	for _, phase := range result.Phases {
		t.test.AddStep(phase.Name, began, phase.Duration, nil)
		began = began.Add(phase.Duration)
	}
	t.test.Versions["PostgreSQL"] = result.Version
	t.message.Checksums, t.message.Rows = result.Checksums, newRowsMessage(result.Rows)
	if rows := result.Rows; rows != nil {
		t.test.Checks = append(t.test.Checks, checkOf("rows of each table", "as many as at the backup, where nothing changed since",
			fmt.Sprintf("%d of %d tables compared have as many", rows.Equal, rows.Compared), len(rows.Wrong) == 0))
	}
	for _, a := range result.Answers {
		t.test.Checks = append(t.test.Checks, checkOf(a.Name, a.Expected, a.Actual, a.Good))
	}
	for _, finding := range result.Findings {
		t.test.Find("%s", finding)
	}
}

// choose finds where to recover to, and how.
func (t *restoreTest) choose(ctx context.Context, r *repository.Repository, facts pitr.Facts) (pitr.Wish, *pitr.Choice, error) {
	if point, ok := t.backupOf(facts.Points); ok {
		return t.chooseEnd(ctx, r, facts, point)
	}
	wish, err := t.wish(facts)
	if err != nil {
		return wish, nil, err
	}
	choice, err := pitr.Choose(facts, wish)
	return wish, choice, err
}

// backupOf returns the base backup to whose end the test recovers; false if it
// recovers to something else.
func (t *restoreTest) backupOf(points []pitr.Point) (point pitr.Point, ok bool) {
	if len(points) == 0 {
		return point, false
	}
	begin := t.point.snapshotID()
	asked := func(p pitr.Point) bool { return begin != "" && strings.HasPrefix(p.Snapshot.ID.String(), begin) }
	ofBackup := begin != "" || t.point.asked == pointBackupEnd || t.point.asked == pointOldest
	switch {
	case t.point.like != nil && ofBackup:
		asked = func(p pitr.Point) bool { return firstID(p.Snapshot) == firstID(t.point.like) }
	case t.point.asked == pointBackupEnd:
		return points[len(points)-1], true
	case t.point.asked == pointOldest:
		return points[0], true
	}
	n := slices.IndexFunc(points, asked)
	if n < 0 {
		return point, false
	}
	return points[n], true
}

// chooseEnd recovers to the end of a backup: to the moment its rows were
// counted at, right after, if the log reaches beyond it.
func (t *restoreTest) chooseEnd(ctx context.Context, r *repository.Repository, facts pitr.Facts, point pitr.Point) (pitr.Wish, *pitr.Choice, error) {
	counts, err := rowCounts(ctx, r, point.Snapshot, t.name)
	if err != nil {
		return pitr.Wish{}, nil, err
	}
	backup := point.Snapshot.ID.String()
	if counts != nil && counts.Position() >= point.End {
		wish := pitr.Wish{LSN: counts.Position(), Exclusive: true, Backup: backup, Timeline: point.Timeline}
		if choice, err := pitr.Choose(facts, wish); err == nil && choice.End > wish.LSN {
			return wish, choice, nil
		}
	}
	wish := pitr.Wish{Immediate: true, Backup: backup, Timeline: point.Timeline}
	choice, err := pitr.Choose(facts, wish)
	return wish, choice, err
}

// wish is where to recover to.
func (t *restoreTest) wish(facts pitr.Facts) (w pitr.Wish, err error) {
	if begin := t.point.snapshotID(); begin != "" {
		return w, fmt.Errorf("there is no base backup %s of %s", begin, t.name)
	}
	at, isTime, err := t.point.time()
	if !t.point.at.IsZero() {
		at, isTime = t.point.at, true
	}
	switch {
	case isTime || err != nil:
		w.Time = at
	case t.point.asked == pointRandom && len(facts.Points) > 0 && len(facts.Log) > 0:
		from, to := facts.Points[0].Ended, facts.Log[len(facts.Log)-1].To
		if span := to.Sub(from); span > 0 {
			w.Time = from.Add(time.Duration(t.point.random().Int64N(int64(span))))
		}
	case len(facts.Points) > 0 && facts.Points[len(facts.Points)-1].Held:
		w.Immediate = true
	}
	return w, err
}

// prove starts a private server. Its log is delivered by this process: the
// server's user need not be able to open the repository.
func (t *restoreTest) prove(ctx context.Context, scratch, data string, choice *pitr.Choice, wish pitr.Wish, archive *logarchive.Archive, counts *rowcount.Counts) (_ *cluster.Result, err error) {
	major, err := postgres.VersionOf(data)
	if err != nil {
		return nil, err
	}
	bin, err := postgres.Programs(major, t.f.binDir)
	if err != nil {
		return nil, notJudged(err)
	}
	o := t.clusterOptions(bin, data)
	o.Counts = counts
	command, stop, err := deliverLog(ctx, scratch, data, choice, wish, archive)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, stop()) }()
	o.RestoreCommand = command
	o.Recover = func(ctx context.Context, s *postgres.Server) (*postgres.Recovered, error) {
		at, _, err := pitr.Recover(ctx, s, wish, t.f.user)
		return at, err
	}
	return cluster.Run(ctx, o)
}

// clusterOptions are those of every cluster.
func (t *restoreTest) clusterOptions(bin, data string) cluster.Options {
	o := cluster.Options{
		Bin: bin, Data: data, Scratch: t.scratch.Path(), User: t.f.user, Database: t.database(), Apart: true, Now: t.test.Began,
		OnPhase: func(name string) { t.ui.infof("%s ...", name) },
	}
	if t.point.asked != pointNewest {
		o.Now = t.test.Point.Time // what was old then is no fault of the backup
	}
	t.test.Target.Isolation = append(t.test.Target.Isolation, cluster.Isolation()...)
	var commands []restoretest.Command
	for _, c := range t.checks() {
		switch {
		case c.SQL != "":
			o.Checks = append(o.Checks, cluster.Check{Name: nameOf(c), SQL: c.SQL, Expect: c.Expect, Database: c.Database, Timeout: time.Duration(c.Timeout)})
		case len(c.Command) > 0:
			commands = append(commands, commandOf(c))
		}
	}
	if len(commands) > 0 {
		o.Look = func(ctx context.Context, dsn string) error {
			for _, c := range commands {
				if err := t.sandbox.Run(ctx, t.test, c, dsn); err != nil {
					return err
				}
			}
			return nil
		}
	}
	return o
}

// ownOne gives one file to the server's user.
func ownOne(path string) error {
	uid, gid, ok := postgres.ServerOwner()
	if !ok {
		return nil
	}
	return os.Lchown(path, uid, gid)
}

// database is where the plan's checks are asked.
func (t *restoreTest) database() string {
	if t.f.database != "" {
		return t.f.database
	}
	if cfg, err := pgconn.ParseConfig(t.source.Postgres.DSN); err == nil && cfg.Database != "" {
		return cfg.Database
	}
	return "postgres"
}
