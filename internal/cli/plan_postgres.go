package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"holdfast/internal/backup"
	"holdfast/internal/config"
	"holdfast/internal/logarchive"
	"holdfast/internal/pitr"
	"holdfast/internal/source/postgres"
	"holdfast/internal/wal"
	"holdfast/repository"
	"holdfast/repository/snapshot"
)

// walWait is how long a base backup waits for the log it needs to be
// archived before it counts as failed.
const walWait = 10 * time.Minute

// postgres backs up a PostgreSQL source.
func (p *planRun) postgres(ctx context.Context, r *repository.Repository, name string, source config.Postgres) error {
	if source.Method == config.MethodDump {
		return p.dump(ctx, r, name, source)
	}
	return p.baseBackup(ctx, r, name, source)
}

// baseBackup takes a base backup of a PostgreSQL source.
func (p *planRun) baseBackup(ctx context.Context, r *repository.Repository, name string, source config.Postgres) error {
	dsn, err := postgresDSN(ctx, source)
	if err != nil {
		return err
	}
	archives, err := p.logArchives(ctx, name, source)
	if err != nil {
		return err
	}
	o, err := p.arrivalOptions(ctx, r, name)
	if err != nil {
		return err
	}
	o.Writer.Near = true
	stop, err := p.receiveMeanwhile(ctx, name, dsn, source, archives)
	if err != nil {
		return err
	}
	defer stop()
	if o.Type, err = backup.ParseType(p.kind); err != nil {
		return err
	}
	request := baseRequest{name: name, dsn: dsn, source: source, withWAL: len(archives) == 0, options: &o}
	err = p.takeBase(ctx, r, request, archives, "")
	var unusable unusableBasis
	if errors.As(err, &unusable) && ctx.Err() == nil {
		err = p.takeBase(ctx, r, request, archives, p.startOver(request, unusable))
	}
	return err
}

// takeBase takes a base backup. why is known beforehand if it is not of the
// type that was asked for.
func (p *planRun) takeBase(ctx context.Context, r *repository.Repository, b baseRequest, archives []*logarchive.Archive, why string) error {
	o := b.options
	src, told, err := p.beginBase(ctx, r, b)
	if err != nil {
		return err
	}
	defer src.Close() //nolint:errcheck // all of it was read
	watch := p.startProgress("base backup of "+b.name, work{bytes: src.About().TotalBytes}, func() work {
		return work{items: o.Progress.Files(), bytes: o.Progress.Durable(), read: o.Progress.Done(), errors: o.Progress.Errors.Load()}
	})
	counted := p.countRows(src, b.name, b.dsn, b.source, b.withWAL, o)
	receipt, err := backup.RunArrivals(ctx, r, counted, *o, func(s *snapshot.Snapshot) error {
		return p.complete(ctx, src.About(), archives, s)
	})
	watch.stop()
	if err != nil {
		return buildOn(o.Parent, err)
	}
	receipt.Why = cmp.Or(why, told)
	p.reportBackup(receipt, o.Progress)
	if src.About().Damaged {
		return errIncomplete(fmt.Errorf("the server has damaged pages, each named above; snapshot %s has them as they are. Restore them from an earlier one, or with `pg_amcheck` find out what they held", receipt.Snapshot.ID.Short()))
	}
	return nil
}

// arrivalOptions are those of a backup of what a server sends.
func (p *planRun) arrivalOptions(ctx context.Context, r *repository.Repository, name string) (o backup.Options, err error) {
	o = backup.Options{Type: snapshot.Full, Progress: new(backup.Progress)}
	if o.Snapshot, err = newSnapshot("", "", nil); err != nil {
		return o, err
	}
	o.Snapshot.Paths = []string{"/" + name}
	o.Snapshot.SetPlan(p.name)
	o.Snapshot.SetSource(name)
	if o.Writer.Compression, err = repository.ParseCompression("auto"); err != nil {
		return o, err
	}
	o.Snapshots, err = p.loadAll(ctx, r)
	return o, err
}

// receiveMeanwhile archives the log while the backup runs, with a slot that
// goes away with it, so that the backup does not depend on a receiver that may
// not be running. One that is writes the same, once.
func (p *planRun) receiveMeanwhile(ctx context.Context, name, dsn string, source config.Postgres, archives []*logarchive.Archive) (stop func(), err error) {
	if len(archives) == 0 {
		return func() {}, nil
	}
	if source.WAL == walPush {
		return func() {}, wal.ArchiveHistory(ctx, wal.Archives{All: archives}, dsn)
	}
	ctx, cancel := context.WithCancel(ctx)
	started, ended := make(chan struct{}), make(chan error, 1)
	var once sync.Once
	go func() {
		ended <- wal.Receive(ctx, wal.ReceiveOptions{
			Archives: wal.Archives{All: archives}, DSN: dsn, Slot: fmt.Sprintf("holdfast_backup_%d", os.Getpid()), Temporary: true, Adopt: true,
			Every: time.Second, Uploads: walUploads, Progress: func(wal.Received) { once.Do(func() { close(started) }) },
		})
	}()
	select {
	case <-started:
		return func() { cancel(); <-ended }, nil
	case err := <-ended:
		cancel()
		return nil, fmt.Errorf("archive the log of %s during the backup: %w", name, err)
	}
}

// logArchives opens the log archives that a base backup relies on; none when
// the log of the source is not archived.
func (p *planRun) logArchives(ctx context.Context, name string, source config.Postgres) ([]*logarchive.Archive, error) {
	if source.WAL == "" || source.WAL == "none" {
		return nil, nil
	}
	var all []logRepository
	for _, name := range p.plan.Repositories() {
		all = append(all, p.logRepository(p.cfg, name))
	}
	archive, err := p.openLogToAppend(ctx, all[0], name, signers(ctx, all))
	if err != nil {
		return nil, err
	}
	return []*logarchive.Archive{archive}, nil
}

// complete records what the backup needs of the log, once the archive has it:
// without, the backup could not be restored.
func (p *planRun) complete(ctx context.Context, src *postgres.Facts, archives []*logarchive.Archive, s *snapshot.Snapshot) error {
	need := pitr.Need{System: src.System, Timeline: src.Timeline, Start: src.Start, End: src.End, Held: len(archives) == 0}
	s.SetLog(need.String())
	if src.Damaged {
		s.SetDamaged("pages")
	}
	for _, archive := range archives {
		ctx, cancel := context.WithTimeout(ctx, walWait)
		err := wal.WaitCovered(ctx, archive, need.Range())
		cancel()
		if err != nil {
			return fmt.Errorf("the backup is whole, but the log it needs, %s to %s, is not archived: %w; is `holdfast wal receive` running, or archive_command set?", need.Start, need.End, err)
		}
	}
	return nil
}
