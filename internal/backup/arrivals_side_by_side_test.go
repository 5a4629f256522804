package backup_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"holdfast/internal/backup"
	"holdfast/internal/source"
	"holdfast/repository/id"
	"holdfast/repository/snapshot"
	"holdfast/repository/tree"
)

// sideBySide hands out files that can be read at once. Its last one comes when
// all others are closed, as the end of a database's backup does.
type sideBySide struct {
	parcels
	last *source.Arrival
	open sync.WaitGroup
}

func (s *sideBySide) Readers() int { return 3 }

func (s *sideBySide) Next(ctx context.Context) (*source.Arrival, error) {
	a, err := s.parcels.Next(ctx)
	if errors.Is(err, io.EOF) && s.last != nil {
		s.open.Wait()
		a, s.last = s.last, nil
		return a, nil
	}
	if err != nil {
		return nil, err
	}
	s.open.Add(1)
	a.Content = &closed{Reader: a.Content, done: s.open.Done}
	return a, nil
}

type closed struct {
	io.Reader
	done func()
}

func (c *closed) Close() error {
	c.done()
	return nil
}

func TestArrivalsSideBySide(t *testing.T) {
	r := memRepository(t)
	s := &sideBySide{parcels: parcels{end: io.EOF}}
	for n := range 50 {
		s.list = append(s.list, parcel{path: fmt.Sprintf("shop/f%02d", n), content: bytes.Repeat([]byte{byte(n)}, n*1000), cut: 8192 * (n % 2)})
	}
	first := &source.Arrival{Path: "shop/last", Node: tree.Node{Type: tree.File, Size: 3}, Content: bytes.NewReader([]byte("end"))}
	s.last = first
	run := func(o backup.Options) (*backup.Receipt, error) {
		if err := r.LoadIndex(t.Context()); err != nil {
			t.Fatal(err)
		}
		o.Snapshot = snapshot.Snapshot{Time: time.Unix(5000, 0), Hostname: "host", Paths: []string{"/shop"}}
		return backup.RunArrivals(t.Context(), r, s, o, nil)
	}
	full, err := run(backup.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := find(t, r, full.Snapshot.Tree, "shop", "f37"); got.Size != 37000 || len(got.Content) != 5 {
		t.Errorf("f37 has %d bytes in %d blobs", got.Size, len(got.Content))
	}

	// What the repository holds is taken over; what it does not is an error.
	was := find(t, r, full.Snapshot.Tree, "shop", "f37")
	s.last = &source.Arrival{Path: "shop/f37", Node: was, Held: was.Content, Known: true}
	progress := new(backup.Progress)
	next, err := run(backup.Options{Type: snapshot.Incremental, Parent: full.Snapshot, Progress: progress})
	if err != nil {
		t.Fatal(err)
	}
	if progress.BytesRead.Load() != 0 || progress.FilesUnmodified.Load() != 1 || next.Snapshot.Type() != snapshot.Incremental || *next.Snapshot.Parent != full.Snapshot.ID {
		t.Errorf("an unchanged file: %d bytes read, snapshot %+v", progress.BytesRead.Load(), next.Snapshot)
	}
	if got := find(t, r, next.Snapshot.Tree, "shop", "f37"); got.Size != 37000 || len(got.Content) != 5 {
		t.Errorf("f37 was taken over with %d bytes in %d blobs", got.Size, len(got.Content))
	}
	s.last = &source.Arrival{Path: "shop/f37", Node: was, Held: []id.ID{id.Hash([]byte("nowhere"))}}
	if _, err := run(backup.Options{Type: snapshot.Incremental}); err == nil {
		t.Error("a blob that is not there was taken over")
	}

	// The first failure is what is told, and ends it all.
	broken := errors.New("disk on fire")
	s.list = []parcel{{path: "shop/a", content: []byte("a")}}
	s.last = &source.Arrival{Path: "shop/b", Node: tree.Node{Type: tree.File, Size: 3}, Content: io.MultiReader(bytes.NewReader([]byte("e")), failing{broken})}
	if _, err := run(backup.Options{}); !errors.Is(err, broken) {
		t.Errorf("a file that cannot be read: %v", err)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }
