package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"holdfast/internal/config"
	"holdfast/internal/pitr"
	"holdfast/internal/postgres"
	"holdfast/internal/restore/pgdump"
	"holdfast/internal/verify/cluster"
	"holdfast/repository"
	"holdfast/repository/snapshot"
)

// tableRestore brings tables back as of a time, beside those in use: a private
// server is restored, and the tables are moved from it.
type tableRestore struct {
	*command
	f      *restoreFlags
	source *logSource
	// database has the tables, in the source; schema is where they come to,
	// "" for their own.
	database, schema string
	move             pgdump.TableOptions
	began            time.Time
}

// tablesRestoredMessage tells what became of a restore of tables.
type tablesRestoredMessage struct {
	MessageType string         `json:"message_type"` // "tables_restored"
	Snapshot    string         `json:"snapshot"`
	DryRun      bool           `json:"dry_run,omitempty"`
	Tables      []tableMessage `json:"tables"`
	Seconds     float64        `json:"seconds"`
}

type tableMessage struct {
	From string `json:"from"`
	To   string `json:"to"`
	Rows int64  `json:"rows"`
}

// ownSchema is the word of --to-schema for the schema that a table was in.
const ownSchema = "own"

// runTableRestore restores tables into a server that is in use.
func (c *command) runTableRestore(ctx context.Context, f *restoreFlags) error {
	if f.target != "" || len(f.dumps.schemas) > 0 || len(f.dumps.databases) > 1 {
		return errors.New("--table with --to-server brings tables of one database into a server: it goes with neither --target nor --schema")
	}
	s, err := c.logSource(f.recovery.log)
	if err != nil {
		return err
	}
	if err := c.warnShown(f.dumps.server); err != nil {
		return err
	}
	t := &tableRestore{command: c, f: f, source: s, began: time.Now()}
	if err := t.choosePlaces(); err != nil {
		return err
	}
	major, err := pgdump.CheckTarget(ctx, t.move)
	if err != nil {
		return err
	}
	r, err := c.openPlace(ctx, s.repositories[0].place)
	if err != nil {
		return err
	}
	err = c.locked(ctx, r, repository.Shared, func(ctx context.Context, r *repository.Repository) error {
		if s.postgres.Method == config.MethodDump {
			return t.fromDumps(ctx, r, major)
		}
		return t.fromBackup(ctx, r, major)
	})
	return errors.Join(err, r.Close())
}

// choosePlaces says which tables come from where to where: from the database
// that is named, or the one of the source, or else of the server; into a schema
// that is named after the time, if none is named.
func (t *tableRestore) choosePlaces() error {
	d := &t.f.dumps
	var err error
	if t.move.Tables, err = d.tableNames(); err != nil {
		return err
	}
	t.move.To, t.move.BinDir = d.server, t.f.recovery.binDir
	t.move.OnStep = func(what string) { t.ui.infof("  %s", printable(what)) }
	switch t.schema = d.toSchema; t.schema {
	case "":
		t.schema = "restored_" + t.began.Format("20060102_150405")
	case ownSchema:
		t.schema = ""
	}
	t.move.Schema = t.schema
	for _, dsn := range []string{t.source.postgres.DSN, d.server} {
		if cfg, err := pgconn.ParseConfig(dsn); err == nil && t.database == "" {
			t.database = cfg.Database
		}
	}
	if len(d.databases) == 1 {
		t.database = d.databases[0]
	}
	return nil
}

// fromBackup recovers a base backup to the wish.
func (t *tableRestore) fromBackup(ctx context.Context, r *repository.Repository, target int) error {
	wish, err := t.f.recovery.wish()
	if err != nil {
		return err
	}
	facts, archive, err := t.recoveryFacts(ctx, r, t.source.repositories[0], t.source.name)
	if err != nil {
		return err
	}
	choice, err := pitr.Choose(facts, wish)
	if err != nil {
		return err
	}
	for _, why := range choice.Why {
		t.ui.infof("%s", why)
	}
	s := choice.Point.Snapshot
	if t.f.dryRun {
		t.tell(s, nil)
		return nil
	}
	scratch, remove, err := newServerScratch()
	if remove != nil {
		defer remove()
	}
	if err != nil {
		return err
	}
	if s.Summary != nil {
		if err := roomFor(scratch, s.Summary.TotalBytesProcessed); err != nil {
			return err
		}
	}
	data := filepath.Join(scratch, "data")
	if err := t.restoreScratchCluster(ctx, r, t.source.name, choice, wish, data); err != nil {
		return err
	}
	major, err := postgres.VersionOf(data)
	if err != nil {
		return err
	}
	if major > target {
		return fmt.Errorf("the tables are of PostgreSQL %d, and the server to restore to is %d: it may not understand what is newer; restore to %d or later", major, target, major)
	}
	o, err := privateServer(scratch, t.f.recovery.binDir, t.f.dumps.user, major)
	if err != nil {
		return err
	}
	command, stop, err := deliverLog(ctx, scratch, data, choice, wish, archive)
	if err != nil {
		return err
	}
	o.RestoreCommand = command
	o.Recover = func(ctx context.Context, s *postgres.Server) (*postgres.Recovered, error) {
		t.ui.infof("recovering to %s, on a private server", wish)
		at, _, err := pitr.Recover(ctx, s, wish, t.f.dumps.user)
		return at, err
	}
	return errors.Join(t.serve(ctx, s, o), stop())
}

