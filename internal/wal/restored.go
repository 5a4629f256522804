package wal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"

	"holdfast/internal/logarchive"
	"holdfast/internal/postgres"
	"holdfast/storage"
)

// ErrRestored says that the log of a server is not archived, as the server was
// restored: it may be a copy to look at, beside the one whose log this is.
var ErrRestored = errors.New("this server was restored, and its log is not archived until it has a base backup of its own: " +
	"if it takes the place of the original, take one (`holdfast plan run --type full`), or start `holdfast wal receive --adopt` once")

// ErrOtherCourse says that the archive has another course of the log under the
// timeline that a server is on: that of another copy of the same cluster.
var ErrOtherCourse = fmt.Errorf("%w: the archive has this timeline from another server, which was made from the same cluster: "+
	"the two must not share an archive; give this server a source of its own in holdfast.yaml, and take a base backup of it", storage.ErrConflict)

// ofOtherCourse tells what it means when an archive has something else under the
// name of what is archived.
func ofOtherCourse(err error) error {
	if errors.Is(err, storage.ErrConflict) && !errors.Is(err, ErrOtherCourse) {
		return fmt.Errorf("%w: %w", ErrOtherCourse, err)
	}
	return err
}

// undefinedObject is what a server says of a setting that it does not know.
const undefinedObject = "42704"

// restoredMark returns by which restore a server was made; "" by none, or by
// one that was told that it goes on archiving. A server writes a line into its log
// when it is asked for what it does not know: it is only asked where settings of a
// recovery are left, as a restore leaves them.
func restoredMark(ctx context.Context, conn *pgconn.PgConn) (string, error) {
	timeline, err := show(ctx, conn, "recovery_target_timeline")
	if err != nil || timeline == "latest" {
		return "", err
	}
	mark, err := show(ctx, conn, postgres.RestoredSetting)
	if hasCode(err, undefinedObject) || mark == postgres.RestoredArchives {
		return "", nil
	}
	return mark, err
}

// adoption is the note that a server which was restored is the one whose log is
// archived from then on. It belongs to no timeline: the server may begin others.
func adoption(stream, mark string) logarchive.Segment {
	return logarchive.Segment{Stream: stream, Kind: logarchive.Adopted, Name: mark}
}

// adopted tells whether an archive has the note of a restored server, and
// whether another one lacks it. Archives that cannot be asked do not count, as
// long as one has it.
func (a Archives) adopted(ctx context.Context, stream, mark string) (there, lacking bool, err error) {
	var failures []error
	for _, archive := range a.All {
		_, err := archive.Record(ctx, adoption(stream, mark))
		switch {
		case err == nil:
			there = true
		case errors.Is(err, storage.ErrNotFound):
			lacking = true
		default:
			failures = append(failures, fmt.Errorf("%s: %w", archive.Location(), err))
		}
	}
	if there {
		return true, lacking, nil
	}
	return false, lacking, errors.Join(failures...)
}

// adopt notes in all archives that a restored server is the one whose log this is.
func (a Archives) adopt(ctx context.Context, stream, mark string) error {
	content, err := json.Marshal(struct {
		System   string `json:"system"`
		Restored string `json:"restored"`
	}{stream, mark})
	if err != nil {
		return fmt.Errorf("note that a restored server is archived: %w", err)
	}
	return a.archiveFile(ctx, adoption(stream, mark), content)
}

// mayArchive fails with ErrRestored for a server that was restored, unless it was
// adopted or is now. It asks before anything is changed, on the server or in the
// archives.
func (r *receiver) mayArchive(ctx context.Context) error {
	mark, err := restoredMark(ctx, r.conn)
	if err != nil || mark == "" {
		return err
	}
	there, lacking, err := r.o.adopted(ctx, r.stream, mark)
	switch {
	case err != nil:
		return archiveError{err}
	case there && !lacking:
		return nil
	case !there && !r.o.Adopt:
		return ErrRestored
	case !there:
		if err := r.timelineIsFree(ctx); err != nil {
			return err
		}
	}
	if err := r.o.adopt(ctx, r.stream, mark); err != nil {
		return archiveError{err}
	}
	return nil
}

// timelineIsFree makes sure that no archive has log of the server's timeline: a
// server that was not adopted has archived none, so that would be another's.
func (r *receiver) timelineIsFree(ctx context.Context) error {
	for _, archive := range r.o.All {
		there, err := archive.Line(ctx, r.stream, r.next)
		if err != nil {
			return archiveError{err}
		}
		if len(there) > 0 {
			return fmt.Errorf("timeline %d at %s: %w", r.next, archive.Location(), ErrOtherCourse)
		}
	}
	return nil
}

// allowed remembers which restored servers may archive, for a pusher.
func (p *pusher) allowed(path, stream string) error {
	mark, err := postgres.RestoredMark(dataDirOf(path))
	if err != nil || mark == "" || mark == postgres.RestoredArchives {
		return err
	}
	if _, known := p.adopted.Load(mark); known {
		return nil
	}
	there, _, err := p.o.adopted(p.ctx, stream, mark)
	if err != nil {
		return err
	}
	if !there {
		return ErrRestored
	}
	p.adopted.Store(mark, true)
	return nil
}
