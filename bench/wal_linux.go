package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// walCommand measures how fast PostgreSQL's archive_command gets rid of a
// backlog of WAL: bench wal [flags].
const walCommand = "wal"

// walOptions is the command line of walCommand.
type walOptions struct {
	root     string
	bin      string // PostgreSQL's programs
	holdfast string
	segments int
	rounds   int
	json     string
}

// walTarget is how many times pgbackrest's asynchronous rate is wanted.
const walTarget = 1.2

func walMain(ctx context.Context, args []string) error {
	var o walOptions
	f := flag.NewFlagSet("bench wal", flag.ContinueOnError)
	f.StringVar(&o.root, "dir", filepath.Join(os.TempDir(), "holdfast-bench-wal"), "`folder` to work in; it is made anew")
	f.StringVar(&o.bin, "pg", "/usr/lib/postgresql/15/bin", "`folder` of PostgreSQL's programs")
	f.StringVar(&o.holdfast, "holdfast", "", "`program` to measure instead of building this checkout")
	f.IntVar(&o.segments, "segments", 60, "size of the backlog")
	f.IntVar(&o.rounds, "rounds", 3, "measure each way so many times and show the median")
	f.StringVar(&o.json, "json", "", "also write every measurement to this `file`")
	if err := f.Parse(args); err != nil {
		return err
	}
	b := &walBench{o: o, rates: map[string][]walRate{}}
	defer b.stop()
	if err := b.prepare(ctx); err != nil {
		return err
	}
	for round := range o.rounds {
		for _, way := range b.ways() {
			if err := b.measure(ctx, round, way); err != nil {
				return fmt.Errorf("%s: %w", way.name, err)
			}
		}
	}
	return errors.Join(b.print(os.Stdout), b.save())
}

// walBench is one run of walCommand.
type walBench struct {
	o        walOptions
	postgres *walServer
	receiver *exec.Cmd
	order    []string
	rates    map[string][]walRate
}

// walRate is one measurement.
type walRate struct {
	Way      string  `json:"way"`
	Round    int     `json:"round"`
	Segments int     `json:"segments"`
	Seconds  float64 `json:"seconds"`
	Bytes    int64   `json:"stored_bytes"`
	// CPU is what all processes of the machine used meanwhile, in seconds.
	CPU float64 `json:"cpu_seconds"`
}

func (r walRate) perSecond() float64 { return float64(r.Segments) / r.Seconds }

// walWay is a way to archive.
type walWay struct {
	name    string
	command string
	stored  string // folder that holds what is archived; made anew each time
	before  func(ctx context.Context) error
	after   func()
}

func (b *walBench) path(parts ...string) string {
	return filepath.Join(append([]string{b.o.root}, parts...)...)
}

// prepare makes the folder, the server and the program.
func (b *walBench) prepare(ctx context.Context) error {
	if err := os.RemoveAll(b.o.root); err != nil {
		return err
	}
	if err := os.MkdirAll(b.o.root, 0o755); err != nil {
		return err
	}
	program := b.path("holdfast")
	if b.o.holdfast == "" {
		cmd := exec.CommandContext(ctx, "go", "build", "-o", program, "holdfast/cmd/holdfast")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("build holdfast: %w\n%s", err, out)
		}
	} else if err := copyProgram(b.o.holdfast, program); err != nil {
		return err
	}
	var err error
	b.postgres, err = startWALServer(ctx, b.o.bin, b.path("pg"))
	if err != nil {
		return err
	}
	return b.configure()
}

func copyProgram(from, to string) error {
	content, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, content, 0o755)
}

