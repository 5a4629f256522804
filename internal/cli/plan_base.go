package cli

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"holdfast/internal/backup"
	"holdfast/internal/config"
	"holdfast/internal/evidence"
	"holdfast/internal/pitr"
	"holdfast/internal/source"
	"holdfast/internal/source/files"
	"holdfast/internal/source/postgres"
	"holdfast/repository"
	"holdfast/repository/snapshot"
)

// baseSource is a base backup under way, whichever way it is taken.
type baseSource interface {
	source.Arrivals
	About() *postgres.Facts
	Close() error
}

// baseRequest is a base backup to be begun.
type baseRequest struct {
	name    string
	dsn     string
	source  config.Postgres
	withWAL bool
	// options are those of the backup; beginning it chooses type and parent.
	options *backup.Options
}

// beginBase begins a base backup: by reading the data directory, where this
// host has it, and else by having the server send it. why explains a type that
// differs from the one asked for.
func (p *planRun) beginBase(ctx context.Context, r *repository.Repository, b baseRequest) (src baseSource, why string, err error) {
	if b.source.DataDirectory == "" {
		return p.beginRemote(ctx, r, b)
	}
	return p.beginLocal(ctx, r, b)
}

func (p *planRun) warnOf(name string) func(message string) {
	return func(message string) { p.ui.warn("back up", name, errors.New(message)) }
}

// maxLocalReaders bounds the files of a data directory that are read at once:
// the server needs its disks, too.
const maxLocalReaders = 8

func (p *planRun) beginLocal(ctx context.Context, r *repository.Repository, b baseRequest) (baseSource, string, error) {
	src, err := postgres.StartLocal(ctx, postgres.LocalOptions{
		DSN: b.dsn, DataDirectory: b.source.DataDirectory, Root: b.name, Label: "holdfast " + p.name,
		WithWAL: b.withWAL, Warn: p.warnOf(b.name), BytesPerSecond: int64(b.source.Rate),
		Readers: min(max(2, runtime.GOMAXPROCS(0)), maxLocalReaders),
		Open:    func(folder string) (source.Source, error) { return files.New(files.Config{Paths: []string{folder}}) },
	})
	if err != nil {
		return nil, "", err
	}
	why, err := p.compareLocal(ctx, r, b, src)
	if err != nil {
		return nil, "", errors.Join(err, src.Close())
	}
	if o := b.options; o.Parent != nil {
		p.ui.infof("%s base backup of %s: files as snapshot %s has them are not read again", o.Type, b.name, o.Parent.ID.Short())
	}
	return src, why, nil
}

// compareLocal chooses what the backup is compared with.
func (p *planRun) compareLocal(ctx context.Context, r *repository.Repository, b baseRequest, src *postgres.Local) (why string, err error) {
	about, o := src.About(), b.options
	basis, why := pitr.Basis(o.Snapshots, pitr.NewBackup{
		Type: o.Type, Source: b.name, Host: o.Snapshot.Hostname, Begins: o.Snapshot.Time,
		Need:      pitr.Need{System: about.System, Timeline: about.Timeline, Start: about.Start},
		FullEvery: b.fullEvery(), Doubt: p.doubt(ctx, r, b),
	})
	if basis != nil {
		why, err = compareWith(ctx, r, b, src, basis)
	}
	if basis == nil || why != "" || err != nil {
		o.Type = snapshot.Full
		return why, err
	}
	o.Parent = basis
	return "", nil
}

// compareWith has files taken over from an earlier backup, or says why not.
func compareWith(ctx context.Context, r *repository.Repository, b baseRequest, src *postgres.Local, basis *snapshot.Snapshot) (why string, err error) {
	earlier, err := backup.OpenRecorded(ctx, r, basis, b.name)
	if err == nil {
		why, err = src.CompareWith(ctx, earlier)
	}
	if err != nil && ctx.Err() == nil {
		return fmt.Sprintf("snapshot %s cannot be read: %v", basis.ID.Short(), err), nil
	}
	return why, err
}

// defaultFullEvery is how often everything is read without being asked for:
// once in a week of daily backups.
const defaultFullEvery = 7

func (b *baseRequest) fullEvery() int {
	if b.source.FullEvery > 0 {
		return b.source.FullEvery
	}
	return defaultFullEvery
}

// doubt says why nothing of the repository should be relied on: the last check
// found something wrong, and everything has not been read since.
func (p *planRun) doubt(ctx context.Context, r *repository.Repository, b baseRequest) string {
	if b.options.Type == snapshot.Full {
		return ""
	}
	_, bad, err := evidence.Latest(ctx, r, time.Now())
	if err != nil {
		p.tellNoEvidence(err)
	}
	if bad == nil {
		return ""
	}
	for _, point := range pitr.Points(b.options.Snapshots, b.name) {
		if point.Snapshot.Type() == snapshot.Full && point.Snapshot.Time.After(bad.Time) {
			return ""
		}
	}
	return fmt.Sprintf("the %s of %s found %s in the repository", bad.Kind, bad.Time.Local().Format(time.DateTime), countOf(bad.Problems, "problem"))
}
