package wal_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast/internal/logarchive"
	"holdfast/internal/postgres"
	"holdfast/internal/wal"
	"holdfast/storage"
	"holdfast/storage/mem"
	"holdfast/test/pgcluster"
)

// without returns a copy of a store that lacks some objects.
func without(t *testing.T, s storage.Store, gone func(key string) bool) storage.Store {
	t.Helper()
	for range 100 {
		left, err := copyWithout(t.Context(), s, gone)
		if err == nil {
			return left
		}
		// Whoever archived removes marks that newer ones replace a moment after.
		if !errors.Is(err, storage.ErrNotFound) {
			t.Fatal(err)
		}
	}
	t.Fatal("objects go away all the time")
	return nil
}

func copyWithout(ctx context.Context, s storage.Store, gone func(key string) bool) (storage.Store, error) {
	left := mem.New()
	err := s.List(ctx, "", func(i storage.Info) error {
		if gone(i.Key) {
			return nil
		}
		data, err := storage.ReadAll(ctx, s, i.Key)
		if err == nil {
			err = left.Put(ctx, i.Key, storage.Bytes(data), storage.PutOptions{})
		}
		return err
	})
	return left, err
}

// wantLoss checks that recovery stops where a file is missing, and that the
// gap is told.
func wantLoss(t *testing.T, c *pgcluster.Cluster, a *logarchive.Archive, name, what string) {
	t.Helper()
	if err := wal.Fetch(t.Context(), name, walPath(c, "RECOVERYXLOG"), wal.FetchOptions{Archive: a}); !errors.Is(err, wal.ErrGap) {
		t.Errorf("%s: fetch of %s gives %v", what, name, err)
	}
	status, err := wal.Inspect(t.Context(), a)
	if err != nil || len(status.Gaps) == 0 {
		t.Errorf("%s: the status has gaps %v, %v", what, status.Gaps, err)
	}
	var found []logarchive.Gap
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	watch := wal.GapWatch{
		Archives: one(a), From: func(int, time.Time) time.Time { return time.Time{} },
		Found:    func(_ string, gap logarchive.Gap) { found = append(found, gap); cancel() },
		Unproven: func(_ string, err error) { t.Error(err); cancel() },
		Failed:   func(_ string, err error) { t.Error(err); cancel() },
	}
	watch.Run(ctx)
	if !slices.Equal(found, status.Gaps[:1]) {
		t.Errorf("%s: the watch tells of %v, and the status of %v", what, found, status.Gaps)
	}
}

// Any of the newest segments that was pushed is missed when it is lost, the
// last one included: recovery does not end early as if that were all.
func TestPushedLost(t *testing.T) {
	eachVersion(t, func(t *testing.T, c *pgcluster.Cluster) {
		keys, store := newArchiver(t), mem.New()
		names := fillSegments(t, c, 17)
		for _, name := range names {
			if err := wal.Push(t.Context(), walPath(c, name), wal.PushOptions{Archives: one(keys.open(t, store)), Ahead: 16, Uploads: 16}); err != nil {
				t.Fatal(err)
			}
		}
		for _, name := range names[1:] {
			left := without(t, store, func(key string) bool { return strings.Contains(key, name) })
			wantLoss(t, c, keys.open(t, left), name, "without "+name)
		}
		for _, name := range names[1:] {
			left := without(t, store, func(key string) bool { return strings.Contains(key, name) && strings.HasSuffix(key, ".record") })
			wantLoss(t, c, keys.open(t, left), name, "without the record of "+name)
		}
	})
}

// What a receiver has confirmed is missed when it is lost, in the middle of a
// segment, too; a target before it is reached all the same.
func TestReceivedLost(t *testing.T) {
	eachVersion(t, func(t *testing.T, c *pgcluster.Cluster) {
		keys, store := newArchiver(t), mem.New()
		r := receive(t, c.DSN(), one(keys.open(t, store)))
		c.Exec("CREATE TABLE numbers (n bigint)")
		r.wantArchived(t, c)
		c.Exec("INSERT INTO numbers SELECT generate_series(1, 400000); CHECKPOINT; SELECT pg_switch_wal()")
		for range 3 {
			c.Exec("INSERT INTO numbers SELECT generate_series(1, 100)")
			r.wantArchived(t, c)
		}
		r.end(t)
		confirmed := confirmedOf(t, c)
		extent, err := keys.open(t, store).Extent(t.Context(), "")
		if err != nil || len(extent.Gaps) > 0 || len(extent.Ranges) != 1 || postgres.LSN(extent.Ranges[0].End) < confirmed {
			t.Fatalf("confirmed up to %s, archived %+v, %v", confirmed, extent, err)
		}
		missed := 0
		for k, lost := range extent.Segments {
			name := fmt.Sprintf("%016X-%016X.slice", uint64(lost.Start), uint64(lost.End))
			left := without(t, store, func(key string) bool { return strings.Contains(key, name) })
			if k == 0 || lost.Kind != logarchive.Slice || coveredWithout(extent.Segments, lost) {
				continue
			}
			missed++
			wantLoss(t, c, keys.open(t, left), lost.Name, "without the slice at "+lost.Start.LSN())
			before := wal.FetchOptions{Archive: keys.open(t, left), Until: postgres.LSN(lost.Start)}
			if err := wal.Fetch(t.Context(), lost.Name, walPath(c, "RECOVERYXLOG"), before); lost.Start%postgres.DefaultSegmentBytes != 0 && err != nil {
				t.Errorf("a target before the slice that is lost gives %v", err)
			}
		}
		if missed < 3 {
			t.Errorf("%d slices were tried: %+v", missed, extent.Segments)
		}
	})
}