// fromDumps restores the tables' database into an empty server, the chosen
// tables alone.
func (t *tableRestore) fromDumps(ctx context.Context, r *repository.Repository, target int) error {
	at, err := t.findDumps(ctx, r, t.source.name, &t.f.recovery)
	if err != nil {
		return err
	}
	t.chooseDatabase(at.dump)
	if at.dump.Major > target {
		return fmt.Errorf("the dump is of PostgreSQL %d, and the server to restore to is %d: it may not understand what is newer; restore to %d or later", at.dump.Major, target, at.dump.Major)
	}
	t.ui.infof("begin with the dumps of %s to %s, snapshot %s", at.dump.Started.Local().Format(timeFormat), at.dump.Ended.Local().Format(timeFormat), at.snapshot.ID.Short())
	if t.f.dryRun {
		t.tell(at.snapshot, nil)
		return nil
	}
	scratch, remove, err := newServerScratch()
	if remove != nil {
		defer remove()
	}
	if err != nil {
		return err
	}
	o, err := privateServer(scratch, t.f.recovery.binDir, t.f.dumps.user, at.dump.Major)
	if err != nil {
		return err
	}
	if err := makeEmptyCluster(ctx, o); err != nil {
		return err
	}
	from := t.database
	t.database = "holdfast_" + from // one of the private server has the name already, maybe
	o.Recover = func(ctx context.Context, s *postgres.Server) (*postgres.Recovered, error) {
		if err := s.Start(ctx); err != nil {
			return nil, err
		}
		var wrong []error
		_, err := pgdump.Run(ctx, pgdump.Options{
			Dump: at.dump, Content: at, BinDir: t.f.recovery.binDir, Jobs: 1, Scratch: scratch, WithoutTablespaces: true,
			Databases: []string{from}, Tables: t.move.Tables, Into: t.database,
			DSN:    fmt.Sprintf("host='%s' port=5432 user='%s' dbname=postgres sslmode=disable", scratch, t.f.dumps.user),
			OnStep: func(what string) { t.ui.infof("  %s", printable(what)) },
			Warn:   func(item string, err error) { wrong = append(wrong, fmt.Errorf("%s: %w", item, err)) },
		})
		return &postgres.Recovered{}, errors.Join(append(wrong, err)...)
	}
	return t.serve(ctx, at.snapshot, o)
}

// chooseDatabase takes the only database of the dumps that holds anything, when
// none is named and the usual one is not there.
func (t *tableRestore) chooseDatabase(d *postgres.Dump) {
	has := func(db postgres.DumpedDatabase) bool { return db.Name == t.database && !db.Empty }
	if len(t.f.dumps.databases) > 0 || slices.ContainsFunc(d.Databases, has) {
		return
	}
	full := slices.DeleteFunc(slices.Clone(d.Databases), func(db postgres.DumpedDatabase) bool { return db.Empty })
	if len(full) == 1 {
		t.database = full[0].Name
	}
}

// serve runs the private server and moves the tables from it.
func (t *tableRestore) serve(ctx context.Context, s *snapshot.Snapshot, o cluster.Options) error {
	return cluster.Serve(ctx, o, func(ctx context.Context, _ *postgres.Recovered, dsn func(string) string) error {
		t.move.From = dsn(t.database)
		moved, err := pgdump.MoveTables(ctx, t.move)
		if err != nil {
			return err
		}
		t.tell(s, moved)
		return nil
	})
}

// tell says what was done, or would be.
func (t *tableRestore) tell(s *snapshot.Snapshot, moved []pgdump.MovedTable) {
	m := tablesRestoredMessage{
		MessageType: "tables_restored", Snapshot: s.ID.String(), DryRun: t.f.dryRun, Tables: []tableMessage{}, Seconds: time.Since(t.began).Seconds(),
	}
	for _, table := range moved {
		m.Tables = append(m.Tables, tableMessage(table))
		t.ui.infof("%s is back as %s: %d rows", table.From, table.To, table.Rows)
	}
	if t.f.dryRun {
		into := "their own schema"
		if t.schema != "" {
			into = "schema " + t.schema
		}
		t.ui.infof("would bring %s of database %s into %s", strings.Join(t.f.dumps.tables, ", "), t.database, into)
	}
	t.ui.message(m)
}
