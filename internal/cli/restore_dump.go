package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"time"

	"github.com/spf13/pflag"

	"holdfast/internal/pitr"
	"holdfast/internal/postgres"
	"holdfast/internal/restore/pgdump"
	"holdfast/internal/snapfs"
	"holdfast/internal/verify/proof"
	"holdfast/internal/verify/restoretest"
	"holdfast/repository"
	"holdfast/repository/snapshot"
)

// dumpRestoreFlags say what of a dump is restored into which server.
type dumpRestoreFlags struct {
	server    string
	databases []string
	into      string
	schemas   []string
	tables    []string
	toSchema  string
	user      string
	clean     bool
	jobs      int
	noGlobals bool
	noSpaces  bool
}

func (f *dumpRestoreFlags) register(fl *pflag.FlagSet) {
	fl.StringVar(&f.server, "to-server", "", "restore the dumps of a PostgreSQL source, or with --table tables, into the server with this `connection string`")
	fl.StringArrayVar(&f.databases, "database", nil, "restore only this `database` of the dumps (can be given several times)")
	fl.StringVar(&f.into, "into", "", "`name` for the database that is restored (default: its own)")
	fl.StringArrayVar(&f.schemas, "schema", nil, "restore only this `schema` of the database (can be given several times)")
	fl.StringArrayVar(&f.tables, "table", nil, "restore only this `table` of the database, with its indexes, constraints and triggers: T or S.T, with commas between several, and \"double quotes\" around names that have some (can be given several times)")
	fl.StringVar(&f.toSchema, "to-schema", "", "`schema` that the tables of --table come into, or \"own\" for the one they were in (default: a new one, named after the time)")
	fl.StringVar(&f.user, "user", "postgres", "a superuser of the cluster, for --table")
	fl.BoolVar(&f.clean, "clean", false, "restore into databases that exist: what the dump has is dropped there first")
	fl.IntVar(&f.jobs, "jobs", 1, "restore so many tables at once; more than 1 needs scratch space for the largest dump")
	fl.BoolVar(&f.noSpaces, "no-tablespaces", false, "put everything into the default tablespace")
	fl.BoolVar(&f.noGlobals, "no-globals", false, "make no roles and tablespaces")
}

// tableNames are the tables of --table.
func (f *dumpRestoreFlags) tableNames() (all []pgdump.TableName, err error) {
	for _, list := range f.tables {
		names, err := pgdump.ParseTables(list)
		if err != nil {
			return nil, fmt.Errorf("--table: %w", err)
		}
		all = append(all, names...)
	}
	return all, nil
}

func (f *dumpRestoreFlags) wanted() bool { return f.server != "" }

// dumpRestoredMessage tells what became of a restore of dumps.
type dumpRestoredMessage struct {
	MessageType string    `json:"message_type"` // "dumps_restored"
	Snapshot    string    `json:"snapshot"`
	AsOf        time.Time `json:"as_of"`
	Databases   []string  `json:"databases"`
	Errors      int       `json:"errors"`
	Seconds     float64   `json:"seconds"`
}

// runDumpRestore restores the dumps of a source into a server.
func (c *command) runDumpRestore(ctx context.Context, f *restoreFlags) error {
	if d := &f.dumps; len(d.tables) > 0 && d.into == "" && !d.clean {
		return c.runTableRestore(ctx, f)
	}
	if f.target != "" || f.dryRun {
		return errors.New("--to-server restores into a server: it goes with neither --target nor --dry-run")
	}
	source, repositories, err := c.logPlaces(f.recovery.log)
	if err != nil {
		return err
	}
	if err := c.warnShown(f.dumps.server); err != nil {
		return err
	}
	r, err := c.openPlace(ctx, repositories[0].place)
	if err != nil {
		return err
	}
	err = c.locked(ctx, r, repository.Shared, func(ctx context.Context, r *repository.Repository) error {
		return c.restoreDumps(ctx, r, source, f)
	})
	return errors.Join(err, r.Close())
}

// warnShown warns of a connection string with a password in it.
func (c *command) warnShown(dsn string) error {
	server, err := postgres.ParseAddress(dsn)
	if err == nil && server.Shown {
		c.warnPassword()
	}
	return err
}

func (c *command) warnPassword() {
	c.ui.warn("restore", "", errors.New("a password on the command line can be seen by others while it runs; set PGPASSWORD, or write it to ~/.pgpass"))
}

