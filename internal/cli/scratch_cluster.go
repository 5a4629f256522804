package cli

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"holdfast/internal/logarchive"
	"holdfast/internal/pitr"
	"holdfast/internal/postgres"
	"holdfast/internal/verify/cluster"
	"holdfast/internal/wal"
)

// deliverLog is how a private server gets its log: from this process, since
// the server's user need not be able to open the repository.
func deliverLog(ctx context.Context, scratch string, choice *pitr.Choice, wish pitr.Wish, archive *logarchive.Archive) (command string, stop func() error, err error) {
	if archive == nil || choice.Point.Held {
		return "", func() error { return nil }, nil
	}
	from := wal.FetchOptions{Archive: archive, Stream: choice.Point.System}
	if wish.Immediate {
		from.Until = choice.Point.End
	}
	delivery, err := wal.NewDelivery(ctx, filepath.Join(scratch, "wal"), from, ownOne)
	if err != nil {
		return "", nil, err
	}
	command, err = collectCommand(delivery.Socket())
	return command, delivery.Close, err
}

// privateServer describes a private server on a data directory in a scratch
// folder that the server's user owns.
func privateServer(scratch, binDir, user string, major int) (cluster.Options, error) {
	bin, err := postgres.Programs(major, binDir)
	o := cluster.Options{Bin: bin, Data: filepath.Join(scratch, "data"), Scratch: scratch, User: user, Apart: true}
	return o, err
}

// newServerScratch makes a folder whose content the server's user may reach.
func newServerScratch() (string, error) {
	scratch, err := os.MkdirTemp("", "holdfast-restore-")
	if err != nil {
		return "", fmt.Errorf("make scratch folder: %w", err)
	}
	return scratch, ownDataDirectory(scratch)
}
