package scale

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"holdfast/repository"
	"holdfast/repository/blob"
	"holdfast/repository/id"
	"holdfast/repository/snapshot"
	"holdfast/repository/tree"
	"holdfast/storage/local"
	"holdfast/test/program"
)

func TestMain(m *testing.M) { os.Exit(program.Main(m)) }

// TestHowLongUpkeepIsAlone forgets and prunes a repository of many snapshots,
// and looks for its lock ten times a second, as one who waits to back up would.
// It tells of the longest time in which that one would have waited.
func TestHowLongUpkeepIsAlone(t *testing.T) {
	snapshots := 300
	if os.Getenv("HOLDFAST_SOAK") != "" {
		snapshots = 10_000
	}
	dir := t.TempDir()
	r := manySnapshots(t, dir, snapshots)
	holdfast := program.Holdfast(t).On(dir, password)
	before := countFiles(t, r, repository.PackFile)

	ctx, stop := context.WithCancel(t.Context())
	watched := make(chan time.Duration)
	go func() { watched <- longestAlone(ctx, r) }()
	began := time.Now()
	out := holdfast.Run(t, "forget", "--keep-last", fmt.Sprint(snapshots/10), "--max-share", "100", "--trust-times", "--prune", "--max-unused", "0", "--retry-lock", "10m", "--json")
	took := time.Since(began)
	stop()
	longest := <-watched
	var summary struct {
		Alone float64 `json:"alone_duration"`
	}
	for line := range strings.SplitSeq(out, "\n") {
		if strings.Contains(line, `"alone_duration"`) {
			if err := json.Unmarshal([]byte(line), &summary); err != nil {
				t.Error(err)
			}
		}
	}
	after := countFiles(t, r, repository.PackFile)
	t.Logf("%d snapshots, %d packs: forgetting nine of ten and pruning took %v; %d packs are left; others would have waited for %v at most; prune says %.3f s",
		snapshots, before, took.Round(time.Millisecond), after, longest.Round(time.Millisecond), summary.Alone)
	if left := countFiles(t, r, repository.SnapshotFile); left != snapshots/10 || after >= before {
		t.Errorf("%d snapshots are left, and %d of %d packs", left, after, before)
	}
	holdfast.Run(t, "check", "--read-data")
}

// longestAlone looks for exclusive locks until ctx ends, and returns for how
// long there was one at the longest.
func longestAlone(ctx context.Context, r *repository.Repository) (longest time.Duration) {
	const every = 100 * time.Millisecond
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	var since time.Time
	for {
		alone := false
		err := r.Locks(ctx, func(_ id.ID, info repository.LockInfo, err error) error {
			alone = alone || err == nil && info.Exclusive
			return nil
		})
		switch {
		case errors.Is(err, context.Canceled):
			return longest
		case !alone:
			since = time.Time{}
		case since.IsZero():
			since = time.Now().Add(-every)
		}
		if alone {
			longest = max(longest, time.Since(since)+every)
		}
		select {
		case <-ctx.Done():
			return longest
		case <-ticker.C:
		}
	}
}

// manySnapshots makes a repository with so many snapshots of a folder in which
// a little changes from each to the next.
func manySnapshots(t *testing.T, dir string, snapshots int) *repository.Repository {
	t.Helper()
	s, err := local.Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	cheap := repository.KeyCost{N: 2, R: 1, P: 1}
	r, err := repository.Init(t.Context(), s, repository.InitOptions{Password: []byte(password), KeyCost: cheap}, repository.Options{Password: []byte(password)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := r.LoadIndex(t.Context()); err != nil {
		t.Fatal(err)
	}
	const folders, atOnce = 20, 10
	random := rand.NewChaCha8([32]byte{1})
	content := make([]*tree.Node, folders)
	for first := 0; first < snapshots; first += atOnce { // each writer leaves packs of its own, as each backup does
		w, err := r.NewWriter(t.Context(), repository.WriterOptions{})
		if err != nil {
			t.Fatal(err)
		}
		var made []*snapshot.Snapshot
		for n := first; n < min(first+atOnce, snapshots); n++ {
			for k := range content {
				if content[k] == nil || k == n%folders {
					content[k] = saveFolder(t, w, random, fmt.Sprintf("folder%02d", k))
				}
			}
			made = append(made, &snapshot.Snapshot{
				Time: time.Date(2026, 1, 1, 0, n, 0, 0, time.UTC), Hostname: "www", Paths: []string{"/data"}, Tree: saveTree(t, w, content),
			})
		}
		if err := errors.Join(w.Flush(t.Context()), w.Close()); err != nil {
			t.Fatal(err)
		}
		for _, s := range made {
			if err := r.SaveSnapshot(t.Context(), s); err != nil {
				t.Fatal(err)
			}
		}
	}
	return r
}

// saveFolder stores a folder of files with new content.
func saveFolder(t *testing.T, w *repository.Writer, random *rand.ChaCha8, name string) *tree.Node {
	t.Helper()
	var nodes []*tree.Node
	for k := range 50 {
		data := make([]byte, 512)
		random.Read(data) //nolint:errcheck // it never fails
		saved, err := w.Save(t.Context(), blob.Data, data)
		if err != nil {
			t.Fatal(err)
		}
		nodes = append(nodes, &tree.Node{Name: fmt.Sprintf("file%02d", k), Type: tree.File, Mode: 0o644, Size: uint64(len(data)), Content: []id.ID{saved.ID}})
	}
	i := saveTree(t, w, nodes)
	return &tree.Node{Name: name, Type: tree.Dir, Mode: 0o755 | os.ModeDir, Subtree: &i}
}

func saveTree(t *testing.T, w *repository.Writer, nodes []*tree.Node) id.ID {
	t.Helper()
	b := tree.NewBuilder()
	for _, n := range nodes {
		if err := b.Add(n); err != nil {
			t.Fatal(err)
		}
	}
	saved, err := w.Save(t.Context(), blob.Tree, b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return saved.ID
}

func countFiles(t *testing.T, r *repository.Repository, k repository.FileKind) (n int) {
	t.Helper()
	err := r.ListFiles(t.Context(), k, func(id.ID, int64) error { n++; return nil })
	if err != nil {
		t.Fatal(err)
	}
	return n
}
