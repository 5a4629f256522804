package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"holdfast/internal/backup"
	"holdfast/internal/size"
	"holdfast/internal/source"
	"holdfast/internal/trace"
	"holdfast/repository"
	"holdfast/repository/snapshot"
)

// backupFlags are the flags of `holdfast backup`.
type backupFlags struct {
	source sourceFlags

	tags            []string
	host            string
	time            string
	kind            string
	parent          string
	groupBy         string
	force           bool
	dryRun          bool
	skipIfUnchanged bool
	readBack        bool
	ignoreInode     bool
	ignoreCtime     bool
	noScan          bool
	writer          writerFlags
	readers         int
}

func newBackup(c *command) *cobra.Command {
	var f backupFlags
	cmd := &cobra.Command{
		Use:   "backup [flags] PATH...",
		Short: "Record the present state of files as a snapshot",
		Long: `Record the present state of files and folders as a snapshot.

An incremental backup (the default) reads what has changed since the newest
snapshot of the same paths on this host; a differential one what has changed
since the newest full one; a full one reads every byte and checks that every
pack it reuses is there at its right size. Every snapshot restores alone.

A file counts as unchanged only if its size, times and inode are the same as
before, and its times are 2 s older than that backup's start.

A backup that is interrupted goes on where it was when it is run again. Files
that cannot be read, or change while being read, are reported; the snapshot is
made all the same and the exit code is 3.`,
		Example: `  holdfast backup ~/Documents
  holdfast backup --exclude '*.tmp' --tag nightly /home /etc
  pg_dump shop | holdfast backup --stdin --stdin-filename shop.sql`,
		RunE: func(cmd *cobra.Command, args []string) error { return c.runBackup(cmd.Context(), &f, args) },
	}
	fl := cmd.Flags()
	f.source.register(fl)
	fl.StringSliceVar(&f.tags, "tag", nil, "add a `tag` to the snapshot (may be repeated)")
	fl.StringVarP(&f.host, "host", "H", "", "host `name` to record (HOLDFAST_HOST; default: this host's)")
	fl.StringVar(&f.time, "time", "", "`time` to record, as \"2006-01-02 15:04:05\" (default: now)")
	fl.StringVar(&f.kind, "type", string(snapshot.Incremental), "backup `type`: full, incremental or differential")
	fl.StringVar(&f.parent, "parent", "", "compare with this `snapshot` instead of the one the type asks for")
	fl.StringVarP(&f.groupBy, "group-by", "g", "host,paths", "what makes snapshots earlier states of the same: `host,paths,tags`")
	fl.BoolVarP(&f.force, "force", "f", false, "read every file again; the same as --type full")
	fl.BoolVarP(&f.dryRun, "dry-run", "n", false, "store nothing, only tell what would be stored")
	fl.BoolVar(&f.skipIfUnchanged, "skip-if-unchanged", false, "make no snapshot when nothing has changed")
	fl.BoolVar(&f.readBack, "read-back", false, "read back and compare every stored piece that is reused")
	fl.BoolVar(&f.ignoreInode, "ignore-inode", false, "do not compare inodes, for file systems that change them")
	fl.BoolVar(&f.ignoreCtime, "ignore-ctime", false, "do not compare change times")
	fl.BoolVar(&f.noScan, "no-scan", false, "do not count beforehand what there is, for a progress without an end in view")
	f.writer.register(fl)
	fl.IntVar(&f.readers, "read-concurrency", 0, "read `n` files at once (HOLDFAST_READ_CONCURRENCY; default: found out while reading)")
	return cmd
}

func (c *command) runBackup(ctx context.Context, f *backupFlags, args []string) error {
	f.host = firstOf(f.host, env("HOST"))
	o, err := f.options()
	if err != nil {
		return err
	}
	r, err := c.openRepository(ctx)
	if err != nil {
		return err
	}
	src, err := f.source.open(ctx, c, args, r)
	if err != nil {
		return errors.Join(err, r.Close())
	}
	o.Snapshot.Paths, o.Snapshot.Excludes = src.paths, f.source.excludes
	o.Concurrency = src.readers
	err = c.loadedEarly(ctx, r, func(ctx context.Context, r *repository.Repository, all []*snapshot.Snapshot) error {
		return c.backup(ctx, r, all, src, f, o)
	})
	return errors.Join(err, r.Close())
}

// options turns the flags that need nothing else into options.
func (f *backupFlags) options() (backup.Options, error) {
	o := backup.Options{
		DryRun: f.dryRun, SkipIfUnchanged: f.skipIfUnchanged, ReadBack: f.readBack, Readers: f.readers,
		Reuse: source.Reuse{IgnoreInode: f.ignoreInode, IgnoreChangeTime: f.ignoreCtime, NewNodes: f.source.withAccessTime},
	}
	var err error
	if o.Type, err = backup.ParseType(f.kind); err != nil {
		return o, err
	}
	if f.force {
		o.Type = snapshot.Full
	}
	if o.Writer, err = f.writer.options(); err != nil {
		return o, err
	}
	if o.Readers == 0 {
		if o.Readers, err = numberIn("READ_CONCURRENCY"); err != nil {
			return o, err
		}
	}
	if o.GroupBy, err = snapshot.ParseGroupBy(f.groupBy); err != nil {
		return o, err
	}
	if o.Snapshot, err = newSnapshot(f.host, f.time, f.tags); err != nil {
		return o, err
	}
	return o, nil
}

