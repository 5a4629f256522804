package wal_test

import (
	"context"
	"fmt"
	"testing"

	"holdfast/internal/logarchive"
	"holdfast/internal/wal"
	"holdfast/storage"
	"holdfast/storage/fault"
	"holdfast/storage/mem"
)

// Log that is removed on purpose leaves no gap at the end of its line, also if
// the removal is cut off; where the mark is locked, the line stays.
func TestUnmark(t *testing.T) {
	ctx := t.Context()
	keys, inner := newArchiver(t), mem.New()
	archive := keys.open(t, inner)
	segments := appendSegments(ctx, t, archive, 6)
	noGap := func() {
		t.Helper()
		if e, err := archive.Extent(ctx, ""); err != nil || len(e.Gaps) > 0 {
			t.Fatalf("%+v, %v", e, err)
		}
	}
	locked := fault.New(inner, 1, fault.Rule{Op: fault.OpDelete, Fault: fault.Before(storage.ErrImmutable)})
	may, err := wal.Unmark(ctx, keys.open(t, locked), segments, segments[3:])
	if err != nil || len(may) > 0 {
		t.Fatalf("with a locked mark %v may go, %v", may, err)
	}
	if told, err := archive.Told(ctx, segments[5]); err != nil || !told {
		t.Fatalf("the mark is %v, %v", told, err)
	}
	may, err = wal.Unmark(ctx, archive, segments, segments[:2])
	if err != nil || len(may) != 2 {
		t.Fatalf("%v may go, %v", may, err)
	}
	if told, err := archive.Told(ctx, segments[5]); err != nil || !told {
		t.Fatalf("the oldest go, and the mark is %v, %v", told, err)
	}
	may, err = wal.Unmark(ctx, archive, segments, segments[3:])
	if err != nil || len(may) != 3 {
		t.Fatalf("%v may go, %v", may, err)
	}
	for k := len(may) - 1; k >= 0; k-- {
		if err := archive.Remove(ctx, may[k:k+1]); err != nil {
			t.Fatal(err)
		}
		noGap()
	}
	may, err = wal.Unmark(ctx, archive, segments[:3], segments[:3])
	if err == nil {
		err = archive.Remove(ctx, may)
	}
	if err != nil {
		t.Fatal(err)
	}
	noGap()
}

func appendSegments(ctx context.Context, t *testing.T, a *logarchive.Archive, n int) (all []logarchive.Segment) {
	t.Helper()
	appendFrom(ctx, t, a, 0, n)
	for k := range n {
		all = append(all, numbered(k))
	}
	return all
}

// appendFrom appends n segments, of which the first is that of a number.
func appendFrom(ctx context.Context, t *testing.T, a *logarchive.Archive, first, n int) {
	t.Helper()
	ap, err := a.NewAppender(1)
	for k := first; k < first+n && err == nil; k++ {
		var ticket *logarchive.Ticket
		if ticket, err = ap.Append(ctx, numbered(k), storage.Bytes(make([]byte, 100))); err == nil {
			_, err = ticket.Wait(ctx)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}

func numbered(k int) logarchive.Segment {
	return logarchive.Segment{
		Stream: "7", Line: 1, Kind: logarchive.Whole, Name: fmt.Sprintf("%024X", k),
		Start: logarchive.Position(k * 100), End: logarchive.Position(k*100 + 100),
	}
}
