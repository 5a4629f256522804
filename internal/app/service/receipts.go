package service

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"holdfast/internal/api"
	"holdfast/internal/app/console"
	"holdfast/internal/history"
	"holdfast/internal/ledger"
	"holdfast/repository"
	"holdfast/storage"
)

// receiptRecords is where a repository keeps the receipts of runs that worked in
// it, for the case that the state of the service is lost; see
// docs/format/service.md.
const receiptRecords = "holdfast/receipts/"

const (
	// receiptsEvery is how often receipts go to a repository, receiptsPoll how
	// soon the first ones do.
	receiptsEvery = 24 * time.Hour
	receiptsPoll  = 10 * time.Second
	// receiptsRetry is how often it is looked whether it is time.
	receiptsRetry = time.Hour
	// maxReceipts bounds those of one record: the newest count.
	maxReceipts = 10_000
	// receiptsFor is how old receipts are that are read again: as old as the
	// history of runs gets, unless a configuration says otherwise.
	receiptsFor = 400 * 24 * time.Hour
)

// receipts is a record of them.
type receipts struct {
	Version int           `json:"version"`
	Host    string        `json:"host,omitempty"`
	Time    time.Time     `json:"time"`
	Runs    []history.Run `json:"runs"` // oldest first
}

// receiptsKey is where the ledger keeps how far a repository has receipts.
const receiptsKey = "receipts/"

// receiptsKept says how far.
type receiptsKept struct {
	// Until is the end of the newest run that it has, At when it was written.
	Until time.Time `json:"until"`
	At    time.Time `json:"at"`
}

// unkept are repositories in which runs ended that they have no receipts of.
type unkept struct {
	mu    sync.Mutex
	names map[string]bool
}

func (u *unkept) add(names ...string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.names == nil {
		u.names = make(map[string]bool)
	}
	for _, name := range names {
		u.names[name] = true
	}
}

func (u *unkept) remove(name string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.names, name)
}

func (u *unkept) sorted() []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Sorted(maps.Keys(u.names))
}

// keepReceipts writes to each repository, once a day, which runs worked in it.
// One that cannot be written to is tried again an hour later.
func (s *service) keepReceipts(ctx context.Context) error {
	s.unkept.add(slices.Collect(maps.Keys(s.config.Load().Repositories))...)
	ticker := time.NewTicker(receiptsPoll)
	defer ticker.Stop()
	next := make(map[string]time.Time)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		for _, name := range s.unkept.sorted() {
			if time.Now().Before(next[name]) {
				continue
			}
			if _, there := s.config.Load().Repositories[name]; !there {
				s.unkept.remove(name)
				continue
			}
			later, err := s.keepReceiptsIn(ctx, name)
			if ctx.Err() != nil {
				return nil
			}
			if later || err != nil {
				next[name] = time.Now().Add(receiptsRetry)
			}
			switch locked := new(repository.LockedError); {
			case err == nil, errors.As(err, &locked), errors.Is(err, storage.ErrUnsupported): // the last is a store for restic's files alone
			default:
				s.Log.Warn("the repository does not get the receipts of runs; it is tried again", "repo", name, "error", err)
			}
		}
	}
}

// keepReceiptsIn writes what a repository lacks, unless it is too soon for that.
func (s *service) keepReceiptsIn(ctx context.Context, name string) (later bool, err error) {
	var last receiptsKept
	if _, err := s.ledger.Get(ctx, receiptsKey+name, &last); err != nil && !errors.Is(err, ledger.ErrNotFound) {
		return false, err
	}
	if since := time.Since(last.At); since >= 0 && since < receiptsEvery {
		return true, nil
	}
	s.unkept.remove(name) // what ends from here on is told again
	runs, err := s.history.Select(history.Filter{Repository: name, Since: last.Until, Limit: maxReceipts})
	if err != nil && !errors.Is(err, history.ErrDamaged) {
		return false, err
	}
	runs = slices.DeleteFunc(runs, func(r history.Run) bool { return !r.Ended.After(last.Until) })
	if len(runs) == 0 {
		return false, nil
	}
	slices.Reverse(runs)
	if err := s.browser.Write(ctx, name, func(ctx context.Context, r *repository.Repository) error { return KeepReceipts(ctx, r, runs) }); err != nil {
		s.unkept.add(name)
		return false, err
	}
	_, err = s.ledger.Put(ctx, receiptsKey+name, receiptsKept{runs[len(runs)-1].Ended, time.Now()}, ledger.AnyRevision)
	return false, err
}

