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
	// receiptsEvery is how often receipts go to a repository in which runs ended:
	// what ended within that time is lost with the state. receiptsPoll is how
	// soon the first ones do, and receiptsRetry when one is tried again that
	// could not be written to.
	receiptsEvery = 30 * time.Minute
	receiptsPoll  = 10 * time.Second
	receiptsRetry = time.Hour
	// receiptsSpan and enoughReceipts are when a record is not replaced any more
	// by one that holds more: it is a day old, or has so many.
	receiptsSpan   = 24 * time.Hour
	enoughReceipts = 2000
	// maxReceipts bounds those of one record: the newest count.
	maxReceipts = 10_000
	// receiptsFor is how old receipts get, and are read again: as old as the
	// history of runs gets, unless a configuration says otherwise.
	receiptsFor = 400 * 24 * time.Hour
	// maxReceiptRecords bounds the records of a repository: those of ten services
	// that run all the time. The oldest go.
	maxReceiptRecords = 4000
	// mostRecalled bounds the runs that are read again of one repository, some
	// 500 bytes of memory each: those of a month of 200 plans that are backed up
	// every half hour.
	mostRecalled = 300_000
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
	// Open is the key of the record that the next one takes the place of, with
	// all that it has: runs that ended after From. It was begun at Begun.
	Open  string    `json:"open,omitempty"`
	From  time.Time `json:"from,omitzero"`
	Begun time.Time `json:"begun,omitzero"`
	// Tidied is when old records were removed last. Refused says that the place
	// lets nobody remove any: there is but one record a day then.
	Tidied  time.Time `json:"tidied,omitzero"`
	Refused bool      `json:"refused,omitempty"`
}

// next is when the next record may be written; clocks that were set back count
// for nothing.
func (k *receiptsKept) next(now time.Time) time.Time {
	switch {
	case k.At.After(now):
		return now
	case k.Refused:
		return k.At.Add(receiptsSpan)
	}
	return k.At.Add(receiptsEvery)
}

