package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"
	"sync/atomic"

	"github.com/spf13/cobra"

	"holdfast/internal/app/console"
	"holdfast/internal/app/service"
	"holdfast/internal/config"
	"holdfast/internal/restore"
	"holdfast/internal/size"
	"holdfast/internal/trace"
	"holdfast/internal/upkeep"
	"holdfast/repository"
	"holdfast/repository/snapshot"
	"holdfast/storage"
	"holdfast/storage/local"
)

// restoreFlags are the flags of `holdfast restore`.
type restoreFlags struct {
	target     string
	below      string
	includes   patternFlags
	excludes   patternFlags
	snapshots  selectFlags
	attributes attributeFlags
	byName     bool
	overwrite  string
	delete     bool
	verify     bool
	sparse     bool
	dryRun     bool
	thaw       thawFlags
	recovery   recoveryFlags
	dumps      dumpRestoreFlags
}

func newRestore(c *command) *cobra.Command {
	var f restoreFlags
	cmd := &cobra.Command{
		Use:   "restore [flags] SNAPSHOT[:SUBFOLDER]",
		Short: "Put the files of a snapshot back",
		Long: `Put the files of a snapshot, or of one folder in it, back into a folder.

SNAPSHOT is an ID or the beginning of one, "latest", or "latest~1" for the one
before. With :SUBFOLDER the content of that folder goes right into the target,
and patterns and messages name paths from there on.

What is in the target already is used as far as it is right: content is compared
piece by piece, and only what differs is fetched and written. So a restore that
was interrupted goes on where it was when it is run again. See --overwrite for
other ways. Nothing outside the target is ever touched, and symlinks in it are
not followed.

A PostgreSQL source is restored with --plan in place of a snapshot: to the end
of its log, or to a point in time with one of --to-.... The base backup to begin
with and the timeline to follow are found by themselves, and named; --dry-run
shows them. The restored server archives nothing until it is told to.

Dumps of a PostgreSQL source are restored into a server with --to-server: the
roles and tablespaces that it lacks, then each database that holds anything. No
database that exists is touched without --clean, and whether the server has the
extensions is looked for first. With --schema and --table, what belongs to them
comes along. As files, dumps are restored like any other, and pg_restore reads
them.

With --table and --to-server alone, tables come back as of a time beside those
in use, from base backups and from dumps: a private server is restored to
scratch space (TMPDIR) and recovered, and the tables are moved from it into a new
schema, without foreign keys, triggers and policies. With --to-schema own a table
comes back where it was, with all it had, if it is not there any more.

Packs in a storage class that cannot be read at once are thawed with --thaw: all
that the restore needs in one go. Run the command again when they are readable,
or let it wait with --thaw-wait.

What cannot be restored is named, the rest is restored all the same, and the
exit code is 1. Of a damaged file nothing is left that could be taken for it.`,
		Example: `  holdfast restore latest --target /tmp/back
  holdfast restore latest:/home/ann --target /home/ann --include '*.odt' --verify
  holdfast restore 3f9a0c11 --target /srv --delete --dry-run -vv
  holdfast restore --plan shop --to-time "2026-05-01 12:30:00" --target /srv/pg --start
  holdfast restore --plan shop --to-server postgres://postgres@db2/postgres
  holdfast restore --plan shop --to-server postgres://postgres@db/postgres --database shop --table items --into rescue
  holdfast restore --plan shop --table sales.items --to-time "2026-05-01 12:30:00" --to-server postgres://postgres@db/shop`,
		Args: func(cmd *cobra.Command, args []string) error {
			if f.recovery.wanted() || f.dumps.wanted() {
				return noArgs(cmd, args)
			}
			return oneSnapshot(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.dumps.wanted() {
				return c.runDumpRestore(cmd.Context(), &f)
			}
			if f.recovery.wanted() {
				o, err := f.options(c)
				if err != nil {
					return err
				}
				return c.runRecovery(cmd.Context(), &f.recovery, o)
			}
			return c.runRestore(cmd.Context(), &f, args[0])
		},
	}
	fl := cmd.Flags()
	c.registerAsOf(fl)
	c.registerFallback(fl)
	fl.StringVarP(&f.target, "target", "t", "", "`folder` to restore to; it is made if it does not exist")
	fl.StringVar(&f.below, "below", "", "end unless the target lies below this `folder`, with no symlink on the way from there")
	f.includes.register(fl, "include", "i", "restore only")
	f.excludes.register(fl, "exclude", "e", "do not restore")
	f.snapshots.register(fl, "H")
	f.attributes.register(fl)
	fl.BoolVar(&f.byName, "ownership-by-name", false, "give files to who has the recorded names of owner and group here, not to who has their numbers")
	fl.StringVar(&f.overwrite, "overwrite", string(restore.IfChanged), "what happens to files that exist: if-changed (write what differs), always (write all), if-newer, never")
	fl.BoolVar(&f.delete, "delete", false, "delete what the snapshot does not have from restored folders, but nothing that patterns leave out")
	fl.BoolVar(&f.verify, "verify", false, "read the restored files again and compare them with the snapshot")
	fl.BoolVar(&f.sparse, "sparse", false, "make holes of long runs of zeros")
	fl.BoolVarP(&f.dryRun, "dry-run", "n", false, "change nothing, only tell what would be done; with -vv for each file")
	f.thaw.register(fl)
	f.recovery.register(fl)
	f.dumps.register(fl)
	return cmd
}

// oneSnapshot wants one argument and says so in words.
func oneSnapshot(cmd *cobra.Command, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("`%s` takes one snapshot, but was given %d arguments; name it by its ID or with \"latest\"", cmd.CommandPath(), len(args))
	}
	return nil
}

