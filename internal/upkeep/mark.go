package upkeep

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"holdfast/repository"
	"holdfast/repository/blob"
	"holdfast/repository/id"
	"holdfast/storage"
)

// MarkOptions tell how packs are marked.
type MarkOptions struct {
	// DryRun only counts.
	DryRun bool
	// All asks about every pack, also those that a record in the cache says
	// are marked.
	All   bool
	Watch Watch
	Warn  func(item string, err error)
}

// MarkStats says what marking found and did.
type MarkStats struct {
	// Packs is how many packs of file content there are.
	Packs int `json:"packs"`
	// Asked were asked about, Marked are marked now, or would be.
	Asked  uint64 `json:"asked"`
	Marked uint64 `json:"marked"`
}

// MarkBulk marks the packs of file content that another program wrote, such as
// restic, as holdfast marks its own when it puts them: rules that move objects
// to a colder class go by the mark, since packs of folders lie among them and
// must stay where they are. The index tells which pack is which. The caller
// holds a lock and has loaded the index.
//
// The error wraps storage.ErrUnsupported when the store has no classes.
func MarkBulk(ctx context.Context, r *repository.Repository, o MarkOptions) (stats MarkStats, err error) {
	tiering, ok := storage.As[storage.Tiering](r.Store())
	if !ok {
		return stats, fmt.Errorf("mark packs at %s: %w", r.Location(), storage.ErrUnsupported)
	}
	marked, record, err := loadMarks(r)
	if err != nil && o.Warn != nil {
		o.Warn("record of marks", err)
	}
	var ask []id.ID
	present := make(id.Set)
	err = r.Index().Frozen().ByPack(ctx, nil, func(pack id.ID, blobs []blob.Blob) error {
		if kindOf(blobs) != dataPack {
			return nil
		}
		stats.Packs++
		if !o.All && marked.Has(pack) {
			present.Add(pack)
			return nil
		}
		ask = append(ask, pack)
		return nil
	})
	if err != nil {
		return stats, err
	}
	m := marker{tiering: tiering, o: o, known: present}
	err = m.all(ctx, ask)
	stats.Asked, stats.Marked = m.asked.Load(), m.marked.Load()
	if !o.DryRun {
		err = errors.Join(err, saveMarks(record, m.known))
	}
	return stats, err
}

// marker marks packs, several at once.
type marker struct {
	tiering       storage.Tiering
	o             MarkOptions
	asked, marked atomic.Uint64

	mu    sync.Mutex
	known id.Set // packs that are marked
}

func (m *marker) all(ctx context.Context, packs []id.ID) error {
	counter, done := m.o.Watch.start("mark packs", Amount{Count: uint64(len(packs))})
	defer done()
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(extensionsAtOnce)
	for _, pack := range packs {
		if gctx.Err() != nil {
			break
		}
		g.Go(func() error {
			defer counter.Items.Add(1)
			return m.one(gctx, pack)
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return context.Cause(ctx)
}

func (m *marker) one(ctx context.Context, pack id.ID) error {
	key := repository.PackFile.Key(pack)
	m.asked.Add(1)
	tier, err := m.tiering.Tier(ctx, key)
	if errors.Is(err, storage.ErrNotFound) {
		return nil // `check` reports it
	}
	if err == nil && !tier.Bulk {
		m.marked.Add(1)
		if m.o.DryRun {
			return nil
		}
		err = m.tiering.MarkBulk(ctx, key)
	}
	if err != nil {
		return fmt.Errorf("mark pack %s: %w", pack.Short(), err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.known.Add(pack)
	return nil
}

// loadMarks reads which packs are marked, by the record in the cache: one ID a
// line. It is a hint.
func loadMarks(r *repository.Repository) (marked id.Set, path string, err error) {
	marked = make(id.Set)
	dir, err := r.CacheDir()
	if err != nil || dir == "" {
		return marked, "", err
	}
	place := sha256.Sum256([]byte(r.Location()))
	path = filepath.Join(dir, "marks-"+hex.EncodeToString(place[:8]))
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return marked, path, nil
	}
	if err != nil {
		return marked, path, err
	}
	defer f.Close() //nolint:errcheck // it was only read
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		i, err := id.Parse(lines.Text())
		if err != nil {
			return make(id.Set), path, fmt.Errorf("%s: %w", path, err)
		}
		marked.Add(i)
	}
	return marked, path, lines.Err()
}

func saveMarks(path string, marked id.Set) error {
	if path == "" {
		return nil
	}
	f, err := os.CreateTemp(filepath.Dir(path), "tmp-")
	if err != nil {
		return err
	}
	w := bufio.NewWriter(f)
	for i := range marked {
		fmt.Fprintln(w, i) //nolint:errcheck // Flush tells
	}
	err = errors.Join(w.Flush(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
