// Package status gathers what `holdfast status` judges: what a repository
// holds, how it is protected, and when it was last read back, as far as can be
// known without reading data. What was seen is remembered, for the day on
// which the place cannot be reached.
package status

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"holdfast/internal/evidence"
	"holdfast/internal/hold"
	"holdfast/internal/pitr"
	"holdfast/repository"
	"holdfast/repository/id"
	"holdfast/repository/snapshot"
	"holdfast/storage"
)

// futureSlack is how far the clocks of machines may be apart. A snapshot dated
// later than that says nothing about what is protected.
const futureSlack = time.Hour

// Survey is what was found in one repository.
type Survey struct {
	// Seen is when it was.
	Seen time.Time `json:"seen"`
	// Points holds, for each plan and in it each source, the time of the
	// newest snapshot.
	Points map[string]map[string]time.Time `json:"points"`
	// Sizes holds how many bytes each of these snapshots is of, as its backup
	// counted them.
	Sizes map[string]map[string]uint64 `json:"sizes,omitempty"`
	// Logs holds, for each plan and in it each database that is restored from
	// base backups, how far the archived log leads. Whoever knows the plans sets
	// it.
	Logs map[string]map[string]Log `json:"logs,omitempty"`
	// Held says of whom snapshots must not be removed; see package hold.
	Held []Key `json:"held,omitempty"`
	// Tests are the newest restore tests.
	Tests []Test `json:"tests,omitempty"`
	// Snapshots counts all there are, Bytes what they hold by what each says; 0
	// if one does not.
	Snapshots int    `json:"snapshots"`
	Bytes     uint64 `json:"bytes,omitempty"`
	// Lost tells what of the newest snapshot is missing or damaged, "" if a sample
	// of what it needs is there.
	Lost string `json:"lost,omitempty"`
	// Mode and Until are the weakest protection among the objects looked at: the
	// config, the key, the newest snapshot, and a sample of the packs that it
	// needs, old ones too. Mode is "" for none.
	Mode  storage.RetentionMode `json:"mode,omitempty"`
	Until time.Time             `json:"until,omitzero"`
	// Good and Bad are the newest evidence; see evidence.Latest.
	Good *evidence.Record `json:"good,omitempty"`
	Bad  *evidence.Record `json:"bad,omitempty"`
	// Archives says when archives were last read back, by their place; the
	// repository keeps the records of it for its plans.
	Archives map[string]evidence.LastRead `json:"archives,omitempty"`
}

// Log says how far a database can be recovered.
type Log struct {
	// To is the newest instant that it can be restored to.
	To time.Time `json:"to,omitzero"`
	// Spans are the times of which every instant can be restored to, the oldest
	// first.
	Spans []pitr.Span `json:"spans,omitempty"`
	// Unproven tells why newer log may be lost without anybody noticing, "" if
	// it would be noticed.
	Unproven string `json:"unproven,omitempty"`
	// Problem tells why it cannot be restored at all, "" if it can.
	Problem string `json:"problem,omitempty"`
}

// Test is a restore test, of this repository or of one that could not keep its
// record.
type Test struct {
	Plan   string `json:"plan"`
	Source string `json:"source"`
	// From is the name of the repository that was restored from.
	From string    `json:"from"`
	Time time.Time `json:"time"`
	// Seconds is how long the restore took, Bytes how much it was.
	Seconds float64 `json:"seconds"`
	Bytes   uint64  `json:"bytes"`
	// Failed tells what was wrong, "" for nothing.
	Failed string `json:"failed,omitempty"`
}

// testsRead bounds the records of restore tests that are read: enough for a
// few weeks of some plans.
const testsRead = 60

// sizesKept is how many good restore tests are kept of one source from one
// repository: with those of other sizes it can be told how long a restore takes.
const sizesKept = 3

// lookAtTests gathers the newest restore tests, of each source from each
// repository the newest and the newest that was good, and before that some that
// were of another size.
func (s *Survey) lookAtTests(ctx context.Context, r *repository.Repository) error {
	type about struct {
		plan, source, from string
		good               bool
	}
	seen := make(map[about][]uint64) // their sizes
	return evidence.Tests(ctx, r, testsRead, func(rec *evidence.Record) bool {
		t := rec.RestoreTest
		key := about{t.Plan, t.Source, t.From.Name, t.Verdict == evidence.Proven}
		if rec.IsAhead(s.Seen) || t.Verdict == evidence.NotJudged || len(seen[key]) > 0 && !(key.good && isNewSize(seen[key], t.Bytes)) {
			return true
		}
		seen[key] = append(seen[key], t.Bytes)
		one := Test{Plan: t.Plan, Source: t.Source, From: t.From.Name, Time: rec.Time, Seconds: t.RTO.Measured, Bytes: t.Bytes}
		if t.Verdict != evidence.Proven {
			one.Failed = "no reason is recorded"
			if len(rec.Findings) > 0 {
				one.Failed = rec.Findings[0]
			}
		}
		s.Tests = append(s.Tests, one)
		return true
	})
}