// follow is what is kept once another record is there. replaced is the key of
// the one that it takes the place of, if any.
func (k receiptsKept) follow(now time.Time) (after receiptsKept, replaced string) {
	after = receiptsKept{At: now, Tidied: k.Tidied, Refused: k.Refused}
	if age := now.Sub(k.Begun); k.Open != "" && !k.Refused && age >= 0 && age < receiptsSpan {
		after.From, after.Begun = k.From, k.Begun
		return after, k.Open
	}
	after.From, after.Begun = k.Until, now
	return after, ""
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

// keepReceipts writes to each repository which runs worked in it, soon after
// they ended. One that cannot be written to is tried again an hour later.
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
			at, err := s.keepReceiptsIn(ctx, name)
			if ctx.Err() != nil {
				return nil
			}
			if next[name] = at; err != nil {
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
// It returns when to look again.
func (s *service) keepReceiptsIn(ctx context.Context, name string) (next time.Time, err error) {
	var last receiptsKept
	if _, err := s.ledger.Get(ctx, receiptsKey+name, &last); err != nil && !errors.Is(err, ledger.ErrNotFound) {
		return next, err
	}
	now := time.Now()
	if next = last.next(now); next.After(now) {
		return next, nil
	}
	s.unkept.remove(name) // what ends from here on is told again
	after, replaced := last.follow(now)
	runs, err := s.history.Select(history.Filter{Repository: name, Since: after.From, Limit: maxReceipts})
	if err != nil && !errors.Is(err, history.ErrDamaged) {
		return next, err
	}
	runs = slices.DeleteFunc(runs, func(r history.Run) bool { return !r.Ended.After(after.From) })
	if len(runs) == 0 || !runs[0].Ended.After(last.Until) {
		return next, nil
	}
	slices.Reverse(runs)
	err = s.browser.Write(ctx, name, func(ctx context.Context, r *repository.Repository) error {
		key, err := KeepReceipts(ctx, r, runs)
		if err != nil {
			return err
		}
		after.Until = runs[len(runs)-1].Ended
		if len(runs) < enoughReceipts {
			after.Open = key
		}
		refused := after.tidy(ctx, r, replaced)
		if refused != nil {
			s.Log.Debug("receipts of runs cannot be removed there: they are written once a day", "repo", name, "error", refused)
		}
		_, err = s.ledger.Put(ctx, receiptsKey+name, after, ledger.AnyRevision)
		return err
	})
	if err != nil {
		s.unkept.add(name)
	}
	return after.next(now), err
}

// tidy removes the record that a new one has taken the place of, and once a day
// those that are old or too many. What it cannot remove takes some room and is
// no harm: a run that two records have counts once.
func (k *receiptsKept) tidy(ctx context.Context, r *repository.Repository, replaced string) error {
	now := time.Now()
	var gone []string
	if replaced != "" {
		gone = append(gone, replaced)
	}
	if since := now.Sub(k.Tidied); since < 0 || since >= receiptsSpan {
		keys, err := receiptKeys(ctx, r)
		if err != nil {
			return err
		}
		gone = append(gone, outdated(keys, now)...)
		k.Tidied, k.Refused = now, false
	}
	for _, key := range gone {
		if err := r.RemoveRecord(ctx, key); err != nil {
			k.Refused = ctx.Err() == nil
			return err
		}
	}
	return nil
}

// outdated returns which of some records, the oldest first, are too old, or too
// many.
func outdated(keys []string, now time.Time) []string {
	oldest := receiptRecords + now.UTC().Add(-receiptsFor).Format(receiptForm)
	n, _ := slices.BinarySearch(keys, oldest)
	return keys[:max(n, len(keys)-maxReceiptRecords)]
}

// receiptKeys returns the keys of all records, the oldest first.
func receiptKeys(ctx context.Context, r *repository.Repository) (keys []string, err error) {
	err = r.ListRecords(ctx, receiptRecords, func(key string) error {
		keys = append(keys, key)
		return nil
	})
	slices.Sort(keys)
	return keys, err
}

// KeepReceipts writes receipts of runs to a repository, the oldest first, and
// returns the key of their record.
func KeepReceipts(ctx context.Context, r *repository.Repository, runs []history.Run) (key string, err error) {
	now := time.Now().UTC()
	record := receipts{Version: 1, Time: now, Runs: slices.Clone(runs)}
	record.Host, _ = os.Hostname() // it may have none
	for k := range record.Runs {
		// What became of the parts of a run, and its log, are for those who look
		// into it soon after.
		record.Runs[k].Phases, record.Runs[k].Log = nil, ""
	}
	plain, err := json.Marshal(record)
	if err == nil {
		key, err = r.SaveRecord(ctx, receiptRecords+now.Format(receiptForm)+"-", plain)
	}
	if err != nil {
		return "", fmt.Errorf("keep receipts: %w", err)
	}
	return key, nil
}

// receiptForm is the time at the beginning of a record's name, in UTC.
const receiptForm = "20060102T150405.000Z"

// Receipts are runs that repositories have receipts of, by the host whose
// service they are of: machines that share a repository may have plans of the
// same name. The host is "" where none is recorded.
type Receipts map[string][]history.Run

// LoadReceipts returns the receipts of runs that a repository has, not older
// than they are worth, each host's newest record first. Where nothing can be
// removed there may be any number: the newest count. With an error it returns
// all that can be read.
func LoadReceipts(ctx context.Context, r *repository.Repository) (Receipts, error) {
	return recentReceipts(ctx, r, mostRecalled)
}

// recentReceipts is LoadReceipts, up to the record with which there are so many.
func recentReceipts(ctx context.Context, r *repository.Repository, most int) (Receipts, error) {
	keys, err := receiptKeys(ctx, r)
	if err != nil {
		return nil, err
	}
	found, count := make(Receipts), 0
	var errs []error
	for _, key := range slices.Backward(keys[len(outdated(keys, time.Now())):]) {
		record, err := loadRecord(ctx, r, key)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("receipts %s: %w", key, err))
		}
		found[record.Host] = append(found[record.Host], record.Runs...)
		if count += len(record.Runs); count >= most {
			break
		}
	}
	return found, errors.Join(errs...)
}

func loadRecord(ctx context.Context, r *repository.Repository, key string) (record receipts, err error) {
	plain, err := r.LoadRecord(ctx, key)
	if err == nil {
		err = json.Unmarshal(plain, &record)
	}
	return record, err
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
