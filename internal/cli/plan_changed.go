package cli

import (
	"context"
	"errors"
	"fmt"

	"holdfast/internal/backup"
	"holdfast/internal/pitr"
	"holdfast/internal/source"
	"holdfast/internal/source/postgres"
	"holdfast/repository"
	"holdfast/repository/snapshot"
)

// maxServerKB is the highest limit that a server takes, in KiB for each second;
// above, there is none.
const maxServerKB = 1 << 20

// beginRemote begins a backup that the server sends: what has changed since an
// earlier one, if that was asked for and the server can tell, and everything
// otherwise.
func (p *planRun) beginRemote(ctx context.Context, r *repository.Repository, b baseRequest) (src baseSource, why string, err error) {
	o := postgres.Options{DSN: b.dsn, Root: b.name, Label: "holdfast " + p.name, WithWAL: b.withWAL, Warn: p.warnOf(b.name)}
	if kb := int(b.source.Rate >> 10); kb <= maxServerKB {
		o.MaxKBPerSecond = kb
	}
	basis, why := p.remoteBasis(ctx, r, b)
	if basis != nil {
		if o.Earlier, err = backup.OpenRecorded(ctx, r, basis, b.name); err != nil {
			return nil, "", buildOn(basis, err)
		}
	}
	remote, err := postgres.Start(ctx, o)
	if err != nil {
		return nil, "", buildOn(basis, err)
	}
	if remote.Full != "" {
		basis, why = nil, remote.Full
	}
	if b.options.Parent = basis; basis == nil {
		b.options.Type = snapshot.Full
		return remote, why, nil
	}
	p.ui.infof("%s base backup of %s: the server sends what has changed since snapshot %s", b.options.Type, b.name, basis.ID.Short())
	return remote, "", nil
}

// remoteBasis chooses the backup that changes are asked for since; nil for a
// full backup, and why if that is not what was asked for. The server itself
// knows whether it still is the cluster, and on the timeline, of that backup.
func (p *planRun) remoteBasis(ctx context.Context, r *repository.Repository, b baseRequest) (basis *snapshot.Snapshot, why string) {
	return pitr.Basis(b.options.Snapshots, pitr.NewBackup{
		Type: b.options.Type, Source: b.name, Begins: b.options.Snapshot.Time,
		FullEvery: b.source.FullEvery, Doubt: p.doubt(ctx, r, b),
	})
}

// unusableBasis tells that an earlier snapshot, whose data are missing or
// damaged, cannot be built on.
type unusableBasis struct {
	snapshot *snapshot.Snapshot
	error
}

func (u unusableBasis) Unwrap() error { return u.error }

// buildOn marks an error met when building on an earlier snapshot, if it says
// that this cannot be done.
func buildOn(basis *snapshot.Snapshot, err error) error {
	if basis == nil || !errors.Is(err, source.ErrEarlier) {
		return err
	}
	return unusableBasis{basis, err}
}

// startOver prepares a full backup after one that found the earlier snapshot
// unusable. It stores again what is missing; if something is damaged, all that
// it finds stored is read back and compared.
func (p *planRun) startOver(b baseRequest, unusable unusableBasis) (why string) {
	short := unusable.snapshot.ID.Short()
	p.ui.warn("back up", b.name, fmt.Errorf("snapshot %s: %w; a full backup follows; run `holdfast check` to see what else is hit", short, unusable.error))
	o := b.options
	o.Type, o.Parent, o.Progress = snapshot.Full, nil, new(backup.Progress)
	o.ReadBack = repository.IsCorrupt(unusable.error)
	return fmt.Sprintf("data of snapshot %s are missing or damaged", short)
}