func (c *command) runRestore(ctx context.Context, f *restoreFlags, ref string) error {
	debug.SetGCPercent(restoreGCPercent)
	o, err := f.options(c)
	if err != nil {
		return err
	}
	ref, o.Subfolder = snapshot.SplitRef(ref)
	var first *snapshot.Snapshot
	return c.reading(ctx, func(ctx context.Context, r *repository.Repository, list []*snapshot.Snapshot) error {
		s := upkeep.Copied(first, list)
		switch {
		case first != nil && s == nil: // a copy, to mend what is missing: no other state will do
			return &tryNextError{fmt.Errorf("there is no copy of snapshot %s at %s", first.ID.Short(), r.Location())}
		case first == nil:
			if s, err = findToRead(list, f.snapshots.filter(), ref); err != nil {
				return err
			}
			first = s
		}
		if err := c.thaw(ctx, r, s, o, &f.thaw); err != nil {
			return err
		}
		return c.restore(ctx, r, s, o)
	})
}

// options turns the flags into options.
func (f *restoreFlags) options(c *command) (o restore.Options, err error) {
	if f.target == "" {
		return o, errors.New("restore where to? Name a folder with --target")
	}
	o = restore.Options{
		Target: f.target, Below: f.below, Delete: f.delete, Verify: f.verify, Sparse: f.sparse, DryRun: f.dryRun,
	}
	o.OwnersByName = f.byName
	if o.Overwrite, err = restore.ParseOverwrite(f.overwrite); err != nil {
		return o, err
	}
	if o.Attribute, err = f.attributes.filter(); err != nil {
		return o, err
	}
	if o.Filter.Include, err = f.includes.lists(c); err != nil {
		return o, err
	}
	o.Filter.Exclude, err = f.excludes.lists(c)
	return o, err
}

// restore restores and tells what became of it. If the repository lacks some
// of it, another one may be tried, for which nothing is done twice.
func (c *command) restore(ctx context.Context, r *repository.Repository, s *snapshot.Snapshot, o restore.Options) (err error) {
	if o.Apart, err = c.workFolders(r); err != nil {
		return err
	}
	if o.Protected = o.Apart; o.Delete {
		relied, err := c.reliedOn()
		if err != nil {
			return err
		}
		o.Protected = append(relied, o.Apart...)
	}
	c.ui.infof("restoring %s of %s to %s", s.ID.Short(), s.Time.Format("2006-01-02 15:04:05"), o.Target)
	watch := c.watchRestore(&o, s)
	lacks := noteMissing(&o)
	inner, span := trace.Start(ctx, "restore files", slog.String("snapshot", s.ID.String()))
	receipt, err := restore.Run(inner, r, s, o)
	span.End(err)
	watch.stop()
	if err != nil {
		return err
	}
	c.reportRestore(receipt, &o)
	if receipt.Errors == 0 {
		return nil
	}
	err = errNotRestored(receipt.Errors)
	if lacks.Load() && !o.DryRun {
		return &tryNextError{err}
	}
	return err
}

// noteMissing tells, after the restore, whether the repository was the reason
// of any error.
func noteMissing(o *restore.Options) *atomic.Bool {
	tell, lacks := o.OnError, new(atomic.Bool)
	o.OnError = func(path string, err error) {
		if repository.IsCorrupt(err) || errors.Is(err, repository.ErrNotIndexed) {
			lacks.Store(true)
		}
		tell(path, err)
	}
	return lacks
}

// workFolders returns the folders that the program itself works in.
func (c *command) workFolders(r *repository.Repository) ([]string, error) {
	var dirs []string
	if s, ok := storage.As[*local.Store](r.Store()); ok {
		dirs = append(dirs, s.Location())
	}
	cache, err := c.cacheDir()
	if cache != "" {
		dirs = append(dirs, cache)
	}
	return dirs, err
}

// reliedOn lists the files and folders that nothing works without: those that
// holdfast.yaml names, such as other repositories and the files of passwords,
// holdfast.yaml itself with the recovery kits beside it, and the state of the
// service.
func (c *command) reliedOn() ([]string, error) {
	var own console.Own
	var err error
	if own.ConfigPath, err = config.Find(c.global.config, os.Getenv); errors.Is(err, config.ErrNotFound) {
		return nil, nil //nolint:nilnil // then there is none of it
	}
	if err != nil {
		return nil, err
	}
	cfg, err := config.Load(own.ConfigPath)
	if err != nil {
		return nil, err
	}
	if own.StateDir, err = service.FindStateDir("", cfg.Service.StateDir, os.Getenv); err != nil {
		return nil, err
	}
	if own.CacheDir, err = c.cacheDir(); err != nil {
		return nil, err
	}
	return console.Relied(cfg, own), nil
}

// errNotRestored tells how many items could not be restored.
func errNotRestored(items uint64) error {
	if items == 1 {
		return errors.New("1 item could not be restored as it should be; it is named above")
	}
	return fmt.Errorf("%d items could not be restored as they should be; each is named above", items)
}

// reportRestore prints the last message of a restore.
func (c *command) reportRestore(r *restore.Receipt, o *restore.Options) {
	p := o.Progress
	c.ui.message(newRestoreSummary(p, r, o.DryRun))
	restored, deleted := "restored", "deleted"
	if o.DryRun {
		restored, deleted = "would restore", "would delete"
	}
	c.ui.infof("%s %d of %d items (%s of %s) in %s", restored, p.ItemsRestored.Load(), p.ItemsTotal.Load(),
		size.FormatBytes(p.BytesRestored.Load()), size.FormatBytes(p.BytesTotal.Load()), size.FormatDuration(r.Duration))
	if n := p.ItemsSkipped.Load(); n > 0 {
		c.ui.infof("there already, or not to be overwritten: %s (%s)", countOf(n, "item"), size.FormatBytes(p.BytesSkipped.Load()))
	}
	if n := p.ItemsDeleted.Load(); n > 0 {
		c.ui.infof("%s %s", deleted, countOf(n, "item"))
	}
	if o.Verify && !o.DryRun {
		c.ui.infof("verified: %s (%s) read again and found right", countOf(r.Verified, "file"), size.FormatBytes(p.BytesVerified.Load()))
	}
	for _, loss := range []struct {
		n    uint64
		what string
	}{
		{r.OwnersKept, "items belong to you now: only root can give them to their owners"},
		{r.PrivilegesLost, "of these lost their setuid or setgid bit with their owner"},
		{r.AttributesLost, "extended attributes were left out: you, or the file system, may not have them"},
	} {
		if loss.n > 0 {
			c.ui.warn("restore", "", fmt.Errorf("%d %s", loss.n, loss.what))
		}
	}
}