// coveredWithout tells whether the others hold all that one of the segments
// holds.
func coveredWithout(all []logarchive.Segment, one logarchive.Segment) bool {
	others := slices.DeleteFunc(slices.Clone(all), func(s logarchive.Segment) bool { return s == one })
	return logarchive.Covers(logarchive.Coverage(others), logarchive.Range{Stream: one.Stream, Line: one.Line, Start: one.Start, End: one.End})
}

// confirmedOf returns up to where the server was told that its log is archived.
func confirmedOf(t *testing.T, c *pgcluster.Cluster) postgres.LSN {
	t.Helper()
	at, err := postgres.ParseLSN(c.Query("SELECT restart_lsn FROM pg_replication_slots WHERE slot_name = 'holdfast'"))
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// A history file that is lost is not taken for one that never was: the log does
// not end before its timeline, and no server begins another of its number. The
// next archiver that looks archives it again.
func TestHistoryLost(t *testing.T) {
	eachVersion(t, func(t *testing.T, c *pgcluster.Cluster) {
		keys, store := newArchiver(t), mem.New()
		r := receive(t, c.DSN(), one(keys.open(t, store)))
		c.Exec("CREATE TABLE numbers AS SELECT generate_series(1, 1000) n; SELECT pg_switch_wal()")
		r.wantArchived(t, c)
		r.end(t)
		newTimeline(t, c)
		c.Exec("INSERT INTO numbers VALUES (1); SELECT pg_switch_wal(); INSERT INTO numbers VALUES (1)")
		r = receive(t, c.DSN(), one(keys.open(t, store)))
		r.wantArchived(t, c)
		r.end(t)

		left := without(t, store, func(key string) bool { return strings.Contains(key, ".history.") })
		a := keys.open(t, left)
		for _, name := range []string{"00000002.history", "000000010000000000000009"} {
			err := wal.Fetch(t.Context(), name, walPath(c, "RECOVERYXLOG"), wal.FetchOptions{Archive: a})
			if !errors.Is(err, wal.ErrNoHistory) || errors.Is(err, wal.ErrEnd) {
				t.Errorf("without the history of timeline 2, %s gives %v", name, err)
			}
		}
		// A target before it is reached all the same.
		err := wal.Fetch(t.Context(), "000000010000000000000009", walPath(c, "RECOVERYXLOG"), wal.FetchOptions{Archive: a, Until: 0x8000000})
		if !errors.Is(err, wal.ErrEnd) {
			t.Errorf("after the target: %v", err)
		}
		for _, name := range []string{"00000001.history", "00000003.history"} { // which servers ask for
			if err := wal.Fetch(t.Context(), name, walPath(c, "RECOVERYXLOG"), wal.FetchOptions{Archive: a}); !errors.Is(err, wal.ErrEnd) {
				t.Errorf("%s, which never was, gives %v", name, err)
			}
		}
		status, err := wal.Inspect(t.Context(), a)
		if err != nil || len(status.Unproven) != 1 || !errors.Is(status.Unproven[0], wal.ErrNoHistory) {
			t.Errorf("the status has %v, %v", status.Unproven, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var told error
		watch := wal.GapWatch{
			Archives: one(a), From: func(int, time.Time) time.Time { return time.Time{} },
			Found:    func(_ string, gap logarchive.Gap) { t.Errorf("found %v", gap) },
			Unproven: func(_ string, why error) { told = why; cancel() },
			Failed:   func(_ string, err error) { t.Error(err); cancel() },
		}
		watch.Run(ctx)
		if !errors.Is(told, wal.ErrNoHistory) {
			t.Errorf("the watch tells of %v", told)
		}

		if err := wal.ArchiveHistory(t.Context(), one(a), c.DSN()); err != nil {
			t.Fatal(err)
		}
		if status, err = wal.Inspect(t.Context(), a); err != nil || len(status.Unproven) > 0 || len(status.Histories[2]) != 1 {
			t.Errorf("after it was archived again: %+v, %v", status, err)
		}
	})
}

// newTimeline has a server begin one, as a standby does that takes over.
func newTimeline(t *testing.T, c *pgcluster.Cluster) {
	t.Helper()
	c.Stop()
	signal := filepath.Join(c.Data, "standby.signal")
	if err := errors.Join(os.WriteFile(signal, nil, 0o600), pgcluster.Own(signal)); err != nil {
		t.Fatal(err)
	}
	c.Start()
	c.Promote()
}