// configure writes what the tools read.
func (b *walBench) configure() error {
	files := map[string]string{
		"password": "secret\n",
		"holdfast.yaml": fmt.Sprintf(`repositories:
  local: { url: %[1]s/repository, password: { file: %[1]s/password } }
sources:
  shop: { postgres: { dsn: "host=%[2]s user=postgres dbname=postgres", wal: push } }
plans:
  shop: { sources: [shop], repository: local }
`, b.o.root, b.postgres.dir),
		"pgbackrest.conf": fmt.Sprintf(`[global]
repo1-path=%[1]s/pgbackrest
compress-type=zst
process-max=2
archive-async=y
spool-path=%[1]s/spool
log-path=%[1]s/log
lock-path=%[1]s/lock
log-level-console=warn
log-level-file=off
[shop]
pg1-path=%[2]s/data
pg1-socket-path=%[2]s
`, b.o.root, b.postgres.dir),
	}
	for name, content := range files {
		if err := os.WriteFile(b.path(name), []byte(content), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// ways returns what is compared, as far as it is here.
func (b *walBench) ways() []walWay {
	holdfast := fmt.Sprintf("HOLDFAST_STATE_DIR=%[1]s/state TMPDIR=%[1]s/tmp %[1]s/holdfast --config %[1]s/holdfast.yaml --cache-dir %[1]s/cache", b.o.root)
	initialize := func(ctx context.Context) error {
		return b.postgres.run(ctx, "mkdir -p "+b.path("state")+" "+b.path("tmp")+" && "+holdfast+" init -q -r local && "+holdfast+" wal init --plan shop")
	}
	ways := []walWay{
		{name: "cp", command: "cp %p " + b.path("copies/%f"), stored: "copies"},
		{name: "cp, synced", command: "cp %p " + b.path("copies/%f") + " && sync " + b.path("copies/%f"), stored: "copies"},
		{name: "holdfast, alone", command: holdfast + " wal push --plan shop %p", stored: "repository", before: initialize},
		{
			name: "holdfast", command: holdfast + " wal push --plan shop %p", stored: "repository",
			before: func(ctx context.Context) error {
				if err := initialize(ctx); err != nil {
					return err
				}
				return b.receive(ctx, holdfast)
			},
			after: b.stopReceiver,
		},
	}
	if _, err := exec.LookPath("pgbackrest"); err == nil {
		pgbackrest := "pgbackrest --config=" + b.path("pgbackrest.conf") + " --stanza=shop "
		ways = append(ways, walWay{
			name: "pgbackrest, asynchronous", command: pgbackrest + "archive-push %p", stored: "pgbackrest",
			before: func(ctx context.Context) error {
				return b.postgres.run(ctx, "rm -rf "+b.path("spool")+" && mkdir -p "+b.path("spool")+" "+b.path("log")+" "+b.path("lock")+" && "+pgbackrest+"stanza-create")
			},
		})
	}
	return ways
}

// receive starts the holdfast that files are handed to.
func (b *walBench) receive(ctx context.Context, holdfast string) error {
	b.receiver = b.postgres.command(ctx, "exec env "+holdfast+" wal receive --plan shop")
	log, err := os.Create(b.path("receive.log"))
	if err != nil {
		return err
	}
	defer log.Close() //nolint:errcheck // the process has it
	b.receiver.Stdout, b.receiver.Stderr = log, log
	if err := b.receiver.Start(); err != nil {
		return err
	}
	socket := b.path("state/wal/shop.socket")
	for range 600 {
		if _, err := os.Stat(socket); err == nil {
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return fmt.Errorf("the receiver does not start; see %s", b.path("receive.log"))
}

func (b *walBench) stopReceiver() {
	if b.receiver == nil {
		return
	}
	b.receiver.Process.Signal(os.Interrupt) //nolint:errcheck // it may have ended
	b.receiver.Wait()                       //nolint:errcheck // as above
	b.receiver = nil
}

func (b *walBench) stop() {
	b.stopReceiver()
	if b.postgres != nil {
		b.postgres.stop()
	}
}

// measure makes a backlog and times how long it lasts.
func (b *walBench) measure(ctx context.Context, round int, way walWay) error {
	stored := b.path(way.stored)
	if err := errors.Join(os.RemoveAll(stored), os.RemoveAll(b.path("state"))); err != nil {
		return err
	}
	if err := b.postgres.run(ctx, "mkdir -p "+stored); err != nil {
		return err
	}
	if way.name[0] == 'h' { // init makes the folder by itself
		if err := os.Remove(stored); err != nil {
			return err
		}
	}
	if way.before != nil {
		if err := way.before(ctx); err != nil {
			return err
		}
	}
	if way.after != nil {
		defer way.after()
	}
	if err := b.postgres.backlog(ctx, b.o.segments); err != nil {
		return err
	}
	flushDisks()
	n, cpu, start := len(b.postgres.waiting()), machineCPU(), time.Now()
	if err := b.postgres.archiveWith(ctx, way.command); err != nil {
		return err
	}
	for len(b.postgres.waiting()) > 0 {
		if time.Since(start) > 10*time.Minute {
			return fmt.Errorf("%d segments are left after 10 minutes; see %s", len(b.postgres.waiting()), b.postgres.log())
		}
		time.Sleep(10 * time.Millisecond)
	}
	r := walRate{Way: way.name, Round: round, Segments: n, Seconds: time.Since(start).Seconds(), CPU: machineCPU() - cpu, Bytes: folderBytes(stored)}
	fmt.Fprintf(os.Stderr, "%-26s %3d segments in %6.2f s  %5.1f/s\n", r.Way, r.Segments, r.Seconds, r.perSecond())
	if !slices.Contains(b.order, way.name) {
		b.order = append(b.order, way.name)
	}
	b.rates[way.name] = append(b.rates[way.name], r)
	return b.postgres.archiveWith(ctx, "/bin/false")
}

// machineCPU returns the seconds that all processors have been busy.
func machineCPU() float64 {
	content, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0
	}
	line, _, _ := strings.Cut(string(content), "\n")
	var user, nice, system, idle, wait, irq, soft float64
	fmt.Sscanf(line, "cpu %g %g %g %g %g %g %g", &user, &nice, &system, &idle, &wait, &irq, &soft) //nolint:errcheck // zero then
	const ticks = 100                                                                              // USER_HZ
	return (user + nice + system + irq + soft) / ticks
}

func folderBytes(dir string) (n int64) {
	filepath.WalkDir(dir, func(_ string, e os.DirEntry, err error) error { //nolint:errcheck // what cannot be read counts nothing
		if err != nil || e.IsDir() {
			return nil //nolint:nilerr // as above
		}
		if info, err := e.Info(); err == nil {
			n += info.Size()
		}
		return nil
	})
	return n
}

// median returns the measurement in the middle.
func (b *walBench) median(way string) walRate {
	rates := slices.Clone(b.rates[way])
	slices.SortFunc(rates, func(x, y walRate) int { return int(1000 * (x.perSecond() - y.perSecond())) })
	return rates[len(rates)/2]
}

func (b *walBench) print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "way\tsegments/s\tMiB/s\tCPU s/segment\tstored MiB/segment\t") //nolint:errcheck // Flush tells
	for _, way := range b.order {
		m := b.median(way)
		n := float64(m.Segments)
		fmt.Fprintf(t, "%s\t%.1f\t%.0f\t%.3f\t%.1f\t\n", way, m.perSecond(), 16*m.perSecond(), m.CPU/n, float64(m.Bytes)/n/(1<<20)) //nolint:errcheck // as above
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if len(b.rates["pgbackrest, asynchronous"]) == 0 {
		_, err := fmt.Fprintln(w, "pgbackrest is not here")
		return err
	}
	ratio := b.median("holdfast").perSecond() / b.median("pgbackrest, asynchronous").perSecond()
	_, err := fmt.Fprintf(w, "holdfast / pgbackrest: %.2f (wanted: %.1f)\n", ratio, walTarget)
	return err
}

func (b *walBench) save() error {
	if b.o.json == "" {
		return nil
	}
	content, err := json.MarshalIndent(b.rates, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(b.o.json, append(content, '\n'), 0o644)
}
