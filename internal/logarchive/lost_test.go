package logarchive_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"holdfast/internal/logarchive"
	"holdfast/storage"
	"holdfast/storage/fault"
	"holdfast/storage/mem"
)

// without returns a copy of a store that lacks the objects of some keys.
func without(t testing.TB, s storage.Store, part string) storage.Store {
	t.Helper()
	left := mem.New()
	for _, key := range keysOf(t, s, "") {
		if strings.Contains(key, part) {
			continue
		}
		data, err := storage.ReadAll(t.Context(), s, key)
		if err != nil {
			t.Fatal(err)
		}
		if err := left.Put(t.Context(), key, storage.Bytes(data), storage.PutOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	return left
}

func extentOf(t testing.TB, a *logarchive.Archive) *logarchive.Extent {
	t.Helper()
	e, err := a.Extent(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	if len(e.Unproven) > 0 {
		t.Fatal(e.Unproven)
	}
	return e
}

// wantLost checks that the loss of each of some segments is noticed as such.
func wantLost(t testing.TB, k keys, s storage.Store, line uint32, from, to int) {
	t.Helper()
	for n := from; n < to; n++ {
		e := extentOf(t, k.reader(t, without(t, s, segment(line, n).Name)))
		lost := segment(line, n)
		first := n == from && len(e.Gaps) == 0 && len(e.Ranges) > 0 && e.Ranges[0].Start >= lost.End
		want := logarchive.Gap{Stream: lost.Stream, Line: line, Start: lost.Start, End: lost.End}
		if !first && !slices.ContainsFunc(e.Gaps, func(g logarchive.Gap) bool { return g.Line == line && g.Start <= want.Start && want.End <= g.End }) {
			t.Errorf("segment %d of %d to %d is lost, and the archive has gaps %v and loose ends %v", n, from, to, e.Gaps, e.Loose)
		}
	}
}

// Each of the newest segments is missed when it is lost: nothing follows it, or
// only what was on its way at the same time.
func TestNewestLost(t *testing.T) {
	k, store := newKeys(t), mem.New()
	ap, err := k.writer(t, store).NewAppender(logarchive.MaxAtOnce)
	if err != nil {
		t.Fatal(err)
	}
	var tickets []*logarchive.Ticket
	const all = 2*logarchive.MaxAtOnce + 1
	for n := range all {
		ticket, err := ap.Append(t.Context(), segment(1, n), storage.Bytes(content(n)))
		if err != nil {
			t.Fatal(err)
		}
		tickets = append(tickets, ticket)
	}
	if err := waitAll(t.Context(), tickets); err != nil {
		t.Fatal(err)
	}
	if e := extentOf(t, k.reader(t, store)); len(e.Gaps)+len(e.Loose) > 0 || len(e.Ranges) != 1 {
		t.Fatalf("with everything there: %+v", e)
	}
	wantLost(t, k, store, 1, 0, all)
	if marks := keysOf(t, store, ".mark"); len(marks) > 3 {
		t.Errorf("%d marks are left: %q", len(marks), marks)
	}
}

// However the process dies, each segment that was acknowledged is missed when
// it is lost, and nothing else is.
func TestAcknowledgedLostAfterCrash(t *testing.T) {
	k := newKeys(t)
	const all = 6
	for _, mode := range []fault.Crash{fault.CrashBefore, fault.CrashAfter} {
		for n := 1; ; n++ {
			inner := mem.New()
			store := fault.New(inner, uint64(n))
			store.CrashAt(n, mode)
			acknowledged := appendUntilCrash(t, k.writer(t, store), all)
			if e := extentOf(t, k.reader(t, inner)); len(e.Gaps) > 0 {
				t.Fatalf("crash %v at operation %d: nothing was lost, and there are gaps %v", mode, n, e.Gaps)
			}
			wantLost(t, k, inner, 1, 0, acknowledged)
			if !store.Crashed() {
				break
			}
			appendAll(t, k.writer(t, inner), 1, 0, all) // the next process goes on
			wantLost(t, k, inner, 1, 0, all)
		}
	}
}

// appendUntilCrash returns how many segments were acknowledged.
func appendUntilCrash(t *testing.T, a *logarchive.Archive, all int) (acknowledged int) {
	t.Helper()
	ap, err := a.NewAppender(3)
	if err != nil {
		t.Fatal(err)
	}
	var tickets []*logarchive.Ticket
	for s := range all {
		ticket, err := ap.Append(t.Context(), segment(1, s), storage.Bytes(content(s)))
		if err != nil {
			break
		}
		tickets = append(tickets, ticket)
	}
	for k, ticket := range tickets {
		if _, err := ticket.Wait(t.Context()); err == nil {
			acknowledged = k + 1
		}
	}
	return acknowledged
}

// tornLists shows in the second half of a listing what was stored while the
// first half was listed, as services do that list page by page.
type tornLists struct {
	storage.Store
	between func()
}

func (s tornLists) List(ctx context.Context, prefix string, visit func(storage.Info) error) error {
	half := prefix + "7300000000000000001/00000001/00000000/"
	for _, first := range []bool{true, false} {
		err := s.Store.List(ctx, prefix, func(i storage.Info) error {
			if strings.HasPrefix(i.Key, half) == first {
				return visit(i)
			}
			return nil
		})
		if err != nil {
			return err
		}
		s.between()
	}
	return nil
}

// Nothing is taken for lost while an archiver is at work.
func TestNothingLostMeanwhile(t *testing.T) {
	k, store := newKeys(t), mem.New()
	ap, err := k.writer(t, store).NewAppender(1)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	one := func() {
		ticket, err := ap.Append(t.Context(), segment(1, n), storage.Bytes(content(n)))
		if err != nil {
			t.Fatal(err)
		}
		n++
		if _, err := ticket.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	one()
	for range 20 {
		e, err := k.reader(t, tornLists{store, one}).Extent(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		if len(e.Gaps) > 0 {
			t.Fatalf("while segment %d was archived: gaps %v", n, e.Gaps)
		}
	}
}

// The two archivers of one log miss what either of them has acknowledged.
func TestTwoArchiversLose(t *testing.T) {
	k, store := newKeys(t), mem.New()
	results := make(chan error, 2)
	for _, n := range []int{12, 9} {
		a := k.writer(t, store)
		go func() { results <- tryAppend(t.Context(), a, 1, 0, n) }()
	}
	if err := errors.Join(<-results, <-results); err != nil {
		t.Fatal(err)
	}
	wantLost(t, k, store, 1, 0, 12)
}

// What follows a segment that failed is not archived as if it were there, until
// it is said that the log goes on: no crash then leaves a gap that is none.
func TestNothingGoesPastAFailure(t *testing.T) {
	k, inner := newKeys(t), mem.New()
	down := errors.New("store is down")
	store := fault.New(inner, 1)
	ap, err := k.writer(t, store).NewAppender(4)
	if err != nil {
		t.Fatal(err)
	}
	try := func(n int) error {
		ticket, err := ap.Append(t.Context(), segment(1, n), storage.Bytes(content(n)))
		if err == nil {
			_, err = ticket.Wait(t.Context())
		}
		return err
	}
	want := func(n int, ok bool) {
		t.Helper()
		if err := try(n); (err == nil) != ok {
			t.Fatalf("segment %d: %v", n, err)
		}
	}
	want(0, true)
	store.Add(fault.Rule{Op: fault.OpPut, Times: 1, Fault: fault.Before(down)})
	want(1, false)
	want(2, false)
	if e := extentOf(t, k.reader(t, inner)); len(e.Gaps)+len(e.Loose) > 0 {
		t.Fatalf("a failure leaves %+v", e)
	}
	want(1, true)
	want(2, true)
	store.Add(fault.Rule{Op: fault.OpPut, Times: 1, Fault: fault.Before(down)})
	want(3, false)
	ap.GoOn(1, segment(1, 3).End) // another archive has it
	want(4, true)
	if e := extentOf(t, k.reader(t, inner)); len(e.Gaps) != 1 || e.Gaps[0].Start != segment(1, 3).Start {
		t.Fatalf("segment 3 is missing for good, and the archive has %+v", e)
	}
}

// Marks do not pile up, whoever sets them.
func TestFewMarks(t *testing.T) {
	k, store := newKeys(t), mem.New()
	for n := range 20 {
		a := k.writer(t, store)
		appendAll(t, a, 1, n, n+1)
		if marks := keysOf(t, store, ".mark"); len(marks) == 0 || len(marks) > 2 {
			t.Fatalf("after %d processes there are marks %q", n+1, marks)
		}
	}
	a := k.writer(t, store)
	ap, err := a.NewAppender(2)
	if err != nil {
		t.Fatal(err)
	}
	for n := 20; n < 40; n++ {
		ticket, err := ap.Append(t.Context(), segment(1, n), storage.Bytes(content(n)))
		if err == nil {
			_, err = ticket.Wait(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if marks := keysOf(t, store, ".mark"); len(marks) > 3 {
		t.Fatalf("marks %q", marks)
	}
}

// Who may only add archives all the same.
func TestMarksThatCannotBeRemoved(t *testing.T) {
	k, inner := newKeys(t), mem.New()
	store := fault.New(inner, 1, fault.Rule{Op: fault.OpDelete, Fault: fault.Before(storage.ErrImmutable)})
	for n := range 5 {
		appendAll(t, k.writer(t, store), 1, n, n+1)
	}
	wantLost(t, k, inner, 1, 0, 5)
}

// While log comes without a pause, later records say what is archived, and
// hardly any mark is set.
func TestMarksAreFewUnderLoad(t *testing.T) {
	k := newKeys(t)
	var marks atomic.Int64
	store := countPuts{fault.New(mem.New(), 1, fault.Rule{Op: fault.OpPut, Fault: fault.Delay(5 * time.Millisecond)}), ".mark", &marks}
	ap, err := k.writer(t, store).NewAppender(4)
	if err != nil {
		t.Fatal(err)
	}
	var tickets []*logarchive.Ticket
	const all = 100
	for n := range all {
		ticket, err := ap.Append(t.Context(), segment(1, n), storage.Bytes(content(n)))
		if err != nil {
			t.Fatal(err)
		}
		tickets = append(tickets, ticket)
	}
	if err := waitAll(t.Context(), tickets); err != nil {
		t.Fatal(err)
	}
	if n := marks.Load(); n == 0 || n > all/4 {
		t.Errorf("%d marks for %d segments", n, all)
	}
}

type countPuts struct {
	storage.Store
	part string
	n    *atomic.Int64
}

func (s countPuts) Put(ctx context.Context, key string, body storage.Body, o storage.PutOptions) error {
	if strings.Contains(key, s.part) {
		s.n.Add(1)
	}
	return s.Store.Put(ctx, key, body, o)
}

// What is removed on purpose is not lost.
func TestUnmark(t *testing.T) {
	k, store := newKeys(t), mem.New()
	a := k.writer(t, store)
	appendAll(t, a, 1, 0, 6)
	if err := a.Unmark(t.Context(), segment(1, 0).Stream, 1, segment(1, 3).End); err != nil {
		t.Fatal(err)
	}
	for n := 4; n < 6; n++ {
		removeAll(t, store, segment(1, n).Name)
	}
	if e := extentOf(t, a); len(e.Gaps) > 0 || len(e.Ranges) != 1 {
		t.Fatalf("pruned at its end: %+v", e)
	}
	if told, err := a.Told(t.Context(), segment(1, 4)); err != nil || told {
		t.Fatalf("after the mark went: %v, %v", told, err)
	}
	if err := a.Unmark(t.Context(), fmt.Sprint(1), 7, 0); err != nil {
		t.Fatal(err)
	}
}