// backup makes the backup, given all snapshots and with the index loaded, and
// tells what became of it.
func (c *command) backup(ctx context.Context, r *repository.Repository, all []*snapshot.Snapshot, src *opened, f *backupFlags, o backup.Options) error {
	o.Snapshots = all
	if f.parent != "" {
		var err error
		if o.Parent, err = snapshot.Find(o.Snapshots, snapshot.Filter{}, f.parent); err != nil {
			return err
		}
	}
	if f.noScan {
		src.scan = nil
	}
	watch := c.watchBackup(ctx, src.scan, &o)
	inner, span := trace.Start(ctx, "back up files")
	receipt, err := backup.Run(inner, r, src.source, o)
	span.End(err)
	watch.stop()
	if err := errors.Join(src.failure(), err); err != nil {
		return err
	}
	if !o.DryRun {
		c.keepLocked(ctx, r)
	}
	c.reportBackup(receipt, o.Progress)
	if n := receipt.Errors + f.source.missing; n > 0 {
		return errIncomplete(fmt.Errorf("the snapshot was made without %s that could not be read whole", countOf(n, "item")))
	}
	return nil
}

// backupSummary is the last message of a backup, with restic's names.
type backupSummary struct {
	MessageType         string `json:"message_type"` // "summary"
	DryRun              bool   `json:"dry_run,omitempty"`
	FilesNew            uint64 `json:"files_new"`
	FilesChanged        uint64 `json:"files_changed"`
	FilesUnmodified     uint64 `json:"files_unmodified"`
	DirsNew             uint64 `json:"dirs_new"`
	DirsChanged         uint64 `json:"dirs_changed"`
	DirsUnmodified      uint64 `json:"dirs_unmodified"`
	DataBlobs           int64  `json:"data_blobs"`
	TreeBlobs           int64  `json:"tree_blobs"`
	DataAdded           uint64 `json:"data_added"`
	DataAddedPacked     uint64 `json:"data_added_packed"`
	TotalFilesProcessed uint64 `json:"total_files_processed"`
	TotalBytesProcessed uint64 `json:"total_bytes_processed"`
	// BytesRead came from the source, BytesReadBack from the parent snapshot,
	// as stored, to compose whole files of what has changed.
	BytesRead     uint64    `json:"bytes_read"`
	BytesReadBack uint64    `json:"bytes_read_back,omitempty"`
	TotalDuration float64   `json:"total_duration"` // seconds
	BackupStart   time.Time `json:"backup_start"`
	BackupEnd     time.Time `json:"backup_end"`
	SnapshotID    string    `json:"snapshot_id,omitempty"`
	Type          string    `json:"type"`
	Parent        string    `json:"parent,omitempty"`
	TypeReason    string    `json:"type_reason,omitempty"`
	Resumed       bool      `json:"resumed,omitempty"`
	HealedPacks   int       `json:"healed_packs,omitempty"`
	Errors        int       `json:"errors"`
}

func (c *command) reportBackup(r *backup.Receipt, p *backup.Progress) {
	s := r.Snapshot.Summary
	msg := backupSummary{
		MessageType: "summary", DryRun: r.Snapshot.ID.IsZero(),
		FilesNew: s.FilesNew, FilesChanged: s.FilesChanged, FilesUnmodified: s.FilesUnmodified,
		DirsNew: s.DirsNew, DirsChanged: s.DirsChanged, DirsUnmodified: s.DirsUnmodified,
		DataBlobs: s.DataBlobs, TreeBlobs: s.TreeBlobs, DataAdded: s.DataAdded, DataAddedPacked: s.DataAddedPacked,
		TotalFilesProcessed: s.TotalFilesProcessed, TotalBytesProcessed: s.TotalBytesProcessed,
		TotalDuration: r.Duration.Seconds(), BackupStart: s.BackupStart, BackupEnd: s.BackupEnd,
		BytesRead: p.BytesRead.Load(), BytesReadBack: p.ReadBack.Load(),
		Type: string(r.Type), TypeReason: r.Why, Resumed: r.Resumed, HealedPacks: r.Healed, Errors: r.Errors,
	}
	if !r.Snapshot.ID.IsZero() {
		msg.SnapshotID = r.Snapshot.ID.String()
	}
	if r.Parent != nil {
		msg.Parent = r.Parent.ID.String()
	}
	c.ui.message(msg)
	if r.Why != "" {
		c.ui.infof("full backup: %s", r.Why)
	}
	if r.Resumed {
		c.ui.infof("went on with an interrupted backup")
	}
	if r.Healed > 0 {
		c.ui.infof("%d packs were missing or had a wrong size; what this backup needs of them was stored again", r.Healed)
	}
	c.ui.infof("files:   %8d new, %8d changed, %8d unmodified", s.FilesNew, s.FilesChanged, s.FilesUnmodified)
	c.ui.infof("folders: %8d new, %8d changed, %8d unmodified", s.DirsNew, s.DirsChanged, s.DirsUnmodified)
	c.ui.infof("added:   %s (%s stored)", size.FormatBytes(s.DataAdded), size.FormatBytes(s.DataAddedPacked))
	if back := p.ReadBack.Load(); back > 0 {
		c.ui.infof("changed: %s came from the source, %s was read back from snapshot %s", size.FormatBytes(p.BytesRead.Load()), size.FormatBytes(back), r.Parent.ID.Short())
	}
	c.ui.infof("\nprocessed %d files, %s in %s", s.TotalFilesProcessed, size.FormatBytes(s.TotalBytesProcessed), size.FormatDuration(r.Duration))
	if r.Snapshot.ID.IsZero() {
		c.ui.infof("no snapshot was made")
		return
	}
	c.ui.infof("snapshot %s saved", r.Snapshot.ID.Short())
}
