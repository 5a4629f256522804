package upkeep

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast/repository"
	"holdfast/repository/blob"
	"holdfast/repository/id"
	"holdfast/repository/snapshot"
	"holdfast/repository/tree"
	"holdfast/storage"
)

// fatalf is what testing.T and rapid.T have in common.
type fatalf interface {
	Helper()
	Fatalf(format string, args ...any)
	Context() context.Context
}

var testPassword = []byte("correct horse")

// cheap is a key cost that tests can afford.
var cheap = repository.KeyCost{N: 2, R: 1, P: 1}

// initRepository makes a repository in an empty store.
func initRepository(t fatalf, s storage.Store) {
	t.Helper()
	r, err := repository.Init(t.Context(), s, repository.InitOptions{Password: testPassword, KeyCost: cheap}, repository.Options{Password: testPassword})
	if err != nil {
		t.Fatalf("init: %v", err)
	}
	if err := r.Close(); err != nil {
		t.Fatalf("init: %v", err)
	}
}

// with opens the repository in a store and does something with it.
func with(ctx context.Context, s storage.Store, do func(r *repository.Repository) error) error {
	r, err := repository.Open(ctx, s, repository.Options{Password: testPassword})
	if err != nil {
		return err
	}
	return errors.Join(do(r), r.Close())
}

// must is with for what has to succeed.
func must(t fatalf, s storage.Store, do func(r *repository.Repository) error) {
	t.Helper()
	if err := with(t.Context(), s, do); err != nil {
		t.Fatalf("%v", err)
	}
}

// files is the content of a source: bytes by path, "/" between folders.
type files map[string][]byte

// noise is content that does not compress, the same for the same seed.
func noise(seed uint64, size int) []byte {
	b := make([]byte, size)
	var key [32]byte
	copy(key[:], fmt.Sprint(seed))
	rand.NewChaCha8(key).Read(b) //nolint:errcheck // it never fails
	return b
}

// firstTime is when the first snapshot of a test is made.
var firstTime = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// backUp makes a snapshot of files, made so many days after the first.
func backUp(t fatalf, s storage.Store, day int, content files) (made *snapshot.Snapshot) {
	t.Helper()
	must(t, s, func(r *repository.Repository) (err error) {
		made, err = backUpTo(t.Context(), r, day, content)
		return err
	})
	return made
}

// backUpTo is backUp for a repository that is open.
func backUpTo(ctx context.Context, r *repository.Repository, day int, content files) (*snapshot.Snapshot, error) {
	made := &snapshot.Snapshot{
		Time: firstTime.AddDate(0, 0, day), Paths: []string{"/data"}, Hostname: "www",
		Summary: &snapshot.Summary{TotalFilesProcessed: uint64(len(content))},
	}
	for _, b := range content {
		made.Summary.TotalBytesProcessed += uint64(len(b))
	}
	if err := r.LoadIndex(ctx); err != nil {
		return nil, err
	}
	w, err := r.NewWriter(ctx, repository.WriterOptions{PackSizeBytes: repository.MinPackSize})
	if err != nil {
		return nil, err
	}
	made.Tree, err = saveFolder(ctx, w, content)
	if err == nil {
		err = w.Flush(ctx)
	}
	if err := errors.Join(err, w.Close()); err != nil {
		return nil, err
	}
	return made, r.SaveSnapshot(ctx, made)
}

func saveFolder(ctx context.Context, w *repository.Writer, content files) (id.ID, error) {
	below := make(map[string]files)
	nodes := make(map[string]*tree.Node)
	for path, data := range content {
		name, rest, isFolder := strings.Cut(path, "/")
		if isFolder {
			if below[name] == nil {
				below[name] = make(files)
			}
			below[name][rest] = data
			continue
		}
		saved, err := w.Save(ctx, blob.Data, data)
		if err != nil {
			return id.ID{}, err
		}
		nodes[name] = &tree.Node{
			Name: name, Type: tree.File, Mode: 0o644, Size: uint64(len(data)),
			ModTime: firstTime, AccessTime: firstTime, ChangeTime: firstTime, Content: []id.ID{saved.ID},
		}
	}
	for name, c := range below {
		i, err := saveFolder(ctx, w, c)
		if err != nil {
			return id.ID{}, err
		}
		nodes[name] = &tree.Node{
			Name: name, Type: tree.Dir, Mode: 0o755 | 1<<31,
			ModTime: firstTime, AccessTime: firstTime, ChangeTime: firstTime, Subtree: &i,
		}
	}
	b := tree.NewBuilder()
	for _, name := range slices.Sorted(maps.Keys(nodes)) {
		if err := b.Add(nodes[name]); err != nil {
			return id.ID{}, err
		}
	}
	saved, err := w.Save(ctx, blob.Tree, b.Bytes())
	return saved.ID, err
}

