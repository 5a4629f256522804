package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"holdfast/internal/app"
	"holdfast/repository"
	"holdfast/repository/snapshot"
)

// copyFlags are the flags of `holdfast copy`.
type copyFlags struct {
	to      []string
	toFlags otherFlags
	from    fromFlags
	plan    string
	chosen  selectFlags
	writer  writerFlags
	confirm confirmFlags
	dryRun  bool
	mirror  mirrorFlags
}

func newCopy(c *command) *cobra.Command {
	var f copyFlags
	cmd := &cobra.Command{
		Use:   "copy [flags] --to REPOSITORY... [SNAPSHOT...]",
		Short: "Copy snapshots, or a whole repository, to other places",
		Long: `Copy the snapshots named or, without names, all that --host, --tag and --path
choose, from the repository given by -r to each one given by --to. As in
restic, --from-repo names the source instead, and then -r the destination.
--plan copies the snapshots of a plan to the copies it has in holdfast.yaml, or
with --to to those of them that are named.

Only what a destination lacks is read, once for all of them; it is decrypted and
checked on the way. Snapshots that were copied before are skipped, and a copy
that is interrupted goes on where it was when it is run again. A destination
that fails does not stop the others; the exit code is then that of its failure.
What is copied counts only when it is known to be there as it was sent. Services
that compare a checksum with what they store, and say so, vouch for it: S3, Azure,
Google Cloud, ` + "`holdfast rest-server`" + `. From all others (SFTP, other REST servers,
folders) it is read back and hashed, which costs its size once more in the other
direction of the line; --no-read-back saves that. --read-back reads back from
everywhere, and keeps a record of it. What turns out to be something else is
removed there, and the copy fails.

The log that a base backup of a database needs is brought into the log archive of
the destination before the backup itself, so that what is there can be restored
from there. With --plan, so is all log of the copy's window that is older than the
copy's own.

The password of the other repository comes from --to-password-file and the
like, HOLDFAST_TO_PASSWORD[_FILE|_COMMAND], or holdfast.yaml; without any, it
is taken to be the same. Repositories that cut files at the same points share
data: see ` + "`holdfast init --like`" + `.

--mirror copies the repository itself, file by file and byte for byte: keys,
config, data, snapshots and everything of holdfast's own, such as logs of
databases. The mirror opens with the same passwords. Its snapshots have the
same IDs, so that ` + "`holdfast repair --from`" + ` can heal either with the other. Two
repositories of one ID then exist: back up to one of them only. Every file is
compared with its name on the way, and what is damaged at the source is told
and left out. Several mirrors are written side by side, each read for by itself,
so that a slow one holds up none of the others. Nothing is ever removed from a mirror, unless --delete says so: a
password that was removed at the source still opens the mirror until then.`,
		Example: `  holdfast copy -r /srv/backup --to /mnt/usb/backup
  holdfast copy --to offsite --to-password-file ~/.offsite latest
  holdfast copy --plan shop --read-back
  holdfast copy -r /mnt/usb/backup --from-repo /srv/backup
  holdfast copy --mirror --init -r /srv/backup --to /mnt/usb/mirror`,
		RunE: func(cmd *cobra.Command, args []string) error { return c.runCopy(cmd.Context(), &f, args) },
	}
	fl := cmd.Flags()
	fl.StringArrayVar(&f.to, "to", nil, "`repository` to copy to: a place, or a name from holdfast.yaml (may be repeated)")
	f.toFlags.register(fl, "to", "destinations")
	f.from.register(fl, "copy from")
	fl.StringVar(&f.plan, "plan", "", "copy the snapshots of this `plan` to its copies")
	f.confirm.register(fl)
	fl.BoolVarP(&f.dryRun, "dry-run", "n", false, "copy nothing, only tell what would be copied")
	f.chosen.register(fl, "H")
	f.writer.register(fl)
	f.mirror.register(fl)
	return cmd
}

func (c *command) runCopy(ctx context.Context, f *copyFlags, args []string) error {
	f.chosen.anyHost = f.plan != "" || f.mirror.mirror
	writer, err := f.writer.options()
	if err == nil {
		err = errors.Join(f.mirror.check(f, args), f.confirm.check())
	}
	if err != nil {
		return err
	}
	from, to, err := f.places(c)
	if err != nil {
		return err
	}
	src, err := c.openFrom(ctx, from, f.from)
	if err != nil {
		return fmt.Errorf("source: %w", err)
	}
	if f.mirror.mirror {
		err = c.locked(ctx, src, repository.Shared, func(ctx context.Context, src *repository.Repository) error { return c.mirrorTo(ctx, src, to, f) })
		return errors.Join(err, src.Close())
	}
	err = c.loaded(ctx, src, func(ctx context.Context, src *repository.Repository, all []*snapshot.Snapshot) error {
		chosen, err := f.choose(c, all, args)
		if err != nil {
			return err
		}
		run := &copyRun{command: c, flags: f, writer: writer, from: from, src: src, chosen: chosen}
		return errors.Join(run.to(ctx, to), run.closeLogs())
	})
	return errors.Join(err, src.Close())
}

// choose returns the snapshots to copy.
func (f *copyFlags) choose(c *command, all []*snapshot.Snapshot, args []string) ([]*snapshot.Snapshot, error) {
	chosen, err := f.chosen.choose(all, args)
	if f.plan == "" || err != nil {
		return chosen, err
	}
	cfg, err := c.loadConfig()
	if err != nil {
		return nil, err
	}
	return app.SnapshotsOf(cfg, f.plan, chosen), nil
}
