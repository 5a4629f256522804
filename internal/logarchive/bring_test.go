package logarchive_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"holdfast/internal/logarchive"
	"holdfast/storage"
	"holdfast/storage/mem"
)

// A copy that began later gets what is older, backwards, so that there is no
// gap at any instant; cut off and done again it goes on where it was.
func TestBring(t *testing.T) {
	k, main, offsite := newKeys(t), mem.New(), newKeys(t)
	copied := mem.New()
	appendAll(t, k.writer(t, main), 1, 0, 12)
	appendAll(t, offsite.writer(t, copied), 1, 9, 12)
	to := open(t, copied, logarchive.Options{
		Source: "shop", Identities: []age.Identity{k.identity, offsite.identity},
		Trusted: []ed25519.PublicKey{k.signing.Public().(ed25519.PublicKey), offsite.signing.Public().(ed25519.PublicKey)},
	})
	wanted := []logarchive.Range{{Stream: segment(1, 0).Stream, Line: 1, Start: segment(1, 3).Start + 5, End: segment(1, 9).Start}}
	errCut := errors.New("cut off")
	brought := 0
	for cuts := 0; ; cuts++ {
		err := to.Bring(t.Context(), k.reader(t, main), wanted, func(logarchive.Segment) error {
			brought++
			if brought%2 == 0 {
				return errCut
			}
			return nil
		})
		now, lerr := to.List(t.Context(), "")
		if lerr != nil {
			t.Fatal(lerr)
		}
		if ranges := logarchive.Coverage(now); len(ranges) != 1 || ranges[0].End != segment(1, 12).Start {
			t.Fatalf("after %d segments there are %v", brought, ranges)
		}
		if err == nil {
			break
		}
		if !errors.Is(err, errCut) || cuts > 10 {
			t.Fatal(err)
		}
	}
	if brought != 6 {
		t.Errorf("%d segments were brought, want those from 3 to 8", brought)
	}
	for n := 3; n < 12; n++ {
		wantContent(t, to, 1, n)
	}
	if found, err := to.Inspect(t.Context(), true); err != nil || len(found.Problems) > 0 {
		t.Errorf("the copy has %v, %v", found.Problems, err)
	}
}

// Slices come where no segment holds them, history files always, and what
// stands there is not touched.
func TestBringSlices(t *testing.T) {
	k, main, copied := newKeys(t), mem.New(), mem.New()
	appendAll(t, k.writer(t, main), 1, 0, 3)
	w := k.writer(t, main)
	half := segment(1, 3)
	half.Kind, half.End = logarchive.Slice, half.Start+segmentBytes/2
	history := logarchive.Segment{Stream: half.Stream, Line: 2, Kind: logarchive.History, Name: "00000002.history"}
	ap, err := w.NewAppender(1)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []logarchive.Segment{half, history} {
		body := content(9)[:max(int(s.End-s.Start), 20)]
		if err := appendOne(t.Context(), ap, s, body); err != nil {
			t.Fatal(err)
		}
	}
	to := k.reader(t, copied)
	var got []logarchive.Segment
	all := []logarchive.Range{{Stream: half.Stream, Line: 1, Start: segment(1, 1).Start, End: half.End}}
	for range 2 {
		if err := to.Bring(t.Context(), k.reader(t, main), all, func(s logarchive.Segment) error { got = append(got, s); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	if want := []logarchive.Segment{history, half, segment(1, 2), segment(1, 1)}; !slices.Equal(got, want) {
		t.Errorf("brought %v, want %v, once", got, want)
	}
}

// A receiver archives to the copy at the same time, and cuts its slices
// elsewhere: what it has brought by itself need not be brought.
func TestBringBesideAReceiver(t *testing.T) {
	k, main, copied := newKeys(t), mem.New(), mem.New()
	appendAll(t, k.writer(t, main), 1, 0, 3)
	whole := segment(1, 3)
	cut := func(s storage.Store, from, to int) {
		t.Helper()
		ap, err := k.writer(t, s).NewAppender(1)
		if err != nil {
			t.Fatal(err)
		}
		slice := whole
		slice.Kind, slice.Start, slice.End = logarchive.Slice, whole.Start+logarchive.Position(from), whole.Start+logarchive.Position(to)
		if err := appendOne(t.Context(), ap, slice, content(3)[from:to]); err != nil {
			t.Fatal(err)
		}
	}
	const quarter = segmentBytes / 4
	cut(main, 0, 2*quarter)
	cut(main, 2*quarter, 3*quarter)
	cut(copied, quarter, 2*quarter)
	arrives := time.AfterFunc(500*time.Millisecond, func() {
		if err := tryAppend(t.Context(), k.writer(t, copied), 1, 3, 4); err != nil {
			t.Error(err)
		}
	})
	defer arrives.Stop()
	to := k.reader(t, copied)
	wanted := []logarchive.Range{{Stream: whole.Stream, Line: 1, Start: segment(1, 1).Start, End: whole.End}}
	if err := to.Bring(t.Context(), k.reader(t, main), wanted, func(logarchive.Segment) error { return nil }); err != nil {
		t.Fatal(err)
	}
	for n := 1; n < 4; n++ {
		wantContent(t, to, 1, n)
	}
}

// meanwhile is a store in which something happens as soon as a payload was put,
// and which counts the records that are deleted.
type meanwhile struct {
	storage.Store
	happens func()
	deleted *int
}

func (s meanwhile) Put(ctx context.Context, key string, body storage.Body, o storage.PutOptions) error {
	err := s.Store.Put(ctx, key, body, o)
	if strings.HasSuffix(key, ".zst.age") {
		s.happens()
	}
	return err
}

func (s meanwhile) Delete(ctx context.Context, key string) error {
	if strings.HasSuffix(key, ".record") {
		*s.deleted++
	}
	return s.Store.Delete(ctx, key)
}

// A receiver archives the very segment that is being brought: what it was told
// to be archived is not touched, be it the same or not.
func TestBringLeavesWhatIsArchivedMeanwhile(t *testing.T) {
	for name, body := range map[string][]byte{"same": content(1), "other": content(7)} {
		t.Run(name, func(t *testing.T) {
			k, main, copied, deleted := newKeys(t), mem.New(), mem.New(), 0
			appendAll(t, k.writer(t, main), 1, 0, 2)
			appendAll(t, k.writer(t, copied), 1, 0, 1)
			to := k.reader(t, meanwhile{copied, func() {
				ap, err := k.writer(t, copied).NewAppender(1)
				if err != nil {
					t.Fatal(err)
				}
				if err := appendOne(t.Context(), ap, segment(1, 1), body); err != nil {
					t.Error(err)
				}
			}, &deleted})
			if err := to.Transfer(t.Context(), k.reader(t, main), segment(1, 1)); (err != nil) != (name == "other") {
				t.Error(err)
			}
			if deleted > 0 {
				t.Error("a record that counts was deleted")
			}
			var got bytes.Buffer
			if _, err := k.reader(t, copied).Fetch(t.Context(), segment(1, 1), &got); err != nil || !bytes.Equal(got.Bytes(), body) {
				t.Errorf("other bytes are archived now: %v", err)
			}
			if found, err := to.Inspect(t.Context(), true); err != nil || len(found.Problems) > 0 {
				t.Errorf("the copy has %v, %v", found.Problems, err)
			}
		})
	}
}

func appendOne(ctx context.Context, ap *logarchive.Appender, s logarchive.Segment, body []byte) error {
	ticket, err := ap.Append(ctx, s, storage.Bytes(body))
	if err != nil {
		return err
	}
	_, err = ticket.Wait(ctx)
	return err
}
