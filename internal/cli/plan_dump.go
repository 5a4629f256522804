package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"holdfast/internal/backup"
	"holdfast/internal/config"
	"holdfast/internal/size"
	"holdfast/internal/source/postgres"
	"holdfast/internal/verify/proof"
	"holdfast/repository"
)

// dump backs up a PostgreSQL source by dumps of its databases.
func (p *planRun) dump(ctx context.Context, r *repository.Repository, name string, source config.Postgres) error {
	dsn, err := postgresDSN(ctx, source)
	if err != nil {
		return err
	}
	options := postgres.DumpOptions{
		DSN: dsn, Root: name, Databases: source.Databases, BinDir: source.BinDir, CountRows: source.RowCounts != config.RowCountsNone,
		Warn: func(message string) { p.ui.warn("back up", name, errors.New(message)) },
	}
	if source.Format == config.FormatDirectory {
		scratch, err := proof.NewScratch(filepath.Join(os.TempDir(), fmt.Sprintf("holdfast-dump-%d", os.Getpid())))
		if err != nil {
			return err
		}
		defer scratch.Close()
		options.Jobs, options.Scratch, options.Room = max(1, source.Jobs), scratch.Path(), scratch.Room
	}
	src, err := postgres.StartDumps(ctx, options)
	if err != nil {
		return err
	}
	o, err := p.arrivalOptions(ctx, r, name)
	if err != nil {
		return err
	}
	o.Rows = src.Rows
	watch := p.startProgress("dumps of "+name, work{}, func() work {
		return work{items: o.Progress.Files(), bytes: o.Progress.BytesRead.Load(), errors: o.Progress.Errors.Load()}
	})
	receipt, err := backup.RunArrivals(ctx, r, src, o, nil)
	watch.stop()
	if err = errors.Join(err, src.Close()); err != nil {
		return fmt.Errorf("%w; no snapshot was made", err)
	}
	for _, db := range src.List().Databases {
		p.ui.infof("  %-30s %s", printable(db.Name), size.FormatBytes(uint64(db.Bytes)))
	}
	p.reportBackup(receipt, o.Progress)
	return nil
}
