package wal

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"holdfast/internal/logarchive"
	"holdfast/internal/postgres"
)

// markWithin is how long an answer to the server waits at most while files that
// follow are marked. It waits for none that is not on its way already.
const markWithin = time.Second

// markAhead marks the segments that follow an archived one as archived too, one
// after the other, as the server does when archive_command has ended well. Those
// it runs no program for, which costs it more than the looking and the answer.
//
// The server asks for one file after the other, and waits for the answer to the
// one at path meanwhile: so it never is about to ask for one that is marked. Nor
// does it reuse one before it is marked. What fails is not marked; then the
// server asks, and is told why.
func (p *pusher) markAhead(ctx context.Context, path string, f *pushed) {
	enough := time.NewTimer(markWithin)
	defer enough.Stop()
	for f.segment.Kind == logarchive.Whole {
		path = nextSegment(path, f.segment)
		if f = p.known(path); f == nil {
			return
		}
		go p.goAhead(path, f)
		select {
		case <-f.done:
		case <-enough.C:
			return
		case <-ctx.Done():
			return
		}
		if f.err != nil || !f.still(path) || markArchived(path) != nil {
			return
		}
	}
}

// nextSegment is the path of the segment that follows one.
func nextSegment(path string, s logarchive.Segment) string {
	name := postgres.SegmentAt(s.Line, postgres.LSN(s.End), int64(s.End-s.Start))
	return filepath.Join(filepath.Dir(path), name.String())
}

// markArchived marks a file of pg_wal that waits to be archived. The mark need
// not outlast a failure of the power: the file is pushed again then. The folder is
// the server's, and this process may be root: no link leads out of it.
func markArchived(path string) error {
	log, err := os.OpenRoot(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer log.Close() //nolint:errcheck // nothing was written
	mark := filepath.Join("archive_status", filepath.Base(path))
	return log.Rename(mark+".ready", mark+".done")
}
