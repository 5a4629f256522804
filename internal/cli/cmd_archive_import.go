package cli

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"holdfast/internal/archive"
	"holdfast/internal/restore"
	"holdfast/repository"
	"holdfast/repository/snapshot"
)

// archiveImportFlags are the flags of `holdfast archive import`.
type archiveImportFlags struct {
	identity identityFlags
	also     []string
	target   string
	writer   writerFlags
}

func newArchiveImport(c *command) *cobra.Command {
	var f archiveImportFlags
	cmd := &cobra.Command{
		Use:   "import [flags] PLACE [NAME]",
		Short: "Make snapshots of archives again, or restore one",
		Long: `Make snapshots of an archive and of those it is relative to: in the repository
given by -r, each with the time, host, paths and tags it had. What the
repository has already is not stored again.

With --target the files of the archive are restored to a folder instead. That
takes the space of the archives beside the folder while it runs; the script in
docs/guides/archives.md, of age, zstd and tar, does without.

A missing or wrong archive in the chain is said before anything is read, and a
snapshot is only saved when all of its archive was read and every hash right.`,
		Example: `  holdfast archive import /mnt/tape 20260301-020000-3f9a0c11-full --identity key.txt
  holdfast archive import /mnt/tape 20260308-020000-77aa1502-incremental -i key.txt --target /srv/back`,
		Args: wantArgs(1, 2, "a place and the name of an archive in it"),
		RunE: func(cmd *cobra.Command, args []string) error { return c.runArchiveImport(cmd.Context(), &f, args) },
	}
	fl := cmd.Flags()
	f.identity.register(fl)
	fl.StringArrayVar(&f.also, "also", nil, alsoUsage)
	fl.StringVarP(&f.target, "target", "t", "", "restore to this `folder`, without a repository")
	f.writer.register(fl)
	return cmd
}

func (c *command) runArchiveImport(ctx context.Context, f *archiveImportFlags, args []string) error {
	ids, err := f.identity.identities(ctx, c)
	if err != nil {
		return err
	}
	if ids.IsZero() {
		return errors.New("what opens the archive? Name a file with --identity or --passphrase-file")
	}
	writer, err := f.writer.options()
	if err != nil {
		return err
	}
	open, name, err := c.openShelves(ctx, append([]string{args[0]}, f.also...))
	if err != nil {
		return err
	}
	if len(args) > 1 {
		name = args[1]
	}
	if name == "" {
		return errors.Join(errors.New("import which archive? `holdfast archive list` lists those there are"), open.close())
	}
	return errors.Join(c.archiveImport(ctx, f, open, name, archive.ImportOptions{Identities: ids, Writer: writer}), open.close())
}

func (c *command) archiveImport(ctx context.Context, f *archiveImportFlags, open shelves, name string, o archive.ImportOptions) error {
	chain, err := archive.Chain(ctx, name, open)
	if err != nil {
		return err
	}
	if f.target != "" {
		return c.archiveRestore(ctx, f, chain, o)
	}
	return c.loadedWork(ctx, func(ctx context.Context, r *repository.Repository, all []*snapshot.Snapshot) error {
		o.Snapshots = all
		return c.importChain(ctx, r, chain, o, func(i archive.Imported) {
			c.ui.message(importedMessage{"imported", i.Archive, i.Snapshot.ID.String(), i.Known})
			if i.Known {
				c.ui.infof("%s is there already, as snapshot %s", i.Archive, i.Snapshot.ID.Short())
				return
			}
			c.ui.infof("%s imported as snapshot %s of %s", i.Archive, i.Snapshot.ID.Short(), i.Snapshot.Time.Local().Format(timeFormat))
		})
	})
}

// importedMessage tells what became of one archive.
type importedMessage struct {
	MessageType string `json:"message_type"` // "imported"
	Archive     string `json:"archive"`
	SnapshotID  string `json:"snapshot_id"`
	Known       bool   `json:"known"`
}

// importChain imports, and shows how far it is.
func (c *command) importChain(ctx context.Context, r *repository.Repository, chain []archive.Placed, o archive.ImportOptions, done func(archive.Imported)) error {
	var total work
	for _, at := range chain {
		total.bytes += uint64(at.Bytes()) //nolint:gosec // never negative
	}
	o.Progress = new(archive.Progress)
	p := c.startProgress("imported", total, func() work { return work{bytes: o.Progress.Bytes.Load()} })
	defer p.stop()
	return archive.Import(ctx, r, chain, o, done)
}

// archiveRestore restores the last archive of a chain to a folder, through a
// repository that lives as long as that takes: so that everything restore
// promises holds here, too.
func (c *command) archiveRestore(ctx context.Context, f *archiveImportFlags, chain []archive.Placed, o archive.ImportOptions) (err error) {
	target, err := filepath.Abs(f.target)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(target), 0o700); err != nil {
		return err
	}
	scratch, err := os.MkdirTemp(filepath.Dir(target), ".holdfast-import-")
	if err != nil {
		return fmt.Errorf("make a folder for the archives beside the target: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(scratch)) }()
	r, err := c.scratchRepository(ctx, scratch)
	if err != nil {
		return err
	}
	o.Writer.Compression = repository.CompressionFastest // it does not live long
	var last *snapshot.Snapshot
	err = c.importChain(ctx, r, chain, o, func(i archive.Imported) { last = i.Snapshot })
	if err == nil {
		err = c.restoreImported(ctx, r, last, target)
	}
	return errors.Join(err, r.Close())
}

// scratchRepository makes a repository whose password nobody needs to know.
func (c *command) scratchRepository(ctx context.Context, dir string) (*repository.Repository, error) {
	store, err := c.openStore(ctx, place{url: "local:" + dir}, true)
	if err != nil {
		return nil, err
	}
	in := repository.InitOptions{Password: []byte(rand.Text()), KeyCost: repository.KeyCost{N: 2, R: 1, P: 1}}
	r, err := repository.Init(ctx, store, in, repository.Options{})
	if err != nil {
		return nil, err
	}
	return r, r.LoadIndex(ctx)
}

func (c *command) restoreImported(ctx context.Context, r *repository.Repository, s *snapshot.Snapshot, target string) error {
	o := restore.Options{Target: target, Overwrite: restore.IfChanged, Sparse: true}
	watch := c.watchRestore(&o, s)
	receipt, err := restore.Run(ctx, r, s, o)
	watch.stop()
	if err != nil {
		return err
	}
	c.reportRestore(receipt, &o)
	if receipt.Errors > 0 {
		return errNotRestored(receipt.Errors)
	}
	return nil
}
