//go:build !race

package browse

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"

	"holdfast/internal/api"
	"holdfast/internal/config"
	"holdfast/internal/secret"
	"holdfast/repository/tree"
)

// memoryLaw is what looking may take at most, beside the 64 MiB with which a
// service idles: together they stay below 200 MiB.
const memoryLaw = 136 << 20

// A process of its own looks into a repository in all ways, as the pages of a
// service do, and tells how much more memory than at its start it ever had.
func TestMemoryLaw(t *testing.T) {
	if dir := os.Getenv("HOLDFAST_TEST_LOOK_INTO"); dir != "" {
		lookIntoAll(t, dir)
		return
	}
	o := newWorld(t)
	m := o.repository("main")
	// Two snapshots of a folder of 100,000 files, of which some differ, and
	// 20,000 folders.
	folders := make([]tree.Node, 20_000)
	for n := range folders {
		folders[n] = m.folder(fmt.Sprintf("d%05d", n), m.file(fmt.Sprint("f", n), fmt.Sprint(n)))
	}
	many := func(n int) tree.Node {
		i := m.manyFiles(n)
		return tree.Node{Name: "many", Type: tree.Dir, Subtree: &i}
	}
	all := m.folder("folders", folders...)
	m.snapshot(0, m.raw(all, many(100_000)), nil)
	m.snapshot(1, m.raw(all, many(99_000)), nil)

	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestMemoryLaw$", "-test.v")
	cmd.Env = append(os.Environ(), "HOLDFAST_TEST_LOOK_INTO="+o.dir)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for line := range strings.Lines(string(out)) {
		if text, ok := strings.CutPrefix(strings.TrimSpace(line), "most memory: "); ok {
			most, err := strconv.ParseInt(text, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%d MiB at most\n%s", most>>20, out)
			if most > memoryLaw {
				t.Errorf("it took %d MiB", most>>20)
			}
			return
		}
	}
	t.Fatalf("it told nothing:\n%s", out)
}

func lookIntoAll(t *testing.T, dir string) {
	debug.SetGCPercent(30) // as the program does
	o := &world{t: t, dir: dir, cfg: &config.Config{Path: filepath.Join(dir, "holdfast.yaml"), Repositories: map[string]config.Repository{
		"main": {URL: filepath.Join(dir, "main"), Password: secret.Ref{File: filepath.Join(dir, "password")}},
	}}}
	b := New(Options{Config: func() *config.Config { return o.cfg }, Log: discard})
	ctx := t.Context()
	before := mostMemory(t)
	tell := func(step string) {
		fmt.Printf("%s: %d MiB at most\n", step, mostMemory(t)>>20)
	}
	list, err := b.Snapshots(ctx, api.SnapshotQuery{Repository: "main"})
	if err != nil {
		t.Fatal(err)
	}
	tell("open")
	for _, s := range list.Snapshots {
		for _, path := range []string{"/many", "/folders"} {
			for _, sort := range []string{"name", "size", "-time"} {
				if _, err := b.Entries(ctx, api.EntryQuery{Repository: "main", Snapshot: s.ID, Path: path, Sort: sort, Search: "9"}); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	tell("entries")
	nothing := func(api.Found) error { return nil }
	for _, p := range []string{"report 0009", "/many/*nothing*", "f1*"} {
		if err := b.Find(ctx, api.FindQuery{Pattern: p, SnapshotQuery: api.SnapshotQuery{Repository: "main"}, Limit: maxLimit}, nothing); err != nil {
			t.Fatal(err)
		}
	}
	tell("find")
	err = b.Diff(ctx, api.DiffQuery{Repository: "main", From: list.Snapshots[1].ID, To: list.Snapshots[0].ID, Limit: maxLimit}, func(api.Difference) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	tell("diff")
	if e, err := b.Extent(ctx, "main", "latest", []string{"/"}); err != nil || e.Files != 119_000 {
		t.Fatal(e, err)
	}
	tell("extent")
	for _, format := range []string{"zip", "tar"} {
		if err := b.Download(ctx, api.DownloadQuery{Repository: "main", Snapshot: "latest", Path: "/folders", Archive: format}, func(api.Content) io.Writer { return io.Discard }); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	fmt.Printf("most memory: %d\n", mostMemory(t)-before)
}

// mostMemory is the most that was resident of this process.
func mostMemory(t *testing.T) int64 {
	f, err := os.Open("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if text, ok := strings.CutPrefix(s.Text(), "VmHWM:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(text), " kB"), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return kib << 10
		}
	}
	t.Fatal("the system does not tell")
	return 0
}
