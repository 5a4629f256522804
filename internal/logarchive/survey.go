package logarchive

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"holdfast/storage"
)

// Survey is all that an archive holds, as a listing tells it.
type Survey struct {
	// Segments are sorted as List sorts them.
	Segments []Segment
	// Strays are payloads that no record names: uploads that were cut off, and
	// the twins of those that were done again.
	Strays []Stray
	// Newest is when the newest object was stored, by the clock of the place; zero
	// where that is not known.
	Newest time.Time

	sizes map[Segment]int64
}

// Stray is a payload without a record.
type Stray struct {
	Key       string
	SizeBytes int64
	// Stored is when it was put, by the clock of the place; zero where that is
	// not known.
	Stored time.Time
}

// SizeBytes returns what a segment takes up in the store.
func (s *Survey) SizeBytes(segment Segment) int64 { return s.sizes[segment] }

// Survey lists the whole archive. It reads records only of segments that were
// uploaded more than once.
func (a *Archive) Survey(ctx context.Context) (*Survey, error) {
	survey := &Survey{sizes: map[Segment]int64{}}
	payloads := map[string][]storage.Info{} // by the key of their record
	records := map[string]Segment{}
	err := a.store.List(ctx, Root+a.o.Source+"/", func(info storage.Info) error {
		if info.Stored.After(survey.Newest) {
			survey.Newest = info.Stored
		}
		if s, ok := parseRecordKey(a.o.Source, info.Key); ok {
			records[info.Key] = s
			survey.Segments = append(survey.Segments, s)
			survey.sizes[s] += info.SizeBytes
		} else if record, ok := recordOfPayload(info.Key); ok {
			payloads[record] = append(payloads[record], info)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list log archive: %w", err)
	}
	slices.SortFunc(survey.Segments, compareSegments)
	for record, found := range payloads {
		s, recorded := records[record]
		if !recorded {
			survey.stray(found, "")
			continue
		}
		if len(found) == 1 {
			survey.sizes[s] += found[0].SizeBytes
			continue
		}
		r, err := a.Record(ctx, s)
		if err != nil {
			return nil, err
		}
		survey.sizes[s] += r.ObjectSizeBytes
		survey.stray(found, folder(a.o.Source, s)+r.Object)
	}
	return survey, nil
}

// stray takes all payloads but one for strays.
func (s *Survey) stray(payloads []storage.Info, but string) {
	for _, info := range payloads {
		if info.Key != but {
			s.Strays = append(s.Strays, Stray{Key: info.Key, SizeBytes: info.SizeBytes, Stored: info.Stored})
		}
	}
}

// recordOfPayload returns the key that the record of a payload has.
func recordOfPayload(key string) (string, bool) {
	name, ok := strings.CutSuffix(key, payloadSuffix)
	dot := strings.LastIndexByte(name, '.')
	if !ok || dot < 0 {
		return "", false
	}
	return name[:dot] + recordSuffix, true
}

// removals is how many objects are removed at once: enough to hide a round
// trip to a far store, too few to be taken for an attack.
const removals = 8

// LockedError says that segments stay because a retention holds them. It is a
// storage.ErrImmutable.
type LockedError struct {
	Segments []Segment
	// Until is when the last of them may go; zero where that is not known.
	Until time.Time
}

// Error implements error.
func (e *LockedError) Error() string {
	if e.Until.IsZero() {
		return fmt.Sprintf("%d log segments are locked", len(e.Segments))
	}
	return fmt.Sprintf("%d log segments are locked, the last of them until %s", len(e.Segments), e.Until.Local().Format(time.DateTime))
}

// Is makes it a storage.ErrImmutable.
func (*LockedError) Is(target error) bool { return target == storage.ErrImmutable }

// Remove takes segments out of the archive: first the records, so that no
// record is left without its payload. What is gone already is no error. What
// is locked stays, and a *LockedError tells so when all others are gone.
func (a *Archive) Remove(ctx context.Context, segments []Segment) error {
	var mu sync.Mutex
	var locked LockedError
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(removals)
	for _, s := range segments {
		group.Go(func() error {
			err := a.remove(groupCtx, s)
			if !errors.Is(err, storage.ErrImmutable) {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			locked.Segments = append(locked.Segments, s)
			return nil
		})
	}
	if err := group.Wait(); err != nil || len(locked.Segments) == 0 {
		return err
	}
	slices.SortFunc(locked.Segments, compareSegments)
	locked.Until = a.lockedUntil(ctx, locked.Segments[len(locked.Segments)-1])
	return &locked
}

// lockedUntil asks until when a segment is locked.
func (a *Archive) lockedUntil(ctx context.Context, s Segment) time.Time {
	locker, ok := storage.As[storage.Locker](a.store)
	if !ok {
		return time.Time{}
	}
	r, err := locker.Retention(ctx, recordKey(a.o.Source, s))
	if err != nil {
		return time.Time{}
	}
	return r.Until
}

func (a *Archive) remove(ctx context.Context, s Segment) error {
	r, err := a.Record(ctx, s)
	if errors.Is(err, storage.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("remove from the log archive: %w", err)
	}
	for _, key := range []string{recordKey(a.o.Source, s), folder(a.o.Source, s) + r.Object} {
		if err := a.store.Delete(ctx, key); err != nil && !errors.Is(err, storage.ErrNotFound) {
			return fmt.Errorf("remove %s from the log archive: %w", s.Name, err)
		}
	}
	return nil
}

// RemoveStrays removes payloads that a survey found to be named by no record.
func (a *Archive) RemoveStrays(ctx context.Context, strays []Stray) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(removals)
	for _, stray := range strays {
		group.Go(func() error {
			if err := a.store.Delete(ctx, stray.Key); err != nil && !errors.Is(err, storage.ErrNotFound) {
				return fmt.Errorf("remove a stray payload from the log archive: %w", err)
			}
			return nil
		})
	}
	return group.Wait()
}
