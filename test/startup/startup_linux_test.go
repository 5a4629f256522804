package startup

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"holdfast/test/program"
)

func TestMain(m *testing.M) { os.Exit(program.Main(m)) }

const (
	maxCPU    = 20 * time.Millisecond
	maxMemory = 30 << 20 // bytes, resident at the peak
	// maxInit and maxInitAllocated bound the work of one package before main
	// begins. Larger tables belong behind their first use.
	maxInit          = 2 * time.Millisecond
	maxInitAllocated = 320 << 10 // the S3 library's URL patterns take 281 KB
	// runs are taken the least of: the machine does other things, too.
	runs = 10
)

func TestVersionIsCheap(t *testing.T) {
	p := installed(t)
	cpu, memory := time.Hour, int64(1<<40)
	for range runs {
		cmd := p.Command("version")
		if err := cmd.Run(); err != nil {
			t.Fatal(err)
		}
		cpu = min(cpu, cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime())
		memory = min(memory, cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss<<10)
	}
	t.Logf("%v of CPU time, %d KiB of memory", cpu, memory>>10)
	if cpu > maxCPU {
		t.Errorf("holdfast version takes %v of CPU time, more than %v", cpu, maxCPU)
	}
	if memory > maxMemory {
		t.Errorf("holdfast version takes %d KiB of memory, more than %d", memory>>10, maxMemory>>10)
	}
}

// installed returns the program as an installer leaves it: copied from one end
// to the other. The linker writes its output through a mapping, and the kernel
// keeps such a file in larger pieces: of a program run from there it counts
// some 4 MiB more as resident that were never asked for.
func installed(t *testing.T) program.Program {
	t.Helper()
	made := program.Holdfast(t).Command().Path
	path := filepath.Join(t.TempDir(), "holdfast")
	in, err := os.Open(made)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	// Through a buffer: the kernel's own copying may share the pieces.
	_, err = io.Copy(struct{ io.Writer }{out}, struct{ io.Reader }{in})
	if err := errors.Join(err, out.Close()); err != nil {
		t.Fatal(err)
	}
	return program.New(t, path)
}

// No package may do work just because it is linked.
func TestPackagesStartWithoutWork(t *testing.T) {
	p := program.Holdfast(t).With("GODEBUG=inittrace=1")
	least := make(map[string]initCost)
	for range runs {
		for name, c := range initCosts(t, p.Exits(t, 0, "version").Stderr) {
			if before, ok := least[name]; !ok || c.took < before.took {
				least[name] = c
			}
		}
	}
	if len(least) == 0 {
		t.Fatal("the runtime reported no package")
	}
	for name, c := range least {
		if c.took > maxInit || c.allocated > maxInitAllocated {
			t.Errorf("package %s takes %v and %d bytes before main begins", name, c.took, c.allocated)
		}
	}
}

// initCost is what a package's variables and init functions cost.
type initCost struct {
	took      time.Duration
	allocated int
}

// initCosts reads lines such as
//
//	init internal/bytealg @0.008 ms, 0 ms clock, 0 bytes, 0 allocs
func initCosts(t *testing.T, trace string) map[string]initCost {
	t.Helper()
	costs := make(map[string]initCost)
	for line := range strings.Lines(trace) {
		f := strings.Fields(line)
		if len(f) < 8 || f[0] != "init" {
			continue
		}
		ms, err1 := strconv.ParseFloat(f[4], 64)
		allocated, err2 := strconv.Atoi(f[7])
		if err1 != nil || err2 != nil {
			t.Fatalf("not understood: %q", line)
		}
		costs[f[1]] = initCost{time.Duration(ms * float64(time.Millisecond)), allocated}
	}
	return costs
}