// isNewSize tells whether there is room for a test that is of another size than
// some that are kept, by a quarter at least.
func isNewSize(kept []uint64, bytes uint64) bool {
	return len(kept) < sizesKept && !slices.ContainsFunc(kept, func(k uint64) bool {
		return 4*max(k, bytes) < 5*min(k, bytes)
	})
}

// Key says which plans a snapshot belongs to, and as which source of them.
type Key struct {
	Plan   string `json:"plan"`
	Source string `json:"source"`
}

// held is what snapshots hold, as each says; 0 if one does not.
func held(list []*snapshot.Snapshot) (sum uint64) {
	for _, one := range list {
		if one.Summary == nil {
			return 0
		}
		sum += one.Summary.TotalBytesProcessed
	}
	return sum
}

// Look surveys a repository. keys tells what a snapshot counts for. Damaged
// snapshots and records are told to warn and left out.
func Look(ctx context.Context, r *repository.Repository, now time.Time, keys func(*snapshot.Snapshot) []Key, warn func(error)) (*Survey, error) {
	s := &Survey{Seen: now, Points: make(map[string]map[string]time.Time), Sizes: make(map[string]map[string]uint64)}
	list, err := r.Snapshots(ctx)
	if err != nil && !repository.IsCorrupt(err) {
		return nil, err
	}
	warn(err)
	s.Snapshots, s.Bytes = len(list), held(list)
	var newest *snapshot.Snapshot
	for _, one := range list {
		if one.Time.After(now.Add(futureSlack)) {
			warn(fmt.Errorf("snapshot %s at %s is dated in the future (%s) and does not count", one.ID.Short(), r.Location(), one.Time.Format(time.DateTime)))
			continue
		}
		newest = one // they come oldest first
		for _, k := range keys(one) {
			if s.Points[k.Plan] == nil {
				s.Points[k.Plan], s.Sizes[k.Plan] = make(map[string]time.Time), make(map[string]uint64)
			}
			if one.Time.After(s.Points[k.Plan][k.Source]) {
				s.Points[k.Plan][k.Source] = one.Time
				if one.Summary != nil {
					s.Sizes[k.Plan][k.Source] = one.Summary.TotalBytesProcessed
				}
			}
		}
	}
	if newest != nil {
		packs, err := s.lookAtNeeds(ctx, r, newest)
		if err == nil && len(packs) > 0 {
			err = s.lookAtProtection(ctx, r, newest, packs)
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		warn(err)
	}
	s.Good, s.Bad, err = evidence.Latest(ctx, r, now)
	var archivesErr error
	s.Archives, archivesErr = evidence.LastArchives(ctx, r, now)
	err = errors.Join(err, archivesErr, s.lookAtTests(ctx, r), s.lookAtHolds(ctx, r))
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if !errors.Is(err, storage.ErrUnsupported) {
		warn(err)
	}
	return s, nil
}

// lookAtHolds notes what is held.
func (s *Survey) lookAtHolds(ctx context.Context, r *repository.Repository) error {
	holds, err := hold.Active(ctx, r)
	for _, h := range holds {
		s.Held = append(s.Held, Key{h.Plan, h.Source})
	}
	return err
}

// lookAtProtection asks the store what protects some of the objects that the
// newest snapshot needs.
func (s *Survey) lookAtProtection(ctx context.Context, r *repository.Repository, newest *snapshot.Snapshot, packs id.Set) error {
	locker, ok := storage.As[storage.Locker](r.Store())
	if !ok {
		return nil
	}
	if err := locker.CheckLocking(ctx); err != nil {
		return nil //nolint:nilerr // then nothing is protected, which is what the survey says
	}
	sample := []string{
		repository.SnapshotFile.Key(newest.ID), repository.ConfigFile.Key(id.ID{}), repository.KeyFile.Key(r.KeyID()),
	}
	for pack := range packs {
		sample = append(sample, repository.PackFile.Key(pack))
	}
	var weakest storage.Retention
	for n, key := range sample {
		held, err := locker.Retention(ctx, key)
		if err != nil {
			return fmt.Errorf("look at what protects %s: %w", key, err)
		}
		if held.IsZero() {
			return nil
		}
		if n == 0 || held.Until.Before(weakest.Until) {
			weakest.Until = held.Until
		}
		if n == 0 || held.Mode == storage.Governance {
			weakest.Mode = held.Mode
		}
	}
	s.Mode, s.Until = weakest.Mode, weakest.Until
	return nil
}
