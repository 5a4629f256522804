package postgres

import (
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	"holdfast/internal/postgres"
	"holdfast/internal/source"
)

// neededLog yields the segments of the log that the backup needs, which a slot
// has kept, and the history of its timeline.
func (l *Local) neededLog(context.Context) (step, error) {
	folder := filepath.Join(l.o.DataDirectory, logFolder)
	var names []string
	for at := l.Start; at < l.End; at = at - at%postgres.LSN(l.session.walBytes) + postgres.LSN(l.session.walBytes) { //nolint:gosec // a power of two
		names = append(names, postgres.SegmentAt(l.Timeline, at, l.session.walBytes).String())
	}
	if l.Timeline > 1 {
		names = append(names, postgres.FileName{Kind: postgres.HistoryFile, Timeline: l.Timeline}.String())
	}
	// Marked as archived: the restored server need not do it again.
	var marks []string
	for _, name := range names {
		marks = append(marks, path.Join("archive_status", name+".done"))
	}
	names = append(names, marks...)
	return func(context.Context) (*source.Arrival, error) {
		if len(names) == 0 {
			return nil, nil //nolint:nilnil // as step says
		}
		name := names[0]
		names = names[1:]
		if strings.HasSuffix(name, ".done") {
			return l.made(path.Join(logFolder, name), 0o600, nil), nil
		}
		return l.logFile(name, filepath.Join(folder, name))
	}, nil
}

// logFile reads a segment at once: there are few, and they are of 16 MiB.
func (l *Local) logFile(name, place string) (*source.Arrival, error) {
	content, err := os.ReadFile(place)
	if err != nil {
		return nil, fmt.Errorf("read the log that the base backup needs: %w", err)
	}
	if len(name) == 24 && int64(len(content)) != l.session.walBytes {
		return nil, fmt.Errorf("log segment %s has %d bytes instead of %d", name, len(content), l.session.walBytes)
	}
	return l.made(path.Join(logFolder, name), 0o600, content), nil
}
