package cli

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"holdfast/internal/logarchive"
	"holdfast/internal/pitr"
	"holdfast/internal/postgres"
	"holdfast/internal/restore"
	"holdfast/internal/trace"
	"holdfast/internal/wal"
	"holdfast/repository"
	"holdfast/repository/snapshot"
)

// recoveryFlags say to which point in time a PostgreSQL cluster is restored.
type recoveryFlags struct {
	log         walFlags
	time        string
	lsn         string
	name        string
	transaction string
	immediate   bool
	timeline    uint32
	exclusive   bool
	backup      string
	pause       bool
	standby     string
	archive     bool
	start       bool
	binDir      string
	tablespaces []string
}

func (f *recoveryFlags) register(fl *pflag.FlagSet) {
	fl.StringVar(&f.log.plan, "plan", "", "restore a PostgreSQL source of this `plan`, to the end of its log or to one of --to-...")
	fl.StringVar(&f.log.source, "source", "", "`source` of the plan (may be left out when it has only one that is PostgreSQL)")
	fl.StringVar(&f.time, "to-time", "", "stop at a `time`, such as \"2026-05-01 12:30:00\" (of this host's time zone, or with one)")
	fl.StringVar(&f.lsn, "to-lsn", "", "stop at a `position` of the log, such as 16/B374D848")
	fl.StringVar(&f.name, "to-name", "", "stop at a restore point, made with pg_create_restore_point(`name`)")
	fl.StringVar(&f.transaction, "to-xid", "", "stop at the commit of a transaction `ID`")
	fl.BoolVar(&f.immediate, "to-backup-end", false, "stop as soon as the base backup is consistent")
	fl.Uint32Var(&f.timeline, "to-timeline", 0, "follow this `timeline` (default: the newest)")
	fl.BoolVar(&f.exclusive, "exclusive", false, "stop just before the target instead of after it")
	fl.StringVar(&f.backup, "backup", "", "begin with this base backup, by the `ID` of its snapshot")
	fl.BoolVar(&f.pause, "pause", false, "stay read-only at the target, to look around, instead of going on as a new timeline")
	fl.StringVar(&f.standby, "standby", "", "make a standby of the server with this `connection string`")
	fl.BoolVar(&f.archive, "keep-archiving", false, "have the server archive its log as the original did, without a base backup of its own: only when the original is gone for good")
	fl.BoolVar(&f.start, "start", false, "start the server, wait for the target, and tell where recovery stopped")
	fl.StringArrayVar(&f.tablespaces, "tablespace-map", nil, "restore the tablespace that was at OLD to NEW: `OLD=NEW` (may be repeated; others come to lie inside the data directory)")
	fl.StringVar(&f.binDir, "bin-dir", "", "`folder` of the server's programs")
}

func (f *recoveryFlags) wanted() bool { return f.log.plan != "" || f.log.source != "" }

func (f *recoveryFlags) wish() (pitr.Wish, error) {
	w := pitr.Wish{
		Name: f.name, Transaction: f.transaction, Immediate: f.immediate,
		Timeline: f.timeline, Exclusive: f.exclusive, Backup: f.backup,
	}
	var err error
	if f.lsn != "" {
		if w.LSN, err = postgres.ParseLSN(f.lsn); err != nil {
			return w, fmt.Errorf("--to-lsn: %w", err)
		}
	}
	if f.time != "" {
		if w.Time, err = parseTargetTime(f.time); err != nil {
			return w, fmt.Errorf("--to-time: %w", err)
		}
	}
	return w, w.Validate()
}

// recovery is a restore of a PostgreSQL cluster under way.
type recovery struct {
	*command
	f      *recoveryFlags
	o      restore.Options
	source string
	wish   pitr.Wish
	began  time.Time
	points []pitr.Point // the base backups there are
	choice *pitr.Choice // what was chosen
}

// runRecovery restores a PostgreSQL source to a point in time.
func (c *command) runRecovery(ctx context.Context, f *recoveryFlags, o restore.Options) error {
	wish, err := f.wish()
	if err != nil {
		return err
	}
	if err := f.checkStandby(wish); err != nil {
		return err
	}
	source, repositories, err := c.logPlaces(f.log)
	if err != nil {
		return err
	}
	run := &recovery{command: c, f: f, o: o, source: source, wish: wish, began: time.Now()}
	if repositories, err = c.recoveryPlaces(repositories); err != nil {
		return err
	}
	places := make([]place, len(repositories))
	for n, from := range repositories {
		places[n] = from.place
	}
	fall := newFallback(c, places)
	err = fall.read(ctx, func(ctx context.Context, n int, r *repository.Repository, snapshots []*snapshot.Snapshot) error {
		err := run.restore(ctx, r, repositories[n], snapshots)
		var lacks *tryNextError
		if errors.As(err, &lacks) { // the copies were asked for each piece already
			return lacks.error
		}
		return err
	})
	if err = errors.Join(err, fall.close()); err != nil || o.DryRun {
		return err
	}
	return run.recover(ctx)
}

