package logarchive

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
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

// Remove takes segments out of the archive: first the records, so that no
// record is left without its payload. What is gone already is no error.
func (a *Archive) Remove(ctx context.Context, segments []Segment) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(removals)
	for _, s := range segments {
		group.Go(func() error { return a.remove(ctx, s) })
	}
	return group.Wait()
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
