// Package chaos cuts work on repositories off at every point there is, by
// faults of the store, by kill -9 and by full disks, and lets several
// programs at once loose on one repository. Whatever was acknowledged must
// come back, restic must find nothing wrong, and the next run must succeed.
//
// HOLDFAST_SOAK=1 has restic judge every outcome instead of a sample, and
// repeats what is random many times.
package chaos

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"testing"
	"time"

	"holdfast/internal/backup"
	"holdfast/internal/snapfs"
	"holdfast/internal/source"
	"holdfast/internal/source/files"
	"holdfast/internal/upkeep"
	"holdfast/repository"
	"holdfast/repository/id"
	"holdfast/repository/snapshot"
	"holdfast/repository/tree"
	"holdfast/storage"
	"holdfast/test/program"
)

func TestMain(m *testing.M) { os.Exit(program.Main(m)) }

const password = "correct horse"

// cheap is a key cost that hundreds of runs can afford.
var cheap = repository.KeyCost{N: 2, R: 1, P: 1}

// soak tells that time does not matter.
func soak() bool { return os.Getenv("HOLDFAST_SOAK") != "" }

// old is the modification time of all files: before any backup, also in the
// year 2000 of a synctest bubble.
var old = time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC)

// process is what outlives one run of the program on a machine: where it
// finds the repository and its cache, and who it says it is.
type process struct {
	store storage.Store
	cache string
	host  string
	kind  snapshot.Type // of its backups; incremental if empty
}

// initialise makes the repository.
func (p process) initialise(ctx context.Context) error {
	in := repository.InitOptions{Password: []byte(password), KeyCost: cheap}
	r, err := repository.Init(ctx, p.store, in, repository.Options{CacheDir: p.cache})
	if err != nil {
		return err
	}
	return r.Close()
}

// locked opens the repository and works on it under a lock, as every command
// does.
func (p process) locked(ctx context.Context, mode repository.LockMode, do func(context.Context, *repository.Repository) error) error {
	r, err := repository.Open(ctx, p.store, repository.Options{Password: []byte(password), CacheDir: p.cache})
	if err != nil {
		return err
	}
	lock, ctx, err := r.Lock(ctx, mode, repository.LockOptions{Retry: 24 * time.Hour})
	if err != nil {
		return errors.Join(err, r.Close())
	}
	return errors.Join(do(ctx, r), lock.Unlock(), r.Close())
}

// prune prunes, in turns with others.
func (p process) prune(ctx context.Context) error {
	r, err := repository.Open(ctx, p.store, repository.Options{Password: []byte(password), CacheDir: p.cache})
	if err != nil {
		return err
	}
	_, err = upkeep.Prune(ctx, r, upkeep.PruneOptions{Writer: repository.WriterOptions{PackSizeBytes: repository.MinPackSize}}, upkeep.Turns{
		Locks:   locks{r},
		Planned: func(context.Context, *upkeep.PrunePlan) (bool, error) { return true, nil },
		Allowed: func(context.Context) error { return nil },
	})
	return errors.Join(err, r.Close())
}

// locks are those of a repository, without an exclusive one at the start.
type locks struct{ r *repository.Repository }

func (l locks) Locked(ctx context.Context, mode repository.LockMode, do func(context.Context) error) error {
	lock, locked, err := l.r.Lock(ctx, mode, repository.LockOptions{Retry: 24 * time.Hour})
	if err != nil {
		return err
	}
	return errors.Join(do(locked), lock.Unlock())
}

func (locks) Number() int { return 0 }

// backup makes a snapshot of a folder and returns its ID. The ID counts even
// beside an error: the snapshot was acknowledged, what failed came after.
func (p process) backup(ctx context.Context, folder string) (made id.ID, err error) {
	err = p.locked(ctx, repository.Shared, func(ctx context.Context, r *repository.Repository) error {
		snapshots, err := r.Snapshots(ctx)
		if err == nil {
			err = r.LoadIndex(ctx)
		}
		if err != nil {
			return err
		}
		src, err := files.New(files.Config{Paths: []string{folder}})
		if err != nil {
			return err
		}
		o := backup.Options{
			Snapshot:  snapshot.Snapshot{Time: time.Now(), Paths: []string{folder}, Hostname: p.host, ProgramVersion: "holdfast chaos"},
			Type:      cmp.Or(p.kind, snapshot.Incremental),
			Snapshots: snapshots,
			// The bubble's clock is behind the files' change times.
			Reuse:  source.Reuse{IgnoreChangeTime: true},
			Writer: repository.WriterOptions{PackSizeBytes: repository.MinPackSize},
		}
		if o.GroupBy, err = snapshot.ParseGroupBy("host,paths"); err != nil {
			return err
		}
		receipt, err := backup.Run(ctx, r, src, o)
		if err != nil {
			return err
		}
		if receipt.Errors > 0 {
			return fmt.Errorf("%d files could not be read", receipt.Errors)
		}
		made = receipt.Snapshot.ID
		return nil
	})
	return made, err
}

// content is what a folder or a snapshot holds: a hash for each file, "" for
// each folder.
type content map[string]string

// contentOf reads a folder.
func contentOf(t testing.TB, folder string) content {
	t.Helper()
	c := make(content)
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			c[path] = ""
			return err
		}
		data, err := os.ReadFile(path)
		c[path] = hash(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func hash(data []byte) string {
	sum := sha256.Sum256(data)
	return string(sum[:])
}

// record is what a repository has acknowledged: the content of each snapshot.
type record map[id.ID]content

// with returns a record with one more snapshot, or itself for the zero ID.
func (k record) with(i id.ID, c content) record {
	if i.IsZero() {
		return k
	}
	more := record{i: c}
	maps.Copy(more, k)
	return more
}

// wantKept reads every snapshot of the record whole, and compares.
func (k record) wantKept(t *testing.T, s storage.Store) {
	t.Helper()
	if err := k.differences(t.Context(), s); err != nil {
		t.Error(err)
	}
}

// differences returns how the snapshots of the record differ from what was
// acknowledged; nil if they do not.
func (k record) differences(ctx context.Context, s storage.Store) error {
	if len(k) == 0 {
		return nil
	}
	r, err := repository.Open(ctx, s, repository.Options{Password: []byte(password)})
	if err != nil {
		return err
	}
	if err := r.LoadIndex(ctx); err != nil {
		return errors.Join(err, r.Close())
	}
	var all []error
	for i, want := range k {
		got, err := snapshotContent(ctx, r, i)
		if err != nil {
			all = append(all, fmt.Errorf("snapshot %s was acknowledged and does not come back: %w", i.Short(), err))
			continue
		}
		for path, sum := range want {
			if got[path] != sum {
				all = append(all, fmt.Errorf("snapshot %s was acknowledged and has another %s", i.Short(), path))
			}
		}
	}
	return errors.Join(append(all, r.Close())...)
}

// snapshotContent reads all files of a snapshot.
func snapshotContent(ctx context.Context, r *repository.Repository, i id.ID) (content, error) {
	s, err := r.LoadSnapshot(ctx, i)
	if err != nil {
		return nil, err
	}
	f, err := snapfs.Open(ctx, r, s.Tree)
	if err != nil {
		return nil, err
	}
	c := make(content)
	err = f.Walk(ctx, "/", f.Root(), func(path string, n *tree.Node, err error) error {
		c[path] = ""
		if err != nil || n.Type != tree.File {
			return err
		}
		var data bytes.Buffer
		err = f.WriteFile(ctx, n, &data)
		c[path] = hash(data.Bytes())
		return err
	})
	return c, err
}
