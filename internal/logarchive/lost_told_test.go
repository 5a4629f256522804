package logarchive_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"holdfast/internal/logarchive"
	"holdfast/storage"
	"holdfast/storage/mem"
)

// gated asks before it puts something, and tells afterwards.
type gated struct {
	storage.Store
	before func(key string) error
	after  func(key string)
}

func (s gated) Put(ctx context.Context, key string, b storage.Body, o storage.PutOptions) error {
	err := s.before(key)
	if err == nil {
		err = s.Store.Put(ctx, key, b, o)
	}
	s.after(key)
	return err
}

// What a record beyond a hole says to be archived is missed when it is lost,
// though a crash left the record itself to nobody: it was acknowledged by it.
func TestToldBeyondAHole(t *testing.T) {
	const tries = 200 // 5 may look how far all is archived before 1 has told
	for range tries {
		k, inner := newKeys(t), mem.New()
		if !tellBeyondAHole(t, k, inner) {
			continue
		}
		if e := extentOf(t, k.reader(t, inner)); len(e.Gaps) > 0 || len(e.Loose) != 1 {
			t.Fatalf("after the crash: %+v", e)
		}
		wantLost(t, k, inner, 1, 0, 3)
		return
	}
	t.Fatalf("in %d tries nothing was acknowledged by a record beyond a hole", tries)
}

// tellBeyondAHole archives segments 0, 2, 1 and 5 in this order, and crashes. It
// tells whether 2 was acknowledged, which only the record of 5 can have done.
func tellBeyondAHole(t *testing.T, k keys, inner storage.Store) bool {
	t.Helper()
	crash := errors.New("killed")
	early, stored, beyond, crashed := make(chan struct{}), make(chan struct{}), make(chan struct{}), make(chan struct{})
	store := gated{inner, func(key string) error {
		switch {
		case strings.HasSuffix(key, ".mark"), strings.Contains(key, segment(1, 3).Name), strings.Contains(key, segment(1, 4).Name):
			<-crashed
			return crash
		case strings.Contains(key, segment(1, 1).Name):
			<-early
		case strings.Contains(key, segment(1, 5).Name):
			<-stored
		}
		return nil
	}, func(key string) {
		switch {
		case !strings.HasSuffix(key, ".record"):
		case strings.Contains(key, segment(1, 2).Name):
			close(early)
		case strings.Contains(key, segment(1, 1).Name):
			close(stored)
		case strings.Contains(key, segment(1, 5).Name):
			close(beyond)
		}
	}}
	ap, err := k.writer(t, store).NewAppender(6)
	if err != nil {
		t.Fatal(err)
	}
	var tickets []*logarchive.Ticket
	for n := range 6 {
		ticket, err := ap.Append(t.Context(), segment(1, n), storage.Bytes(content(n)))
		if err != nil {
			t.Fatal(err)
		}
		tickets = append(tickets, ticket)
	}
	<-beyond
	close(crashed)
	for _, ticket := range tickets[3:] {
		if _, err := ticket.Wait(t.Context()); err == nil {
			t.Error("what comes after a hole is acknowledged")
		}
	}
	_, err = tickets[2].Wait(t.Context())
	return err == nil
}
