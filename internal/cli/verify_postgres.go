package cli

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"holdfast/internal/config"
	"holdfast/internal/evidence"
	"holdfast/internal/logarchive"
	"holdfast/internal/pitr"
	"holdfast/internal/postgres"
	"holdfast/internal/restore"
	"holdfast/internal/verify/cluster"
	"holdfast/internal/wal"
	"holdfast/repository"
)

// restoreTest is a restore test of a PostgreSQL source.
type restoreTest struct {
	*command
	f      *verifyFlags
	source *logSource
	plan   config.Plan
}

// run restores, proves and removes, and keeps the record of it.
func (t *restoreTest) run(ctx context.Context, r *repository.Repository, from logRepository) (*verifyMessage, error) {
	if t.source.postgres.Method == config.MethodDump {
		return t.runDumps(ctx, r)
	}
	facts, archive, err := t.recoveryFacts(ctx, r, from, t.source.name)
	if err != nil {
		return nil, err
	}
	wish, err := t.wish(facts)
	if err != nil {
		return nil, err
	}
	choice, err := pitr.Choose(facts, wish)
	if err != nil {
		return nil, err
	}
	for _, why := range choice.Why {
		t.ui.infof("%s", why)
	}
	scratch, err := t.newScratch()
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(scratch) //nolint:errcheck // told below by the next run that finds it
	start := time.Now()
	data := filepath.Join(scratch, "data")
	if err := t.restoreData(ctx, r, choice, data, wish); err != nil {
		return nil, err
	}
	restored := time.Since(start)
	result, err := t.prove(ctx, scratch, data, choice, wish, archive)
	if err != nil {
		return nil, err
	}
	m := t.message(choice, result, start, restored)
	t.keepEvidence(ctx, r, evidence.Record{
		Kind: evidence.Proof, Read: evidence.Part, Seconds: time.Since(start).Seconds(),
		Snapshot: &choice.Point.Snapshot.ID, Problems: len(m.Findings), Findings: m.Findings,
	})
	return m, nil
}

// wish is where to recover to.
func (t *restoreTest) wish(facts pitr.Facts) (w pitr.Wish, err error) {
	switch {
	case t.f.time != "":
		w.Time, err = parseTargetTime(t.f.time)
	case t.f.random && len(facts.Points) > 0 && len(facts.Log) > 0:
		from, to := facts.Points[0].Ended, facts.Log[len(facts.Log)-1].To
		if span := to.Sub(from); span > 0 {
			w.Time = from.Add(time.Duration(rand.Int64N(int64(span)))) //nolint:gosec // any instant will do
		}
	case len(facts.Points) > 0 && facts.Points[len(facts.Points)-1].Held:
		w.Immediate = true
	}
	return w, err
}

// newScratch makes a folder whose content the server's user may reach.
func (t *restoreTest) newScratch() (string, error) {
	scratch, err := os.MkdirTemp(t.f.scratch, "holdfast-verify-")
	if err != nil {
		return "", fmt.Errorf("make scratch folder: %w", err)
	}
	return scratch, ownDataDirectory(scratch)
}

func (t *restoreTest) restoreData(ctx context.Context, r *repository.Repository, choice *pitr.Choice, data string, wish pitr.Wish) error {
	o := restore.Options{Target: data, Subfolder: "/" + t.source.name}
	spaces, err := tablespacesOf(ctx, r, choice.Point.Snapshot, t.source.name, nil)
	if err != nil {
		return err
	}
	if err := t.restore(ctx, r, choice.Point.Snapshot, o); err != nil {
		return err
	}
	if err := pitr.WriteTablespaceMap(data, nil); err != nil {
		return err
	}
	settings := pitr.Recovery{Wish: wish, Timeline: choice.Timeline, TablespacesInside: len(spaces.inside) > 0}
	if err := settings.Write(data); err != nil {
		return err
	}
	return ownDataDirectory(data)
}

// prove starts a private server. Its log is delivered by this process: the
// server's user need not be able to open the repository.
func (t *restoreTest) prove(ctx context.Context, scratch, data string, choice *pitr.Choice, wish pitr.Wish, archive *logarchive.Archive) (_ *cluster.Result, err error) {
	major, err := postgres.VersionOf(data)
	if err != nil {
		return nil, err
	}
	bin, err := postgres.Programs(major, t.f.binDir)
	if err != nil {
		return nil, err
	}
	o := cluster.Options{Bin: bin, Data: data, Scratch: scratch, User: t.f.user, Database: t.database()}
	if t.plan.RestoreTest != nil {
		for _, check := range t.plan.RestoreTest.Checks {
			if check.SQL != "" {
				o.Checks = append(o.Checks, cluster.Check{SQL: check.SQL, Expect: check.Expect})
			}
		}
	}
	if archive != nil && !choice.Point.Held {
		from := wal.FetchOptions{Archive: archive, Stream: choice.Point.System}
		if wish.Immediate {
			from.Until = choice.Point.End
		}
		delivery, err := wal.NewDelivery(ctx, filepath.Join(scratch, "wal"), from, ownOne)
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, delivery.Close()) }()
		if o.RestoreCommand, err = collectCommand(delivery.Socket()); err != nil {
			return nil, err
		}
	}
	o.Recover = func(ctx context.Context, s *postgres.Server) (*postgres.Recovered, error) {
		at, _, err := pitr.Recover(ctx, s, wish, t.f.user)
		return at, err
	}
	o.OnPhase = func(name string) { t.ui.infof("%s ...", name) }
	return cluster.Run(ctx, o)
}

// collectCommand is the restore_command of a server that this process
// delivers to.
func collectCommand(socket string) (string, error) {
	program, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find this program: %w", err)
	}
	return shellQuote(program) + " wal fetch --quiet --socket " + shellQuote(socket) + ` "%f" "%p"`, nil
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
	if cfg, err := pgconn.ParseConfig(t.source.postgres.DSN); err == nil && cfg.Database != "" {
		return cfg.Database
	}
	return "postgres"
}

func (t *restoreTest) message(choice *pitr.Choice, result *cluster.Result, start time.Time, restored time.Duration) *verifyMessage {
	m := &verifyMessage{
		MessageType: "restore_test", Source: t.source.name, Snapshot: choice.Point.Snapshot.ID.String(),
		Good: len(result.Findings) == 0, Findings: append([]string{}, result.Findings...), Checksums: result.Checksums,
		LSN: result.Recovered.LSN.String(), Phases: map[string]float64{"restore": restored.Seconds()},
		PromisedRTO: time.Duration(t.plan.Objectives.RTO).Seconds(), PromisedRPO: time.Duration(t.plan.Objectives.RPO).Seconds(),
	}
	m.RTO = restored.Seconds()
	for _, phase := range result.Phases {
		m.Phases[phase.Name] = phase.Duration.Seconds()
		if phase.Name == "recover" {
			m.RTO += phase.Duration.Seconds()
		}
	}
	// What is lost when the server is lost now: all since the archive's end.
	newest := choice.EndTime
	if newest.IsZero() {
		newest = choice.Point.Ended
	}
	m.RPO = max(0, start.Sub(newest)).Seconds()
	if !result.Recovered.LastCommit.IsZero() {
		m.LastCommit = result.Recovered.LastCommit.Format(time.RFC3339Nano)
	}
	return m
}
