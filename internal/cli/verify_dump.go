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

	"holdfast/internal/evidence"
	"holdfast/internal/postgres"
	"holdfast/internal/restore/pgdump"
	"holdfast/internal/verify/cluster"
	"holdfast/repository"
)

// runDumps restores the newest dumps into a private server that is made for
// that, and proves it as any other.
func (t *restoreTest) runDumps(ctx context.Context, r *repository.Repository) (*verifyMessage, error) {
	if t.f.random {
		return nil, errors.New("dumps come back as they were when they were made: --random is for base backups with a log")
	}
	at, err := t.findDumps(ctx, r, t.source.name, &recoveryFlags{time: t.f.time})
	if err != nil {
		return nil, err
	}
	bin, err := postgres.Programs(at.dump.Major, t.f.binDir)
	if err != nil {
		return nil, err
	}
	scratch, err := t.newScratch()
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(scratch) //nolint:errcheck // told below by the next run that finds it
	start := time.Now()
	data, err := t.emptyCluster(ctx, bin, scratch)
	if err != nil {
		return nil, err
	}
	o := cluster.Options{Bin: bin, Data: data, Scratch: scratch, User: t.f.user, Database: t.dumpedDatabase(at.dump)}
	if t.plan.RestoreTest != nil {
		for _, check := range t.plan.RestoreTest.Checks {
			if check.SQL != "" {
				o.Checks = append(o.Checks, cluster.Check{SQL: check.SQL, Expect: check.Expect})
			}
		}
	}
	var wrong []string
	o.Recover = func(ctx context.Context, s *postgres.Server) (*postgres.Recovered, error) {
		if err := s.Start(ctx); err != nil {
			return nil, err
		}
		wrong, err = t.restoreDumpsTo(ctx, at, scratch)
		return &postgres.Recovered{}, err
	}
	o.OnPhase = func(name string) { t.ui.infof("%s ...", phaseOfDumps(name)) }
	result, err := cluster.Run(ctx, o)
	if err != nil {
		return nil, err
	}
	m := t.dumpMessage(at, append(wrong, result.Findings...), result, start)
	t.keepEvidence(ctx, r, evidence.Record{
		Kind: evidence.Proof, Read: evidence.Part, Seconds: time.Since(start).Seconds(),
		Snapshot: &at.snapshot.ID, Problems: len(m.Findings), Findings: m.Findings,
	})
	return m, nil
}

// emptyCluster makes a cluster with nothing in it.
func (t *restoreTest) emptyCluster(ctx context.Context, bin, scratch string) (string, error) {
	data := filepath.Join(scratch, "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		return "", fmt.Errorf("make scratch folder: %w", err)
	}
	if err := ownDataDirectory(data); err != nil {
		return "", err
	}
	out, err := (&postgres.Server{Bin: bin, Data: data}).Run(ctx, "initdb", "-D", data, "-U", t.f.user, "-A", "trust", "-E", "UTF8", "--no-locale", "--data-checksums", "--no-sync")
	if err != nil {
		return "", fmt.Errorf("make a private server: %w\n%s", err, strings.TrimSpace(string(out)))
	}
	return data, nil
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

func (t *restoreTest) dumpMessage(at *storedDumps, findings []string, result *cluster.Result, start time.Time) *verifyMessage {
	m := &verifyMessage{
		MessageType: "restore_test", Source: t.source.name, Snapshot: at.snapshot.ID.String(),
		Good: len(findings) == 0, Findings: append([]string{}, findings...), Checksums: result.Checksums, Phases: map[string]float64{},
		PromisedRTO: time.Duration(t.plan.Objectives.RTO).Seconds(), PromisedRPO: time.Duration(t.plan.Objectives.RPO).Seconds(),
		RPO: max(0, start.Sub(at.dump.Started)).Seconds(),
	}
	for _, phase := range result.Phases {
		m.Phases[phaseOfDumps(phase.Name)] = phase.Duration.Seconds()
	}
	m.RTO = m.Phases["restore"]
	return m
}

// phaseOfDumps names a phase: what is a recovery otherwise restores dumps.
func phaseOfDumps(name string) string {
	if name == "recover" {
		return "restore"
	}
	return name
}