// restored reads all files of a tree.
func restored(ctx context.Context, r *repository.Repository, i id.ID) (files, error) {
	plain, err := r.LoadTree(ctx, i, nil)
	if err != nil {
		return nil, err
	}
	content := make(files)
	for e, err := range tree.Nodes(plain) {
		if err != nil {
			return nil, err
		}
		if e.Node.Subtree != nil {
			below, err := restored(ctx, r, *e.Node.Subtree)
			if err != nil {
				return nil, err
			}
			for path, data := range below {
				content[e.Node.Name+"/"+path] = data
			}
			continue
		}
		var data []byte
		for _, c := range e.Node.Content {
			piece, err := r.LoadBlob(ctx, blob.Handle{ID: c, Type: blob.Data}, nil)
			if err != nil {
				return nil, err
			}
			data = append(data, piece...)
		}
		content[e.Node.Name] = data
	}
	return content, nil
}

// wantFiles checks that a tree holds exactly these files.
func wantFiles(t fatalf, r *repository.Repository, i id.ID, want files) {
	t.Helper()
	got, err := restored(t.Context(), r, i)
	if err != nil {
		t.Fatalf("read tree %s: %v", i.Short(), err)
	}
	if !maps.EqualFunc(got, want, bytes.Equal) {
		t.Fatalf("tree %s holds %q, want %q", i.Short(), slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
	}
}

// loadIndex loads the index; index files that were torn in a crash do not
// matter as long as all is listed in others.
func loadIndex(ctx context.Context, r *repository.Repository) error {
	err := r.LoadIndex(ctx)
	if _, ok := repository.DamagedIndexFiles(err); ok {
		return nil
	}
	return err
}

// wantSound checks that the snapshots of a store that can be read include the
// wanted ones, and that these hold their files.
func wantSound(t fatalf, s storage.Store, want map[id.ID]files) {
	t.Helper()
	must(t, s, func(r *repository.Repository) error {
		snapshots, err := r.Snapshots(t.Context())
		if err != nil && !repository.IsCorrupt(err) {
			return err
		}
		if err := loadIndex(t.Context(), r); err != nil {
			return err
		}
		trees := make(map[id.ID]bool)
		for _, s := range snapshots {
			trees[s.Tree] = true
		}
		for i, content := range want {
			if !trees[i] {
				t.Fatalf("no snapshot has tree %s", i.Short())
			}
			wantFiles(t, r, i, content)
		}
		return nil
	})
}

// prune plans and executes a prune.
func prune(ctx context.Context, s storage.Store, o PruneOptions) (stats PruneStats, err error) {
	err = with(ctx, s, func(r *repository.Repository) error {
		p, err := PlanPrune(ctx, r, o)
		if err != nil {
			return err
		}
		stats = p.Stats
		return p.Execute(ctx)
	})
	return stats, err
}

// wantPruned checks that there is nothing left to prune.
func wantPruned(t fatalf, s storage.Store, o PruneOptions) {
	t.Helper()
	must(t, s, func(r *repository.Repository) error {
		p, err := PlanPrune(t.Context(), r, o)
		if err == nil && !p.NothingToDo() {
			t.Fatalf("a second prune still has work: %+v", p.Stats)
		}
		return err
	})
}

// forget removes snapshots.
func forget(ctx context.Context, s storage.Store, gone ...*snapshot.Snapshot) error {
	return with(ctx, s, func(r *repository.Repository) error {
		return PlanForgetThese(gone).Execute(ctx, r)
	})
}

// count returns the number of files of a kind, and their bytes.
func count(t fatalf, s storage.Store, k repository.FileKind) (n int, bytes int64) {
	t.Helper()
	must(t, s, func(r *repository.Repository) error {
		return r.ListFiles(t.Context(), k, func(_ id.ID, sizeBytes int64) error {
			n++
			bytes += sizeBytes
			return nil
		})
	})
	return n, bytes
}

var _ fatalf = (*testing.T)(nil)
