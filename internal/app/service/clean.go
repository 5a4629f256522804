package service

import (
	"cmp"
	"context"
	"os"
	"path/filepath"
	"slices"
	"time"
)

const (
	// cleanEvery is how often logs and reports that nobody needs are removed;
	// reports are journaled long before reportsFor.
	cleanEvery = time.Hour
	reportsFor = 48 * time.Hour
)

// clean keeps the logs of runs within the bounds of the history.
func (s *service) clean(ctx context.Context) error {
	ticker := time.NewTicker(cleanEvery)
	defer ticker.Stop()
	for {
		h := s.config.Load().Service.History
		s.removeOld(s.dir.LogsDir(), time.Duration(h.For), int64(h.Size)/2) //nolint:gosec // no disk is larger
		s.removeOld(s.dir.runsDir(), reportsFor, 0)
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// removeOld removes the oldest files of a folder: those over an age, and those
// over a size in all, where these are set.
func (s *service) removeOld(dir string, age time.Duration, sizeBytes int64) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		s.Log.Warn("clean up", "error", err)
		return
	}
	var files []os.FileInfo
	for _, entry := range entries {
		if info, err := entry.Info(); err == nil && info.Mode().IsRegular() {
			files = append(files, info)
		}
	}
	slices.SortFunc(files, func(a, b os.FileInfo) int { return cmp.Compare(b.ModTime().UnixNano(), a.ModTime().UnixNano()) })
	total := int64(0)
	for _, file := range files {
		total += file.Size()
		if age > 0 && time.Since(file.ModTime()) > age || sizeBytes > 0 && total > sizeBytes {
			if err := os.Remove(filepath.Join(dir, file.Name())); err != nil {
				s.Log.Warn("clean up", "error", err)
			}
		}
	}
}