// KeepReceipts writes receipts of runs to a repository, the oldest first.
func KeepReceipts(ctx context.Context, r *repository.Repository, runs []history.Run) error {
	now := time.Now().UTC()
	record := receipts{Version: 1, Time: now, Runs: slices.Clone(runs)}
	record.Host, _ = os.Hostname() // it may have none
	for k := range record.Runs {
		// What became of the parts of a run, and its log, are for those who look
		// into it soon after.
		record.Runs[k].Phases, record.Runs[k].Log = nil, ""
	}
	plain, err := json.Marshal(record)
	if err != nil {
		return fmt.Errorf("keep receipts: %w", err)
	}
	if _, err := r.SaveRecord(ctx, receiptRecords+now.Format(receiptForm)+"-", plain); err != nil {
		return fmt.Errorf("keep receipts: %w", err)
	}
	return nil
}

// receiptForm is the time at the beginning of a record's name, in UTC.
const receiptForm = "20060102T150405.000Z"

// LoadReceipts returns the receipts of runs that a repository has, not older
// than they are worth. With an error it returns all that can be read.
func LoadReceipts(ctx context.Context, r *repository.Repository) ([]history.Run, error) {
	oldest := receiptRecords + time.Now().UTC().Add(-receiptsFor).Format(receiptForm)
	var keys []string
	if err := r.ListRecords(ctx, receiptRecords, func(key string) error {
		if strings.Compare(key, oldest) >= 0 {
			keys = append(keys, key)
		}
		return nil
	}); err != nil {
		return nil, err
	}
	slices.Sort(keys)
	var runs []history.Run
	var errs []error
	for _, key := range keys {
		var record receipts
		plain, err := r.LoadRecord(ctx, key)
		if err == nil {
			err = json.Unmarshal(plain, &record)
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("receipts %s: %w", key, err))
		}
		runs = append(runs, record.Runs...)
	}
	return runs, errors.Join(errs...)
}

// recall puts the receipts of runs into a history that has none, so that the
// state is made anew from them, and from where people look.
func (s *service) recall(r *Rebuild) error {
	if n, _ := s.history.Count(); n > 0 || len(r.Runs) == 0 {
		return nil
	}
	runs := slices.SortedStableFunc(maps.Values(r.Runs), func(a, b history.Run) int {
		return cmp.Or(a.Ended.Compare(b.Ended), strings.Compare(a.ID, b.ID))
	})
	if err := s.history.AppendAll(runs); err != nil {
		return err
	}
	s.Log.Info("the history of runs was lost, and is that of the repositories' receipts", "runs", len(runs))
	return nil
}

// growthStep is how much of the history is replayed at once.
const growthStep = 31 * 24 * time.Hour

// rebuildGrowth finds out again how large repositories were, from what runs
// told of it.
func (s *service) rebuildGrowth(ctx context.Context) error {
	now := time.Now()
	for name := range s.config.Load().Repositories {
		var points []api.GrowthPoint
		for from := now.Add(-receiptsFor); from.Before(now); from = from.Add(growthStep) {
			runs, err := s.history.Select(history.Filter{Repository: name, Since: from, Until: from.Add(growthStep - 1)})
			if err != nil && !errors.Is(err, history.ErrDamaged) {
				return err
			}
			for k := range slices.Backward(runs) {
				points = console.Grow(points, &runs[k])
			}
		}
		if len(points) == 0 {
			continue
		}
		if err := (growthDrawer{s.ledger}).SaveGrowth(ctx, name, points); err != nil {
			return err
		}
	}
	return nil
}
