package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"

	"holdfast/internal/pitr"
	"holdfast/internal/postgres"
	"holdfast/internal/wal"
)

// checkStandby refuses what a standby cannot be told.
func (f *recoveryFlags) checkStandby(w pitr.Wish) error {
	if f.standby == "" {
		return nil
	}
	if w.HasTarget() || w.Exclusive || f.pause {
		return errors.New("a standby follows its primary and stops nowhere: --standby goes with neither a --to-... target nor --exclusive or --pause")
	}
	if _, err := pgconn.ParseConfig(f.standby); err != nil { // which quotes it, maybe with a password
		return errors.New("--standby: the connection string cannot be read, or names a file that is not there; write it like \"host=db.internal user=replicator\"")
	}
	return nil
}

// checkPrimary refuses to make a standby of a server that it could not follow: of
// another cluster, or one that is on an older timeline. A server that does not
// answer may be on its way.
func (run *recovery) checkPrimary(ctx context.Context, choice *pitr.Choice) error {
	if run.f.standby == "" {
		return nil
	}
	if postgres.HasPassword(run.f.standby) {
		run.warnPassword()
	}
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	primary, err := wal.PositionOf(ctx, run.f.standby)
	if err != nil {
		run.ui.warn("restore", "the primary", fmt.Errorf("%w; the standby looks for it again when it starts", err))
		return nil
	}
	switch {
	case primary.System != choice.Point.System:
		return fmt.Errorf("--standby: that server is of another cluster (%s, the backup is of %s); name the primary of this one", primary.System, choice.Point.System)
	case primary.Timeline < choice.Timeline:
		return fmt.Errorf("--standby: that server is on timeline %d, and the archive has timeline %d, which is newer: it is not the primary any more, or was set back; name the one that is, or another timeline with --to-timeline",
			primary.Timeline, choice.Timeline)
	}
	return nil
}
