package service

import (
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// Logs of runs go when they are too old, and the oldest of them when all take
// too much.
func TestLogsAreBounded(t *testing.T) {
	s := &service{Options: Options{Log: slog.New(slog.DiscardHandler)}}
	for _, c := range []struct {
		name      string
		age       time.Duration
		sizeBytes int64
		left      []string
	}{
		{"no bound", 0, 0, []string{"1h", "2h", "3h", "4h"}},
		{"by age", 150 * time.Minute, 0, []string{"1h", "2h"}},
		{"by size", 0, 350, []string{"1h", "2h", "3h"}},
		{"by both", 90 * time.Minute, 350, []string{"1h"}},
	} {
		dir := t.TempDir()
		for _, name := range []string{"1h", "2h", "3h", "4h"} {
			path := filepath.Join(dir, name)
			old, err := time.ParseDuration(name)
			if err == nil {
				err = os.WriteFile(path, make([]byte, 100), 0o600)
			}
			if err == nil {
				err = os.Chtimes(path, time.Time{}, time.Now().Add(-old))
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		s.removeOld(dir, c.age, c.sizeBytes)
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		var left []string
		for _, e := range entries {
			left = append(left, e.Name())
		}
		if !slices.Equal(left, c.left) {
			t.Errorf("%s: left are %q, want %q", c.name, left, c.left)
		}
	}
}
