package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"holdfast/internal/logarchive"
	"holdfast/internal/pitr"
	"holdfast/internal/postgres"
	"holdfast/internal/restore"
	"holdfast/internal/size"
	"holdfast/internal/verify/cluster"
	"holdfast/internal/verify/proof"
	"holdfast/internal/verify/restoretest"
	"holdfast/internal/wal"
	"holdfast/repository"
)

// deliverLog is how a private server gets its log: from this process, since
// the server's user need not be able to open the repository.
func deliverLog(ctx context.Context, scratch, data string, choice *pitr.Choice, wish pitr.Wish, archive *logarchive.Archive) (command string, stop func() error, err error) {
	if archive == nil || choice.Point.Held {
		return "", func() error { return nil }, nil
	}
	from := wal.FetchOptions{Archive: archive, Stream: choice.Point.System}
	if wish.Immediate {
		from.Until = choice.Point.End
	}
	place := wal.DeliveryPlace{
		Folder: filepath.Join(scratch, "wal"), Socket: filepath.Join(scratch, "wal.socket"), WAL: filepath.Join(data, walFolder), Own: ownOne, Scratch: true,
	}
	delivery, err := wal.NewDelivery(ctx, place, from)
	if err != nil {
		return "", nil, err
	}
	program, err := os.Executable()
	if err != nil {
		return "", nil, errors.Join(fmt.Errorf("find this program: %w", err), delivery.Close())
	}
	fetch := quoteForServer(program) + " wal fetch --quiet --socket " + quoteForServer(place.Socket)
	return lookOrFetch(place.Folder, place.Ready(), fetch), delivery.Close, nil
}

// privateServer describes a private server on a data directory in a scratch
// folder that the server's user owns.
func privateServer(scratch, binDir, user string, major int) (cluster.Options, error) {
	bin, err := postgres.Programs(major, binDir)
	o := cluster.Options{Bin: bin, Data: filepath.Join(scratch, "data"), Scratch: scratch, User: user, Apart: true}
	return o, err
}

// newServerScratch makes a folder whose content the server's user may reach.
func newServerScratch() (path string, remove func(), err error) {
	scratch, err := restoretest.NewRestoreScratch()
	if err != nil {
		return "", nil, err
	}
	return scratch.Path(), func() { scratch.Remove() }, ownDataDirectory(scratch.Path()) //nolint:errcheck // the next one goes on with it
}

// roomFor makes sure that so many bytes have room in a folder.
func roomFor(folder string, need uint64) error {
	scratch, err := proof.NewScratch(folder)
	if err != nil {
		return err
	}
	free, err := scratch.Room()
	if err == nil && need > free {
		err = fmt.Errorf("the backup takes %s of scratch space, and %s has %s; name a folder with more room by TMPDIR", size.FormatBytes(need), folder, size.FormatBytes(free))
	}
	return err
}

// restoreScratchCluster restores the data directory of a base backup, ready to
// be recovered by a private server.
func (c *command) restoreScratchCluster(ctx context.Context, r *repository.Repository, source string, choice *pitr.Choice, wish pitr.Wish, data string) error {
	spaces, err := tablespacesOf(ctx, r, choice.Point.Snapshot, source, nil)
	if err != nil {
		return err
	}
	if err := c.restore(ctx, r, choice.Point.Snapshot, restore.Options{Target: data, Subfolder: "/" + source}); err != nil {
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

// makeEmptyCluster makes a cluster with nothing in it for a private server.
func makeEmptyCluster(ctx context.Context, o cluster.Options) error {
	if err := os.Mkdir(o.Data, 0o700); err != nil {
		return fmt.Errorf("make scratch folder: %w", err)
	}
	if err := ownDataDirectory(o.Data); err != nil {
		return err
	}
	out, err := (&postgres.Server{Bin: o.Bin, Data: o.Data}).Run(ctx, "initdb", "-D", o.Data, "-U", o.User, "-A", "trust", "-E", "UTF8", "--no-locale", "--data-checksums", "--no-sync")
	if err != nil {
		return fmt.Errorf("make a private server: %w\n%s", err, strings.TrimSpace(string(out)))
	}
	return nil
}
