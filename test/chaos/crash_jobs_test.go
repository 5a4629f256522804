package chaos

import (
	"context"
	"os"
	"testing"
	"testing/synctest"

	"holdfast/repository/id"
	"holdfast/storage/fault"
	"holdfast/storage/mem"
)

func backupOf(folder string) func(context.Context, process) (id.ID, error) {
	return func(ctx context.Context, p process) (id.ID, error) { return p.backup(ctx, folder) }
}

func TestInitCutOff(t *testing.T) {
	job{
		base:   mem.New(),
		run:    func(ctx context.Context, p process) (id.ID, error) { return id.ID{}, p.initialise(ctx) },
		judged: 4,
	}.cutOffEverywhere(t)
}

func TestFirstBackupCutOff(t *testing.T) {
	folder := makeFolder(t)
	job{
		base: newRepository(t), run: backupOf(folder), makes: contentOf(t, folder), judged: 6,
	}.cutOffEverywhere(t)
}

func TestIncrementalBackupCutOff(t *testing.T) {
	folder := makeFolder(t)
	base, cache := newRepository(t), t.TempDir()
	var known record
	synctest.Test(t, func(t *testing.T) {
		made, err := process{store: base, cache: cache, host: "host"}.backup(t.Context(), folder)
		if err != nil {
			t.Fatal(err)
		}
		known = known.with(made, contentOf(t, folder))
	})
	changeFolder(t, folder)
	job{
		base: base, cache: cache, known: known, run: backupOf(folder), makes: contentOf(t, folder), judged: 6,
	}.cutOffEverywhere(t)
}

// A backup that goes on where a dead one was may die as well.
func TestResumedBackupCutOff(t *testing.T) {
	folder := makeFolder(t)
	base, cache := newRepository(t), t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := fault.New(base, 1, fault.Rule{Op: fault.OpPut, Prefix: "data/", Skip: 1, Fault: fault.Full()})
		if _, err := (process{store: s, cache: cache, host: "host"}).backup(t.Context(), folder); err == nil {
			t.Fatal("the first run was not cut off")
		}
	})
	job{
		base: base, cache: cache, run: backupOf(folder), makes: contentOf(t, folder), judged: 6,
	}.cutOffEverywhere(t)
}

// newRepository makes an empty repository.
func newRepository(t *testing.T) *mem.Store {
	t.Helper()
	s := mem.New()
	if err := (process{store: s, cache: t.TempDir()}).initialise(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

// copyFolder copies a cache folder; "" is an empty one.
func copyFolder(t *testing.T, from, to string) {
	t.Helper()
	if from == "" {
		return
	}
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}
