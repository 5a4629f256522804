// Package scale measures what holdfast promises for large repositories, on
// repositories made for it.
//
// In an ordinary run they are small, so that the measuring itself is kept
// working; HOLDFAST_SOAK=1 makes them as large as the promise.
package scale

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"runtime/debug"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"holdfast/repository"
	"holdfast/repository/blob"
	"holdfast/repository/id"
	"holdfast/storage/local"
)

// The promise for repositories of ten million blobs.
const (
	promisedBlobs    = 10_000_000
	promisedOpen     = 5 * time.Second
	promisedAnonKiB  = 100 << 10
	promisedLookup   = 5 * time.Microsecond
	blobsPerPack     = 250
	packsPerIndex    = 200 // 50,000 blobs, as a Writer makes them
	lookupsMeasured  = 200_000
	envRepository    = "HOLDFAST_SCALE_REPOSITORY"
	envCache         = "HOLDFAST_SCALE_CACHE"
	envBlobs         = "HOLDFAST_SCALE_BLOBS"
	password         = "scale"
	sampleEachMillis = 5
)

// TestIndexOpensWithinItsMemory makes a repository of many blobs and opens it
// twice in processes of their own: the first compiles the cached index, the
// second finds it.
func TestIndexOpensWithinItsMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("measures memory: not under the race detector, which needs several times as much")
	}
	blobs := 200_000
	full := os.Getenv("HOLDFAST_SOAK") != ""
	if full {
		blobs = promisedBlobs
	}
	dir, cache := t.TempDir(), t.TempDir()
	makeRepository(t, dir, blobs)
	building := measureOpen(t, dir, cache, blobs)
	opening := measureOpen(t, dir, cache, blobs)
	t.Logf("%d blobs: compiling the index took %v and %d KiB of anonymous memory; opening it %v and %d KiB; a lookup %v",
		blobs, building.open, building.anonKiB, opening.open, opening.anonKiB, opening.lookup)
	if building.anonKiB > promisedAnonKiB || opening.anonKiB > promisedAnonKiB {
		t.Errorf("anonymous memory: %d and %d KiB, promised %d", building.anonKiB, opening.anonKiB, promisedAnonKiB)
	}
	if opening.open > promisedOpen {
		t.Errorf("opening took %v, promised %v", opening.open, promisedOpen)
	}
	if full && opening.lookup > promisedLookup {
		t.Errorf("a lookup took %v, promised %v", opening.lookup, promisedLookup)
	}
}

// makeRepository writes index files that list made-up packs.
func makeRepository(t *testing.T, dir string, blobs int) {
	t.Helper()
	s, err := local.Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	cost := repository.KeyCost{N: 32768, R: 8, P: 1} // a usual one: it takes memory too
	r, err := repository.Init(t.Context(), s, repository.InitOptions{Password: []byte(password), KeyCost: cost}, repository.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close() //nolint:errcheck // a test's
	for first := 0; first < blobs; first += blobsPerPack * packsPerIndex {
		var packs []repository.PackContent
		for n := range packsPerIndex {
			packs = append(packs, madePack(first+n*blobsPerPack))
		}
		if _, err := r.SaveIndex(t.Context(), packs); err != nil {
			t.Fatal(err)
		}
	}
}

func madePack(first int) repository.PackContent {
	p := repository.PackContent{ID: madeID("pack", first)}
	offset := uint32(0)
	for n := range blobsPerPack {
		length := uint32(20_000 + n) //nolint:gosec // small
		p.Blobs = append(p.Blobs, blob.Blob{
			Handle:   blob.Handle{ID: madeID("blob", first+n), Type: blob.Data},
			Location: blob.Location{Pack: p.ID, Offset: offset, Length: length, PlainLength: 3 * length},
		})
		offset += length
	}
	return p
}

func madeID(kind string, n int) id.ID {
	return sha256.Sum256(binary.BigEndian.AppendUint64([]byte(kind), uint64(n))) //nolint:gosec // not negative
}

// figures are what one process measured of itself.
type figures struct {
	open, lookup time.Duration
	anonKiB      int
}

// measureOpen opens the repository in a new process of this test program.
func measureOpen(t *testing.T, dir, cache string, blobs int) figures {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestOpenInThisProcess$", "-test.v")
	cmd.Env = append(os.Environ(), envRepository+"="+dir, envCache+"="+cache, envBlobs+"="+strconv.Itoa(blobs))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var f figures
	for line := range strings.Lines(string(out)) {
		if _, figure, ok := strings.Cut(line, "figures: "); ok {
			if _, err := fmt.Sscan(figure, (*int64)(&f.open), (*int64)(&f.lookup), &f.anonKiB); err != nil {
				t.Fatal(err)
			}
			return f
		}
	}
	t.Fatalf("no figures in\n%s", out)
	return f
}

// TestOpenInThisProcess does the work of measureOpen's child; by itself it
// has nothing to do.
func TestOpenInThisProcess(t *testing.T) {
	dir := os.Getenv(envRepository)
	if dir == "" {
		return
	}
	blobs, err := strconv.Atoi(os.Getenv(envBlobs))
	if err != nil {
		t.Fatal(err)
	}
	debug.SetGCPercent(50) // as the command line does
	s, err := local.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	r, err := repository.Open(t.Context(), s, repository.Options{Password: []byte(password), CacheDir: os.Getenv(envCache)})
	if err != nil {
		t.Fatal(err)
	}
	debug.FreeOSMemory() // as the command line does: deriving the key is not what is measured
	peak, stop := watchAnon(t)
	start := time.Now()
	if err := r.LoadIndex(t.Context()); err != nil {
		t.Fatal(err)
	}
	opened := time.Since(start)
	lookup := lookups(t, r, blobs)
	stop()
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	fmt.Println("figures:", int64(opened), int64(lookup), peak.Load())
}

// lookups returns the time one takes, warm: the second of two rounds over
// blobs spread over all of the index.
func lookups(t *testing.T, r *repository.Repository, blobs int) time.Duration {
	step := max(1, blobs/lookupsMeasured)
	var handles []blob.Handle
	for n := 0; n < blobs; n += step {
		handles = append(handles, blob.Handle{ID: madeID("blob", n), Type: blob.Data})
	}
	var took time.Duration
	for range 2 {
		start := time.Now()
		for _, h := range handles {
			if _, ok := r.Index().Lookup(h); !ok {
				t.Fatalf("%s is not in the index", h)
			}
		}
		took = time.Since(start)
	}
	return took / time.Duration(len(handles))
}

// watchAnon samples the anonymous memory of this process until stop.
func watchAnon(t *testing.T) (peak *atomic.Int64, stop func()) {
	t.Helper()
	peak = new(atomic.Int64)
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(sampleEachMillis * time.Millisecond)
		defer tick.Stop()
		for {
			peak.Store(max(peak.Load(), anonKiB()))
			select {
			case <-quit:
				return
			case <-tick.C:
			}
		}
	}()
	return peak, func() {
		close(quit)
		<-done
	}
}

// anonKiB reads RssAnon of this process (proc_pid_status(5)).
func anonKiB() int64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, "RssAnon:"); ok {
			n, err := strconv.ParseInt(strings.Fields(value)[0], 10, 64)
			if err == nil {
				return n
			}
		}
	}
	return 0
}