// recoveryPlaces returns the repositories that a recovery may use, the one that
// was asked for first: with those that flags name, or the others of the plan.
func (c *command) recoveryPlaces(ofPlan []logRepository) ([]logRepository, error) {
	switch {
	case c.global.noFallback:
		return ofPlan[:1], nil
	case len(ofPlan) > 1 && len(c.global.fallbacks) == 0:
		return ofPlan, nil
	}
	others, err := c.fallbacks(ofPlan[0].place)
	all := ofPlan[:1:1]
	for _, p := range others {
		all = append(all, logRepository{place: p, name: p.url})
	}
	return all, err
}

// restore chooses the base backup and brings the data directory back.
func (run *recovery) restore(ctx context.Context, r *repository.Repository, from logRepository, snapshots []*snapshot.Snapshot) error {
	inner, span := trace.Start(ctx, "choose recovery point", slog.String("source", run.source))
	choice, command, err := run.choose(inner, r, from, snapshots)
	span.End(err)
	if err != nil {
		return err
	}
	run.choice = choice
	for _, why := range choice.Why {
		run.ui.infof("%s", why)
	}
	if run.o.DryRun {
		if err := run.explain(ctx, r, choice); err != nil {
			return err
		}
	}
	if err := errors.Join(run.checkEnd(choice), run.checkTarget(ctx, choice.Point.System)); err != nil {
		return err
	}
	if err := run.checkPrimary(ctx, choice); err != nil {
		return err
	}
	run.o.Subfolder = "/" + run.source
	spaces, err := tablespacesOf(ctx, r, choice.Point.Snapshot, run.source, run.f.tablespaces)
	if err != nil {
		return err
	}
	if err := spaces.check(run.o); err != nil {
		return err
	}
	o := spaces.without(run.o)
	if !o.DryRun {
		if err := run.beginTarget(ctx, r, choice.Point.Snapshot); err != nil {
			return err
		}
		o = withoutControl(o)
	}
	if err := run.command.restore(ctx, r, choice.Point.Snapshot, o); err != nil {
		return err
	}
	if err := run.restoreTablespaces(ctx, r, choice.Point.Snapshot, spaces, run.o); err != nil || run.o.DryRun {
		return err
	}
	for _, one := range spaces.inside {
		run.ui.infof("the tablespace that was at %s lies inside the data directory now; to have it elsewhere, use --tablespace-map", one.Location)
	}
	settings := pitr.Recovery{
		RestoreCommand: command, Wish: run.target(choice), Timeline: choice.Timeline, Pause: run.f.pause,
		Standby: run.f.standby != "", PrimaryConninfo: run.f.standby, KeepArchiving: run.f.archive,
		TablespacesInside: len(spaces.inside) > 0, Mark: run.mark(),
	}
	if err := settings.Write(run.o.Target); err != nil {
		return err
	}
	// What was fetched for another recovery here.
	if err := os.RemoveAll(filepath.Join(run.o.Target, walFolder, aheadFolder)); err != nil {
		return fmt.Errorf("prepare recovery: %w", err)
	}
	if err := ownDataDirectory(run.o.Target); err != nil {
		return err
	}
	return run.finishTarget(spaces)
}

// checkEnd refuses to leave it to PostgreSQL to find the end of a backup which
// nothing follows, such as one of an idle standby: it stops before the next record,
// and takes it for a failure that there is none. `--start` knows better (Recover).
func (run *recovery) checkEnd(choice *pitr.Choice) error {
	if !run.wish.Immediate || run.f.start || choice.Point.Held || choice.End > choice.Point.End {
		return nil
	}
	return fmt.Errorf("the log ends where the backup does, at %s, and PostgreSQL would not end its recovery there by itself: add --start, which sees to it; or leave --to-backup-end out, to recover all there is", choice.Point.End)
}

// target is where PostgreSQL is told to stop. A standby's backup that has its log
// along with it ends where that does.
func (run *recovery) target(choice *pitr.Choice) pitr.Wish {
	if run.wish.Immediate && choice.Point.Held && postgres.BackupOfStandby(run.o.Target) {
		return pitr.Wish{}
	}
	return run.wish
}

// mark is by what archivers know the restored server: a standby is none, it
// follows its primary.
func (run *recovery) mark() string {
	switch {
	case run.f.standby != "":
		return ""
	case run.f.archive:
		return postgres.RestoredArchives
	}
	return strings.ToLower(rand.Text())
}

