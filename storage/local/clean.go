package local

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// leftoverAge is how long a temporary file must have been untouched before it
// counts as left behind. A running backup touches its spools every few
// seconds; one that was suspended for longer finds its spool gone, gets an
// error from Put, and nothing is lost.
const leftoverAge = 24 * time.Hour

// Clean removes the temporary files of processes that were killed, restic's
// included; see storage.Cleaner.
func (s *Store) Clean(ctx context.Context) error {
	return s.cleanSpools(ctx, time.Now().Add(-leftoverAge))
}

func (s *Store) cleanSpools(ctx context.Context, untouchedSince time.Time) error {
	w := walk{
		ctx:    ctx,
		object: func(string, string, fs.DirEntry) error { return nil },
		temporary: func(path string, e fs.DirEntry) error {
			info, err := e.Info()
			if err != nil || !info.Mode().IsRegular() || info.ModTime().After(untouchedSince) {
				return ignoreNotFound(err)
			}
			if err := ignoreNotFound(os.Remove(path)); err != nil {
				return fmt.Errorf("clean: %w", writeError(err))
			}
			return nil
		},
	}
	return s.walk(w, "")
}
