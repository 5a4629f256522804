package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync/atomic"
	"time"

	"holdfast/internal/backup"
	"holdfast/internal/config"
	"holdfast/internal/postgres/rowcount"
	"holdfast/internal/snapfs"
	"holdfast/internal/source"
	"holdfast/internal/source/postgres"
	"holdfast/repository"
	"holdfast/repository/snapshot"
)

const (
	// countTableBytes and countWithin bound how a base backup counts rows on
	// a server that has other things to do: larger tables are estimated, and
	// so is what is left after that time.
	countTableBytes = 1 << 30
	countWithin     = time.Minute
)

// countRows adds the row counts of the server's tables to a base backup, as
// the source wants them, and has the snapshot tell their sum. A backup that
// holds its log counts first.
func (p *planRun) countRows(src source.Arrivals, name, dsn string, from config.Postgres, held bool, o *backup.Options) source.Arrivals {
	if from.RowCounts == config.RowCountsNone {
		return src
	}
	var sum atomic.Uint64
	o.Rows = sum.Load
	take := func(ctx context.Context) (*rowcount.Counts, error) {
		limits := rowcount.Limits{TableBytes: countTableBytes, Until: time.Now().Add(countWithin), Views: true}
		if from.RowCounts == config.RowCountsAll {
			limits = rowcount.Limits{Views: true}
		}
		counts, err := rowcount.Take(ctx, dsn, limits)
		if err == nil {
			p.tellCounts(counts)
			sum.Store(counts.Rows())
		}
		return counts, err
	}
	return postgres.WithRowCounts(src, name, held, take, func(err error) { p.ui.warn("back up", name, err) })
}

// tellCounts says how many tables were counted.
func (p *planRun) tellCounts(counts *rowcount.Counts) {
	tables, estimates := counts.Tables()
	text := "counted the rows of " + countOf(tables-estimates, "table")
	if estimates > 0 {
		text += fmt.Sprintf("; of %d more they are estimated", estimates)
	}
	if counts.Near() {
		text += "; transactions ended all the time, so that a restore test cannot compare them exactly"
	}
	p.ui.infof("%s", text)
}

// maxRowCounts bounds the file of row counts: some 100 bytes for each table.
const maxRowCounts = 256 << 20

// rowCounts reads what a snapshot of a source says of its rows; nil if it says
// nothing.
func rowCounts(ctx context.Context, r *repository.Repository, s *snapshot.Snapshot, source string) (*rowcount.Counts, error) {
	f, err := snapfs.Open(ctx, r, s.Tree)
	if err != nil {
		return nil, fmt.Errorf("snapshot %s: %w", s.ID.Short(), err)
	}
	n, err := f.Lookup(ctx, rowcount.File(source))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // documented above
	}
	if err == nil && n.Size > maxRowCounts {
		err = fmt.Errorf("%s is too long to be true", n.Name)
	}
	if err != nil {
		return nil, fmt.Errorf("snapshot %s: %w", s.ID.Short(), err)
	}
	var text bytes.Buffer
	if err := f.WriteFile(ctx, n, &text); err != nil {
		return nil, fmt.Errorf("snapshot %s: %w", s.ID.Short(), err)
	}
	counts, err := rowcount.Parse(text.Bytes())
	if err != nil {
		return nil, fmt.Errorf("snapshot %s: %w", s.ID.Short(), err)
	}
	return counts, nil
}
