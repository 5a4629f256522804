package wal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"holdfast/internal/logarchive"
	"holdfast/internal/postgres"
)

// continues makes sure that a segment continues what is archived where the server
// has not archived the one before it itself, which it knows: then that is
// compared, as archiving was turned on later, maybe on a copy of the cluster.
// Where the server has the one before no longer, nothing can be said.
func (p *pusher) continues(path string, s logarchive.Segment) error {
	if s.Kind != logarchive.Whole {
		return nil
	}
	size := int64(s.End - s.Start)
	if s.Start < logarchive.Position(size) {
		return nil
	}
	name := postgres.SegmentAt(s.Line, postgres.LSN(s.Start)-postgres.LSN(size), size).String()
	before := filepath.Join(filepath.Dir(path), name)
	if !unasked(before) {
		return nil
	}
	err := p.sameAsArchived(p.ctx, before)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, errReused) {
		return nil
	}
	return err
}

// unasked tells whether a segment is there that the server has never wanted to
// have archived.
func unasked(path string) bool {
	if _, err := os.Stat(path); err != nil {
		return false
	}
	status := filepath.Join(filepath.Dir(path), "archive_status", filepath.Base(path))
	for _, suffix := range []string{".done", ".ready"} {
		if _, err := os.Stat(status + suffix); err == nil {
			return false
		}
	}
	return true
}

// sameAsArchived fails with ErrOtherCourse when an archive has something else
// under the name of a segment.
func (p *pusher) sameAsArchived(ctx context.Context, path string) error {
	file, err := openFile(path)
	if err != nil {
		return err
	}
	defer file.Close() //nolint:errcheck // it was only read
	var digest logarchive.Digest
	for _, archive := range p.o.All {
		r, err := archive.Record(ctx, file.segment)
		if err != nil {
			continue // it is not there, or the append tells
		}
		if digest.IsZero() {
			if digest, err = logarchive.Sum(ctx, file); err == nil {
				err = file.Unchanged()
			}
			if err != nil {
				return err
			}
		}
		if r.SHA256 != digest {
			return fmt.Errorf("%s at %s: %w", file.segment.Name, archive.Location(), ErrOtherCourse)
		}
	}
	return nil
}
