// Command load measures what `holdfast serve` costs with many plans: how long
// it takes to start, what it needs while nothing is due, and how late runs
// begin. It prints figures and judges nothing: they depend on what else the
// machine does, which is printed beside them.
//
//	go run ./test/load -plans 1000
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	plans := flag.Int("plans", 1000, "how many plans")
	idle := flag.Duration("idle", time.Minute, "how long to look on while nothing is due")
	busy := flag.Duration("busy", 3*time.Minute, "how long to look on while runs are due")
	every := flag.Duration("every", 30*time.Minute, "how often each plan is due meanwhile")
	binary := flag.String("holdfast", "", "the program (default: built anew)")
	flag.Parse()
	if err := run(*plans, *idle, *busy, *every, *binary); err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

func run(plans int, idle, busy, every time.Duration, binary string) error {
	dir, err := os.MkdirTemp("", "holdfast-load-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if binary == "" {
		binary = filepath.Join(dir, "holdfast")
		if out, err := exec.Command("go", "build", "-o", binary, "holdfast/cmd/holdfast").CombinedOutput(); err != nil {
			return fmt.Errorf("build: %w\n%s", err, out)
		}
	}
	l := &load{dir: dir, binary: binary, plans: plans}
	if err := l.prepare(); err != nil {
		return err
	}
	fmt.Printf("%d plans, load of the machine %s\n", plans, loadAverage())
	if err := l.idle(idle); err != nil {
		return err
	}
	return l.busy(busy, every)
}

// load is a machine with many plans.
type load struct {
	dir, binary string
	plans       int
}

// repositories is how many repositories the plans share.
const repositories = 10

func (l *load) prepare() error {
	if err := os.MkdirAll(filepath.Join(l.dir, "source"), 0o755); err != nil {
		return err
	}
	for name, text := range map[string]string{"password": "secret", "source/a": "a"} {
		if err := os.WriteFile(filepath.Join(l.dir, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	if err := l.configure("0 3 1 1 *", 0); err != nil {
		return err
	}
	for k := range repositories {
		if out, err := l.command("init", "-q", "-r", fmt.Sprint("r", k)).CombinedOutput(); err != nil {
			return fmt.Errorf("init: %w\n%s", err, out)
		}
	}
	return nil
}

// configure writes plans that are all due by one expression, spread by jitter.
func (l *load) configure(expression string, jitter time.Duration) error {
	var b strings.Builder
	b.WriteString("repositories:\n")
	for k := range repositories {
		fmt.Fprintf(&b, "  r%d: { url: %s/r%d, password: { file: password } }\n", k, l.dir, k)
	}
	fmt.Fprintf(&b, "sources:\n  s: { files: { paths: [%s/source] } }\nplans:\n", l.dir)
	for k := range l.plans {
		fmt.Fprintf(&b, "  plan%d: { sources: [s], repository: r%d, keep: { last: 5 }, schedule: { full: %q, incremental: %q }, jitter: %ds }\n",
			k, k%repositories, "0 3 1 1 *", expression, int(jitter.Seconds()))
	}
	b.WriteString("service: { concurrency: { host: 8, repository: 8 } }\n")
	return os.WriteFile(filepath.Join(l.dir, "holdfast.yaml"), []byte(b.String()), 0o600)
}

func (l *load) command(args ...string) *exec.Cmd {
	cmd := exec.Command(l.binary, args...)
	cmd.Env = append(os.Environ(), "HOLDFAST_CONFIG="+l.dir+"/holdfast.yaml", "HOLDFAST_STATE_DIR="+l.dir+"/state", "HOME="+l.dir)
	return cmd
}

// serve starts a service, and returns how long that took.
func (l *load) serve() (*exec.Cmd, time.Duration, error) {
	cmd := l.command("serve")
	log, err := cmd.StderrPipe()
	if err != nil {
		return nil, 0, err
	}
	start := time.Now()
	if err := cmd.Start(); err != nil {
		return nil, 0, err
	}
	lines := bufio.NewScanner(log)
	for lines.Scan() {
		if strings.Contains(lines.Text(), "service-started") {
			took := time.Since(start)
			go func() {
				for lines.Scan() { // nobody reads it, but it must not fill the pipe
				}
			}()
			return cmd, took, nil
		}
	}
	return nil, 0, errors.Join(errors.New("the service did not start"), cmd.Wait())
}

func (l *load) idle(span time.Duration) error {
	for _, what := range []string{"first start", "start"} {
		cmd, took, err := l.serve()
		if err != nil {
			return err
		}
		fmt.Printf("%-24s %.2f s\n", what+":", took.Seconds())
		if what == "start" {
			time.Sleep(5 * time.Second) // it settles
			before := cpu(cmd.Process.Pid)
			time.Sleep(span)
			fmt.Printf("%-24s %.2f %% of a core over %v\n", "idle:", 100*(cpu(cmd.Process.Pid)-before).Seconds()/span.Seconds(), span)
			fmt.Printf("%-24s %d MiB resident\n", "memory, idle:", memory(cmd.Process.Pid)>>20)
		}
		if err := stop(cmd); err != nil {
			return err
		}
	}
	return nil
}

func (l *load) busy(span, every time.Duration) error {
	if err := l.configure("@every "+every.String(), every); err != nil {
		return err
	}
	cmd, _, err := l.serve()
	if err != nil {
		return err
	}
	begun := time.Now()
	before := cpu(cmd.Process.Pid)
	time.Sleep(span)
	fmt.Printf("%-24s %.2f %% of a core, %d MiB resident, load of the machine %s\n", "service, busy:",
		100*(cpu(cmd.Process.Pid)-before).Seconds()/span.Seconds(), memory(cmd.Process.Pid)>>20, loadAverage())
	if err := stop(cmd); err != nil {
		return err
	}
	out, err := l.command("run", "list", "-n", "0", "--job", "backup", "--json").Output()
	if err != nil {
		return err
	}
	var late []time.Duration
	for line := range strings.Lines(string(out)) {
		var r struct {
			Due, Started time.Time
			Trigger      string
		}
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			return err
		}
		if r.Trigger == "schedule" && r.Due.After(begun) {
			late = append(late, r.Started.Sub(r.Due))
		}
	}
	if len(late) == 0 {
		return errors.New("nothing was due: look on for longer")
	}
	slices.Sort(late)
	fmt.Printf("%-24s p50 %v, p99 %v, most %v, of %d runs\n", "lateness:",
		late[len(late)/2].Round(time.Millisecond), late[len(late)*99/100].Round(time.Millisecond), late[len(late)-1].Round(time.Millisecond), len(late))
	return nil
}

func stop(cmd *exec.Cmd) error {
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	return cmd.Wait()
}

// ticksPerSecond is the unit of times in /proc.
const ticksPerSecond = 100

// cpu is the time a process has used, without its children.
func cpu(pid int) time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	user, _ := strconv.Atoi(fields[11])   //nolint:errcheck // the kernel writes numbers
	system, _ := strconv.Atoi(fields[12]) //nolint:errcheck // see above
	return time.Duration(user+system) * time.Second / ticksPerSecond
}

// memory is what a process has in memory, in bytes.
func memory(pid int) int {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0
	}
	pages, _ := strconv.Atoi(strings.Fields(string(text))[1]) //nolint:errcheck // see above
	return pages * os.Getpagesize()
}

func loadAverage() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	return strings.Join(strings.Fields(string(text))[:3], " ")
}