func (c *command) restoreDumps(ctx context.Context, r *repository.Repository, source string, f *restoreFlags) error {
	start := time.Now()
	tables, err := f.dumps.tableNames()
	if err != nil {
		return err
	}
	at, err := c.findDumps(ctx, r, source, &f.recovery)
	if err != nil {
		return err
	}
	c.ui.infof("restoring dumps of %s, from %s to %s, of PostgreSQL %s", source,
		at.dump.Started.Local().Format(timeFormat), at.dump.Ended.Local().Format(timeFormat), at.dump.Server)
	folder, err := restoretest.NewRestoreScratch()
	if err != nil {
		return err
	}
	defer folder.Remove() //nolint:errcheck // the next one goes on with it
	scratch := folder.Path()
	room, err := proof.NewScratch(scratch)
	if err != nil {
		return err
	}
	d := &f.dumps
	result, err := pgdump.Run(ctx, pgdump.Options{
		Dump: at.dump, Content: at, DSN: d.server, BinDir: f.recovery.binDir, Databases: d.databases, Into: d.into,
		Schemas: d.schemas, Tables: tables, Clean: d.clean, WithoutGlobals: d.noGlobals,
		WithoutTablespaces: d.noSpaces, Jobs: d.jobs, Scratch: scratch, Room: room.Room,
		OnStep: func(what string) { c.ui.infof("  %s", printable(what)) },
		Warn:   func(item string, err error) { c.ui.warn("restore", printable(item), err) },
	})
	if err != nil {
		return err
	}
	c.ui.message(dumpRestoredMessage{
		MessageType: "dumps_restored", Snapshot: at.snapshot.ID.String(), AsOf: at.dump.Started,
		Databases: append([]string{}, result.Restored...), Errors: result.Errors, Seconds: time.Since(start).Seconds(),
	})
	if result.Errors > 0 {
		return fmt.Errorf("%s restored, but %s told above: look whether what is there will do, or restore again with --clean", countOf(len(result.Restored), "database"), countOf(result.Errors, "error"))
	}
	c.ui.infof("restored %s in %s; statistics are not in a dump: run `vacuumdb --all --analyze-in-stages` soon", countOf(len(result.Restored), "database"), spent(time.Since(start)))
	return nil
}

// storedDumps are the dumps in a snapshot.
type storedDumps struct {
	snapshot *snapshot.Snapshot
	dump     *postgres.Dump
	fs       *snapfs.FS
	folder   string
}

// maxDumpList bounds the list of a dump: some 300 bytes for each database.
const maxDumpList = 64 << 20

// findDumps finds the dumps that are meant: those in the snapshot that is
// named, or the newest up to a time.
func (c *command) findDumps(ctx context.Context, r *repository.Repository, source string, f *recoveryFlags) (*storedDumps, error) {
	snapshots, err := c.loadAll(ctx, r)
	if err != nil {
		return nil, err
	}
	var until time.Time
	if f.time != "" {
		if until, err = parseTargetTime(f.time); err != nil {
			return nil, fmt.Errorf("--to-time: %w", err)
		}
	}
	var found *snapshot.Snapshot
	if f.backup != "" {
		if found, err = findToRead(snapshots, snapshot.Filter{}, f.backup); err != nil {
			return nil, err
		}
		return openDumps(ctx, r, found, source)
	}
	for _, s := range snapshot.Sorted(snapshots) {
		if _, physical := pitr.ParseNeed(s.Log()); s.Source() == source && !physical && (until.IsZero() || !s.Time.After(until)) {
			found = s
		}
	}
	if found == nil {
		return nil, fmt.Errorf("there are no dumps of %s%s; base backups are restored with --target, to a folder", source, upTo(until))
	}
	return openDumps(ctx, r, found, source)
}

func upTo(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return " up to " + t.Local().Format(timeFormat)
}

func openDumps(ctx context.Context, r *repository.Repository, s *snapshot.Snapshot, source string) (*storedDumps, error) {
	f, err := snapfs.Open(ctx, r, s.Tree)
	if err != nil {
		return nil, fmt.Errorf("snapshot %s: %w", s.ID.Short(), err)
	}
	d := &storedDumps{snapshot: s, fs: f, folder: "/" + source}
	n, err := f.Lookup(ctx, path.Join(d.folder, postgres.DumpList))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("snapshot %s holds no dumps of %s; base backups are restored with --target, to a folder", s.ID.Short(), source)
	}
	if err != nil {
		return nil, fmt.Errorf("snapshot %s: %w", s.ID.Short(), err)
	}
	if n.Size > maxDumpList {
		return nil, fmt.Errorf("snapshot %s: %s is too long to be true", s.ID.Short(), postgres.DumpList)
	}
	var text bytes.Buffer
	if err := f.WriteFile(ctx, n, &text); err != nil {
		return nil, fmt.Errorf("snapshot %s: %w", s.ID.Short(), err)
	}
	if d.dump, err = postgres.ParseDump(text.Bytes()); err != nil {
		return nil, fmt.Errorf("snapshot %s: %w", s.ID.Short(), err)
	}
	return d, nil
}

// WriteFile writes one of the files.
func (d *storedDumps) WriteFile(ctx context.Context, file string, w io.Writer) error {
	n, err := d.fs.Lookup(ctx, path.Join(d.folder, file))
	if err == nil {
		err = d.fs.WriteFile(ctx, n, w)
	}
	if err != nil {
		return fmt.Errorf("snapshot %s: %w", d.snapshot.ID.Short(), err)
	}
	return nil
}

// Files returns the names of the files in a folder.
func (d *storedDumps) Files(ctx context.Context, folder string) ([]string, error) {
	var names []string
	n, err := d.fs.Lookup(ctx, path.Join(d.folder, folder))
	if err != nil {
		return nil, fmt.Errorf("snapshot %s: %w", d.snapshot.ID.Short(), err)
	}
	nodes, err := d.fs.ReadDir(ctx, n)
	if err != nil {
		return nil, fmt.Errorf("snapshot %s: %w", d.snapshot.ID.Short(), err)
	}
	for k := range nodes {
		names = append(names, nodes[k].Name)
	}
	return names, nil
}

var _ pgdump.Content = (*storedDumps)(nil)