// choose gathers the facts and decides. It returns the command with which the
// server gets its log.
func (run *recovery) choose(ctx context.Context, r *repository.Repository, from logRepository, snapshots []*snapshot.Snapshot) (*pitr.Choice, string, error) {
	facts, archive, err := run.recoveryFactsOf(ctx, r, from, run.source, snapshots)
	if err != nil {
		return nil, "", err
	}
	run.points = facts.Points
	choice, err := pitr.Choose(facts, run.wish)
	if err != nil || archive == nil || choice.Point.Held {
		return choice, "", err
	}
	command, err := run.restoreCommand(choice)
	return choice, command, err
}

// recoveryFacts gathers what there is to recover a source with, from its
// repository. Without a log archive, the archive is nil.
func (c *command) recoveryFacts(ctx context.Context, r *repository.Repository, from logRepository, source string) (pitr.Facts, *logarchive.Archive, error) {
	snapshots, err := c.loadAll(ctx, r)
	if err != nil {
		return pitr.Facts{}, nil, err
	}
	return c.recoveryFactsOf(ctx, r, from, source, snapshots)
}

// recoveryFactsOf is recoveryFacts for snapshots that are loaded.
func (c *command) recoveryFactsOf(ctx context.Context, r *repository.Repository, from logRepository, source string, snapshots []*snapshot.Snapshot) (pitr.Facts, *logarchive.Archive, error) {
	var facts pitr.Facts
	facts.Points = pitr.Points(snapshots, source)
	keys, err := logarchive.LoadKeys(ctx, r)
	if err != nil || len(keys.Identities) == 0 {
		return facts, nil, err
	}
	archive, err := c.openLogWith(ctx, from, source, keys)
	if err != nil {
		return facts, nil, err
	}
	status, err := wal.Inspect(ctx, archive)
	if err != nil {
		return facts, nil, err
	}
	points := facts.Points
	facts = logFacts(status)
	facts.Points = points
	return facts, archive, nil
}

// restoreCommand is how the restored server gets its log: this very program,
// with what it was told about where things are.
func (run *recovery) restoreCommand(choice *pitr.Choice) (string, error) {
	program, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find this program: %w", err)
	}
	words := []string{program, "wal", "fetch", "--quiet"}
	for _, flag := range []struct{ name, value string }{
		{"--config", run.global.config},
		{"--repo", run.global.repo},
		{"--password-file", run.global.passwordFile},
		{"--cache-dir", run.global.cacheDir},
		{"--plan", run.f.log.plan},
		{"--source", run.source},
		{"--until", untilOf(choice, run.wish)},
	} {
		if flag.value == "" {
			continue
		}
		value := flag.value
		if flag.name == "--config" || flag.name == "--password-file" || flag.name == "--cache-dir" {
			if value, err = filepath.Abs(value); err != nil {
				return "", err
			}
		}
		words = append(words, flag.name, value)
	}
	for k, word := range words {
		words[k] = quoteForServer(word)
	}
	fetch := strings.Join(words, " ")
	if run.f.standby != "" || run.f.archive {
		return takeOwnOrFetch(fetch), nil
	}
	return lookOwnOrFetch(fetch), nil
}

// untilOf returns where the log may end: for a server that recovers to the end
// of its backup there, as it reads ahead, and what comes after may have been
// pruned; for one with another target where it was found to reach, as the
// server itself fails when it does not get to its target. For one that is to
// recover all there is, nothing may be missing.
func untilOf(choice *pitr.Choice, wish pitr.Wish) string {
	switch {
	case wish.Immediate:
		return choice.Point.End.String()
	case wish.HasTarget():
		return choice.End.String()
	}
	return ""
}

// checkTarget refuses a target that holds something else, or a cluster that
// is running or another one.
func (run *recovery) checkTarget(ctx context.Context, system string) error {
	entries, err := os.ReadDir(run.o.Target)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(entries) == 0 {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look at the target: %w", err)
	}
	there, unfinished, err := clusterIn(run.o.Target)
	if err != nil {
		return fmt.Errorf("the target %s is not empty, and no data directory of PostgreSQL; name another folder", run.o.Target)
	}
	if there != system {
		return fmt.Errorf("the target %s holds another cluster (%s, the backup is of %s); name another folder", run.o.Target, there, system)
	}
	if unfinished { // nothing runs on it, and not all that is asked below may be there
		if !run.o.Delete {
			return fmt.Errorf("the target %s holds what a restore of this very cluster has left that was cut off; to do it again, writing only what differs, add --delete", run.o.Target)
		}
		return nil
	}
	major, err := postgres.VersionOf(run.o.Target)
	if err != nil {
		return err
	}
	if bin, err := postgres.Programs(major, run.f.binDir); err == nil {
		if (&postgres.Server{Bin: bin, Data: run.o.Target}).Running(ctx) {
			return fmt.Errorf("a server runs on %s: stop it first", run.o.Target)
		}
	} else if _, err := os.Stat(filepath.Join(run.o.Target, "postmaster.pid")); err == nil {
		return fmt.Errorf("a server may run on %s (there is a postmaster.pid): stop it first", run.o.Target)
	}
	if !run.o.Delete {
		return fmt.Errorf("the target %s holds this very cluster; to bring it to the wished state, writing only what differs and deleting what was not there, add --delete", run.o.Target)
	}
	return nil
}

