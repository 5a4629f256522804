package index

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"holdfast/repository/blob"
	"holdfast/repository/id"
)

// The memory promise is measured in a process of its own: this test binary,
// started again with the number of blobs in largeEnv and the cache folder in
// largeDirEnv. It prints what it measured in a line that begins with
// largePrefix.
const (
	largeEnv    = "HOLDFAST_TEST_INDEX_BLOBS"
	largeDirEnv = "HOLDFAST_TEST_INDEX_DIR"
	largePrefix = "measured:"
)

const (
	largePackBlobs = 25
	largeFilePacks = 2000 // 50,000 blobs in an index file, as restic writes
)

// large is what the process measured.
type large struct {
	sync, lookupHit, lookupMiss, byPack time.Duration
	// Anonymous memory in MiB: its peak while syncing, and at the end.
	peakMiB, endMiB float64
}

func (l large) String() string {
	return fmt.Sprintf("%s %d %d %d %d %.1f %.1f", largePrefix, l.sync, l.lookupHit, l.lookupMiss, l.byPack, l.peakMiB, l.endMiB)
}

func parseLarge(t testing.TB, output []byte) (l large) {
	t.Helper()
	_, line, _ := bytes.Cut(output, []byte(largePrefix))
	_, err := fmt.Sscan(string(line), &l.sync, &l.lookupHit, &l.lookupMiss, &l.byPack, &l.peakMiB, &l.endMiB)
	if err != nil {
		t.Fatalf("output of the measured process: %v\n%s", err, output)
	}
	return l
}

// measureLarge opens and syncs an index of so many blobs in dir, in another
// process: the first time it is built, later it comes from the cache.
func measureLarge(t testing.TB, dir string, blobs int) large {
	t.Helper()
	if _, err := anonymousMiB(); err != nil {
		t.Skipf("anonymous memory cannot be read here: %v", err)
	}
	c := exec.Command(os.Args[0], "-test.run=^TestMeasuredProcess$", "-test.v")
	c.Env = append(os.Environ(), largeEnv+"="+strconv.Itoa(blobs), largeDirEnv+"="+dir)
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("measured process: %v\n%s", err, out)
	}
	return parseLarge(t, out)
}

// TestMemoryDoesNotGrow is the guard of the memory promise, at a size that
// takes a second.
func TestMemoryDoesNotGrow(t *testing.T) {
	if testing.Short() {
		t.Skip("measures memory: not under the race detector, which needs several times as much")
	}
	dir := t.TempDir()
	for _, run := range []string{"built", "from the cache"} {
		l := measureLarge(t, dir, 200_000)
		t.Logf("%s: %v", run, l)
		if l.peakMiB > 100 {
			t.Errorf("%s: %.1f MiB of anonymous memory", run, l.peakMiB)
		}
	}
}

// BenchmarkTenMillion builds the index of 10 million blobs once and opens it
// from the cache as often as asked.
func BenchmarkTenMillion(b *testing.B) {
	dir := b.TempDir()
	built := measureLarge(b, dir, 10_000_000)
	var l large
	for b.Loop() {
		l = measureLarge(b, dir, 10_000_000)
	}
	b.ReportMetric(built.sync.Seconds(), "build-s")
	b.ReportMetric(built.peakMiB, "build-anon-MiB")
	b.ReportMetric(l.sync.Seconds(), "open-s")
	b.ReportMetric(l.peakMiB, "open-anon-MiB")
	b.ReportMetric(l.endMiB, "end-anon-MiB")
	b.ReportMetric(float64(l.lookupHit), "hit-ns")
	b.ReportMetric(float64(l.lookupMiss), "miss-ns")
	b.ReportMetric(l.byPack.Seconds(), "bypack-s")
}

// TestMeasuredProcess is the other process.
func TestMeasuredProcess(t *testing.T) {
	blobs, err := strconv.Atoi(os.Getenv(largeEnv))
	if err != nil {
		t.Skip("runs only for TestMemoryDoesNotGrow and BenchmarkTenMillion")
	}
	var l large
	stop := watchMemory(&l.peakMiB)
	start := time.Now()
	x, err := Open(os.Getenv(largeDirEnv))
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close() //nolint:errcheck
	if err := x.Sync(t.Context(), largeFiles(blobs), loadLarge); err != nil {
		t.Fatal(err)
	}
	l.sync = time.Since(start)
	if x.Len() != blobs {
		t.Fatalf("%d blobs", x.Len())
	}
	l.lookupHit = timeLookups(t, x, blobs, 0)
	l.lookupMiss = timeLookups(t, x, blobs, blobs)
	start = time.Now()
	grouped := 0
	err = x.ByPack(t.Context(), nil, func(_ id.ID, b []blob.Blob) error { grouped += len(b); return nil })
	if err != nil || grouped != blobs {
		t.Fatalf("ByPack visits %d blobs: %v", grouped, err)
	}
	l.byPack = time.Since(start)
	stop()
	if l.endMiB, err = anonymousMiB(); err != nil {
		t.Fatal(err)
	}
	fmt.Println(l)
}

func largeFiles(blobs int) []id.ID {
	live := make([]id.ID, blobs/(largePackBlobs*largeFilePacks))
	for n := range live {
		live[n] = id.ID{byte(n >> 16), byte(n >> 8), byte(n)}
	}
	return live
}

func loadLarge(_ context.Context, i id.ID) ([]byte, error) {
	n := int(i[0])<<16 | int(i[1])<<8 | int(i[2])
	return Encode(madePacks(n*largeFilePacks, largeFilePacks, largePackBlobs)), nil
}

// timeLookups returns what a lookup of a random blob takes when all is in
// memory. Blobs from first to first+blobs-1 are asked for.
func timeLookups(t *testing.T, x *Index, blobs, first int) time.Duration {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	handles := make([]blob.Handle, 200_000)
	for k := range handles {
		handles[k] = madeHandle(first + r.IntN(blobs))
	}
	hits := 0
	pass := func() {
		for _, h := range handles {
			if _, ok := x.Lookup(h); ok {
				hits++
			}
		}
	}
	pass() // brings the pages in
	start := time.Now()
	pass()
	elapsed := time.Since(start) / time.Duration(len(handles))
	if want := 2 * len(handles); (first == 0 && hits != want) || (first > 0 && hits != 0) {
		t.Fatalf("%d lookups hit", hits)
	}
	return elapsed
}

// watchMemory keeps the peak of anonymous memory until stop is called.
func watchMemory(peakMiB *float64) (stop func()) {
	done, finished := make(chan struct{}), make(chan struct{})
	ticker := time.NewTicker(2 * time.Millisecond)
	go func() {
		defer close(finished)
		for {
			if now, err := anonymousMiB(); err == nil {
				*peakMiB = max(*peakMiB, now)
			}
			select {
			case <-ticker.C:
			case <-done:
				return
			}
		}
	}()
	return func() {
		ticker.Stop()
		close(done)
		<-finished
	}
}

// anonymousMiB returns the anonymous memory this process has resident.
func anonymousMiB() (float64, error) {
	f, err := os.Open("/proc/self/status")
	if err != nil {
		return 0, err
	}
	defer f.Close() //nolint:errcheck
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), "RssAnon:"); ok {
			kib, err := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(rest), " kB"))
			return float64(kib) / 1024, err
		}
	}
	return 0, fmt.Errorf("no RssAnon")
}
