package chaos

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"holdfast/internal/upkeep"
	"holdfast/repository"
	"holdfast/repository/id"
	"holdfast/repository/snapshot"
	"holdfast/storage/fault"
	"holdfast/storage/mem"
)

// event is something that happens to a folder or to its backups.
type event struct {
	What string
	// File, Seed and Size say what is written where.
	File, Seed, Size int
	// Death is the operation of the store at which a run dies; 0 for none.
	Death int
}

func drawEvent(t *rapid.T) event {
	return event{
		What:  rapid.SampledFrom([]string{"write", "write", "remove", "backup", "backup", "full", "differential", "forget", "prune"}).Draw(t, "what"),
		File:  rapid.IntRange(0, 5).Draw(t, "file"),
		Seed:  rapid.IntRange(0, 9).Draw(t, "seed"),
		Size:  rapid.SampledFrom([]int{0, 1, 3000, 600_000, 1_800_000}).Draw(t, "size"),
		Death: max(0, rapid.IntRange(-40, 40).Draw(t, "death")),
	}
}

// Whatever happens to a folder and its backups, and whichever runs die at
// whatever operation: each snapshot that was acknowledged and not forgotten
// holds what the folder held then.
func TestHistories(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		events := rapid.SliceOfN(rapid.Custom(drawEvent), 5, 25).Draw(rt, "events")
		base := newRepository(t)
		var err error
		synctest.Test(t, func(t *testing.T) { err = live(t, base, events) })
		if err != nil {
			rt.Fatal(err)
		}
	})
}

// history is what a machine has lived through.
type history struct {
	t      *testing.T
	base   *mem.Store
	folder string
	cache  string
	known  record
	order  []id.ID // of known, oldest first
	wrote  int     // times a file was written
}

// live lets the events happen and checks all snapshots at the end.
func live(t *testing.T, base *mem.Store, events []event) error {
	h := &history{t: t, base: base, folder: filepath.Join(t.TempDir(), "folder"), cache: t.TempDir(), known: record{}}
	writeFile(t, h.folder, "first", noise(1, 100))
	for n, e := range events {
		if err := h.happens(e); err != nil {
			return fmt.Errorf("event %d, %+v: %w", n, e, err)
		}
		// The dead leave their locks; time goes by between events.
		time.Sleep(time.Hour)
		removeStaleLocks(t, base)
	}
	return h.known.differences(t.Context(), base)
}

func (h *history) happens(e event) error {
	name := fmt.Sprintf("sub-%d/file-%d", e.File%2, e.File)
	switch e.What {
	case "write":
		writeFile(h.t, h.folder, name, noise(uint64(e.Seed), e.Size))
		h.wrote++ // a size and time of its own, as every change has
		at := old.Add(time.Duration(h.wrote) * time.Second)
		return os.Chtimes(filepath.Join(h.folder, name), at, at)
	case "remove":
		return os.RemoveAll(filepath.Join(h.folder, name))
	case "backup":
		return h.backup(e, snapshot.Incremental)
	case "full", "differential":
		return h.backup(e, snapshot.Type(e.What))
	case "forget":
		return h.forget(e)
	default:
		return h.run(e, func(p process) error { return p.prune(h.t.Context()) })
	}
}

// run gives an event the store it works on, in which it may die. An error
// counts only if nothing died.
func (h *history) run(e event, do func(p process) error) error {
	s := fault.New(h.base, uint64(e.Death))
	s.CrashAt(e.Death, fault.Crash(e.Seed%2)) // before or after
	err := do(process{store: s, cache: h.cache, host: "host"})
	if s.Crashed() {
		return nil
	}
	return err
}

func (h *history) exclusive(e event, do func(context.Context, *repository.Repository) error) error {
	return h.run(e, func(p process) error { return p.locked(h.t.Context(), repository.Exclusive, do) })
}

func (h *history) backup(e event, kind snapshot.Type) error {
	return h.run(e, func(p process) error {
		p.kind = kind
		made, err := p.backup(h.t.Context(), h.folder)
		if !made.IsZero() {
			h.known[made] = contentOf(h.t, h.folder)
			h.order = append(h.order, made)
		}
		return err
	})
}

// forget removes the oldest snapshot that is known.
func (h *history) forget(e event) error {
	if len(h.order) == 0 {
		return nil
	}
	oldest := h.order[0]
	h.order = h.order[1:]
	delete(h.known, oldest) // whether it goes or stays when this run dies
	return h.exclusive(e, func(ctx context.Context, r *repository.Repository) error {
		s, err := r.LoadSnapshot(ctx, oldest)
		if err != nil {
			return err
		}
		return upkeep.PlanForgetThese([]*snapshot.Snapshot{s}).Execute(ctx, r)
	})
}
