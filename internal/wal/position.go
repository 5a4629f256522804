package wal

import (
	"context"
	"fmt"

	"github.com/jackc/pglogrepl"

	"holdfast/internal/logarchive"
	"holdfast/internal/postgres"
)

// Position is how far a server's log is.
type Position struct {
	System   string
	Timeline uint32
	// At is the end of what the server has made durable itself.
	At postgres.LSN
}

// PositionOf asks a server how far its log is.
func PositionOf(ctx context.Context, dsn string) (Position, error) {
	conn, err := connect(ctx, dsn)
	if err != nil {
		return Position{}, err
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // nothing is left to say
	id, err := pglogrepl.IdentifySystem(ctx, conn)
	if err != nil {
		return Position{}, fmt.Errorf("ask the server how far its log is: %w", err)
	}
	return Position{System: id.SystemID, Timeline: uint32(id.Timeline), At: postgres.LSN(id.XLogPos)}, nil
}

// headerBytes is what a server may write at the beginning of a segment before
// there is anything in it: the long header of its first page.
const headerBytes = postgres.SegmentHeaderBytes

// Behind returns how many bytes of a server's log an archive lacks, and false
// when it has nothing of the server's cluster. An archive has all of an idle
// server's log, however long ago that was written.
func (p Position) Behind(ranges []logarchive.Range) (behindBytes int64, known bool) {
	for _, r := range ranges {
		if r.Stream != p.System {
			continue
		}
		behindBytes, known = max(0, int64(p.At)-int64(r.End)), true // the last one counts
	}
	if behindBytes <= headerBytes {
		behindBytes = 0
	}
	return behindBytes, known
}
