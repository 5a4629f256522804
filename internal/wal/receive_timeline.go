package wal

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"holdfast/internal/logarchive"
	"holdfast/internal/postgres"
)

// timelineToEnd receives one timeline until the server ends it, and returns
// the branch that follows.
func (r *receiver) timelineToEnd(ctx context.Context) (postgres.Branch, error) {
	if err := r.expect(ctx); err != nil {
		return postgres.Branch{}, err
	}
	sql := fmt.Sprintf("START_REPLICATION SLOT %s PHYSICAL %s TIMELINE %d", postgres.QuoteIdentifier(r.o.Slot), r.start, r.timeline)
	if ended, next, err := r.startReplication(ctx, sql); err != nil || ended {
		return next, err
	}
	s, err := newSpooler(ctx, r)
	if err != nil {
		return postgres.Branch{}, err
	}
	err = r.pump(s)
	if r.back && s.end == r.start && errors.Is(err, ErrRemoved) {
		err = errNotThere
	}
	r.back = false
	return r.finish(ctx, s, err)
}

// finish archives what has come, also when the connection broke, and reads
// what follows the timeline when it has ended.
func (r *receiver) finish(ctx context.Context, s *spooler, pumped error) (postgres.Branch, error) {
	err := s.close(r, pumped)
	if err != nil {
		return postgres.Branch{}, err
	}
	r.conn.Frontend().Send(&pgproto3.CopyDone{})
	if err := r.conn.Frontend().Flush(); err != nil {
		return postgres.Branch{}, fmt.Errorf("end the timeline: %w", err)
	}
	var next postgres.Branch
	for {
		message, err := r.conn.ReceiveMessage(ctx)
		if err != nil {
			return next, fmt.Errorf("end the timeline: %w", err)
		}
		switch m := message.(type) {
		case *pgproto3.DataRow:
			if next, err = parseBranch(m); err != nil {
				return next, err
			}
		case *pgproto3.ErrorResponse:
			return next, pgconn.ErrorResponseToPgError(m)
		case *pgproto3.ReadyForQuery:
			return next, nil
		}
	}
}

// follow goes over to the timeline that branched off.
func (r *receiver) follow(ctx context.Context, next postgres.Branch) error {
	if next.Timeline <= r.timeline {
		return fmt.Errorf("the server ended timeline %d and named no next one", r.timeline)
	}
	return r.begin(ctx, next.Timeline, next.At)
}

// ArchiveHistory prepares for a server that archives by itself, for a base backup
// of it: it adopts one that was restored, and archives the file that tells where
// its timeline comes from, if that is not the first. One whose log was not
// archived when the timeline began does not hand it over itself.
func ArchiveHistory(ctx context.Context, a Archives, dsn string) error {
	conn, err := connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // nothing is left to say
	r := &receiver{o: ReceiveOptions{Archives: a, Adopt: true}, conn: conn}
	if err := r.identify(ctx); err != nil {
		return err
	}
	if err := r.mayArchive(ctx); err != nil {
		return err
	}
	return r.archiveHistory(ctx, r.next)
}

// archiveHistory archives the file that tells where a timeline comes from.
func (r *receiver) archiveHistory(ctx context.Context, timeline uint32) error {
	if timeline == 1 {
		return nil
	}
	h, err := pglogrepl.TimelineHistory(ctx, r.conn, int32(timeline))
	if err != nil {
		return fmt.Errorf("ask the server for the history of timeline %d: %w", timeline, err)
	}
	return ofOtherCourse(r.o.archiveFile(ctx, logarchive.Segment{
		Stream: r.stream, Line: timeline, Kind: logarchive.History,
		Name: postgres.FileName{Kind: postgres.HistoryFile, Timeline: timeline}.String(),
	}, h.Content))
}
