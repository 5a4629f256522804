package wal_test

import (
	"context"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"holdfast/internal/wal"
	"holdfast/storage"
	"holdfast/storage/mem"
	"holdfast/test/pgcluster"
)

// held gives the first payload that is read, and the next ones only when so many
// are wanted at the same time.
type held struct {
	storage.Store
	wanted int

	mu    sync.Mutex
	asked []string
	all   chan struct{} // closed when they are
}

func (h *held) Get(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	if strings.HasSuffix(key, ".zst.age") && h.waits(key) {
		select {
		case <-h.all:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	return h.Store.Get(ctx, key, offset, length)
}

// waits notes what is asked for, and tells whether that has to wait.
func (h *held) waits(key string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.asked = append(h.asked, key)
	if len(h.asked) == 1+h.wanted {
		close(h.all)
	}
	return len(h.asked) > 1
}

// What the server wants first is fetched first: what it wants much later would
// take the time for that.
func TestAheadInOrder(t *testing.T) {
	eachVersion(t, func(t *testing.T, c *pgcluster.Cluster) {
		const atOnce = 4
		store := &held{Store: mem.New(), wanted: atOnce, all: make(chan struct{})}
		archive := newArchiver(t).open(t, store)
		names := fillSegments(t, c, 10)
		for _, name := range names {
			if err := wal.Push(t.Context(), walPath(c, name), wal.PushOptions{Archives: one(archive)}); err != nil {
				t.Fatal(err)
			}
		}
		dir := t.TempDir()
		defer help(t, dir, archive, c)()
		if err := wal.Collect(t.Context(), wal.HelperSocket(dir), names[0], filepath.Join(t.TempDir(), "RECOVERYXLOG")); err != nil {
			t.Fatal(err)
		}
		<-store.all
		store.mu.Lock()
		first := slices.Clone(store.asked[1 : 1+atOnce])
		store.mu.Unlock()
		for _, name := range names[1 : 1+atOnce] {
			if !slices.ContainsFunc(first, func(key string) bool { return strings.Contains(key, name) }) {
				t.Errorf("%s is not among the first that are fetched, %v", name, first)
			}
		}
	})
}
