package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"holdfast/internal/postgres"
	"holdfast/internal/restore/pgdump"
	"holdfast/internal/verify/cluster"
	"holdfast/repository"
	"holdfast/repository/snapshot"
)

// dumps restores dumps into a private server that is made for that, and looks
// into it as into any other.
func (t *restoreTest) dumps(ctx context.Context, r *repository.Repository, snapshots []*snapshot.Snapshot) error {
	snapshots = slices.DeleteFunc(snapshots, func(s *snapshot.Snapshot) bool { return s.Log() != "" }) // base backups
	chosen, err := t.point.choose(snapshots)
	if err != nil {
		return err
	}
	t.take(chosen)
	at, err := openDumps(ctx, r, chosen, t.name)
	if err != nil {
		return err
	}
	bin, err := postgres.Programs(at.dump.Major, t.f.binDir)
	if err != nil {
		return notJudged(err)
	}
	counts, err := rowCounts(ctx, r, at.snapshot, t.name)
	if err != nil {
		return err
	}
	if err := ownDataDirectory(t.scratch.Path()); err != nil {
		return notJudged(err)
	}
	o := t.clusterOptions(bin, filepath.Join(t.scratch.Path(), "data"))
	if err := makeEmptyCluster(ctx, o); err != nil {
		return notJudged(err)
	}
	o.Database, o.Counts, o.FromDumps = t.dumpedDatabase(at.dump), counts, true
	o.Recover = func(ctx context.Context, s *postgres.Server) (*postgres.Recovered, error) {
		if err := s.Start(ctx); err != nil {
			return nil, notJudged(err)
		}
		wrong, err := t.restoreDumpsTo(ctx, at, t.scratch.Path())
		for _, w := range wrong {
			t.test.Find("%s", w)
		}
		return &postgres.Recovered{}, err
	}
	o.OnPhase = func(name string) { t.ui.infof("%s ...", phaseOfDumps(name)) }
	result, err := cluster.Run(ctx, o)
	if result != nil {
		for n := range result.Phases {
			result.Phases[n].Name = phaseOfDumps(result.Phases[n].Name)
		}
	}
	t.judge(result)
	t.test.RTO.Measured = t.test.Took("restore").Seconds()
	newest, derr := openDumps(ctx, r, snapshots[len(snapshots)-1], t.name)
	if derr == nil {
		t.test.RPO.Measured = max(0, t.test.Began.Sub(newest.dump.Started)).Seconds()
	}
	return errors.Join(err, derr)
}

// restoreDumpsTo restores all databases, and returns what went wrong.
func (t *restoreTest) restoreDumpsTo(ctx context.Context, at *storedDumps, scratch string) (wrong []string, err error) {
	_, err = pgdump.Run(ctx, pgdump.Options{
		Dump: at.dump, Content: at, BinDir: t.f.binDir, Jobs: 1, Scratch: scratch, WithoutTablespaces: true,
		DSN:    fmt.Sprintf("host='%s' port=5432 user='%s' dbname=postgres sslmode=disable", scratch, t.f.user),
		OnStep: func(what string) { t.ui.infof("  %s", printable(what)) },
		Warn:   func(item string, err error) { wrong = append(wrong, item+": "+err.Error()) },
	})
	return wrong, err
}

// dumpedDatabase is where the plan's checks are asked: the database that was
// named, or that of the source, or else the first that holds anything.
func (t *restoreTest) dumpedDatabase(d *postgres.Dump) string {
	name := t.database()
	has := func(db postgres.DumpedDatabase) bool { return db.Name == name && !db.Empty }
	if t.f.database != "" || slices.ContainsFunc(d.Databases, has) {
		return name
	}
	for _, db := range d.Databases {
		if !db.Empty {
			return db.Name
		}
	}
	return name
}

// phaseOfDumps names a phase: what is a recovery otherwise restores dumps.
func phaseOfDumps(name string) string {
	if name == "recover" {
		return "restore"
	}
	return name
}