// ownDataDirectory makes the folder one that PostgreSQL accepts: for its
// owner alone, and not root's.
func ownDataDirectory(data string) error {
	if err := os.Chmod(data, 0o700); err != nil {
		return fmt.Errorf("prepare the data directory: %w", err)
	}
	uid, gid, ok := postgres.ServerOwner()
	if !ok {
		return nil
	}
	return filepath.WalkDir(data, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, uid, gid)
	})
}

// recoveredMessage tells where a recovery stopped.
type recoveredMessage struct {
	MessageType string `json:"message_type"` // "recovered"
	Target      string `json:"target"`
	Started     bool   `json:"started"`
	Timeline    uint32 `json:"timeline,omitempty"`
	LSN         string `json:"lsn,omitempty"`
	LastCommit  string `json:"last_commit,omitempty"`
	Paused      bool   `json:"paused,omitempty"`
	// LostAfter is when the end of the log was archived, where all of it was
	// wished: what was written after that is lost.
	LostAfter string  `json:"lost_after,omitempty"`
	Seconds   float64 `json:"seconds"`
}

// lost tells what is missing of what was wished: nothing but what never came
// into the log.
func (run *recovery) lost(m *recoveredMessage, at *postgres.Recovered) string {
	end := run.choice.EndTime
	switch {
	case !run.wish.HasTarget() && !end.IsZero():
		m.LostAfter = end.Format(time.RFC3339Nano)
		return "the log was archived up to " + end.Local().Format("2006-01-02 15:04:05.000") + ": what the server wrote after that is lost"
	case !run.wish.Time.IsZero() && !at.LastCommit.IsZero():
		return fmt.Sprintf("nothing is lost: no transaction was committed in the %s before the wished time", run.wish.Time.Sub(at.LastCommit).Round(time.Millisecond))
	}
	return "nothing is lost of what was wished"
}

// recover starts the server, if asked, and tells where it is.
func (run *recovery) recover(ctx context.Context) error {
	m := recoveredMessage{MessageType: "recovered", Target: run.o.Target, Started: run.f.start}
	if !run.f.start {
		m.Seconds = time.Since(run.began).Seconds()
		run.ui.message(m)
		run.ui.infof("the data directory is ready: start PostgreSQL on %s, and it recovers to %s", run.o.Target, run.wish)
		return nil
	}
	major, err := postgres.VersionOf(run.o.Target)
	if err != nil {
		return err
	}
	bin, err := postgres.Programs(major, run.f.binDir)
	if err != nil {
		return err
	}
	data, err := filepath.Abs(run.o.Target)
	if err != nil {
		return err
	}
	server := &postgres.Server{Bin: bin, Data: data, Log: filepath.Join(data, "recovery.log")}
	if run.f.standby != "" {
		if err := server.Start(ctx); err != nil {
			return err
		}
		run.ui.infof("the standby runs on %s", data)
		return nil
	}
	inner, span := trace.Start(ctx, "recover", slog.String("source", run.source))
	at, atEnd, err := pitr.Recover(inner, server, run.wish, "postgres")
	span.End(err)
	if err != nil {
		return err
	}
	if atEnd {
		run.ui.infof("nothing was committed after that: the whole log was replayed")
	}
	m.Timeline, m.LSN, m.Paused, m.Seconds = at.Timeline, at.LSN.String(), at.Paused, time.Since(run.began).Seconds()
	last := "no transaction was replayed"
	if !at.LastCommit.IsZero() {
		m.LastCommit = at.LastCommit.Format(time.RFC3339Nano)
		last = "the last transaction is of " + at.LastCommit.Local().Format("2006-01-02 15:04:05.000")
	}
	lost := run.lost(&m, at)
	run.ui.message(m)
	run.ui.infof("recovered to %s on timeline %d in %s; %s", at.LSN, at.Timeline, time.Since(run.began).Round(100*time.Millisecond), last)
	run.ui.infof("%s", lost)
	if at.Paused {
		run.ui.infof("the server is read-only at the target; go on with SELECT pg_wal_replay_resume()")
	}
	return nil
}
