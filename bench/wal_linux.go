package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"text/tabwriter"
	"time"
)

// walCommand measures how fast PostgreSQL's archive_command gets rid of a
// backlog of WAL: bench wal [flags].
const walCommand = "wal"

// handedOver is the way that counts: a running holdfast takes the files.
const handedOver = "holdfast, handed over"

// walTarget is how many times pgbackrest's asynchronous rate is wanted.
const walTarget = 1.2

func walMain(ctx context.Context, args []string) error {
	b := walBench{rates: map[string][]walRate{}}
	f := flag.NewFlagSet("bench wal", flag.ContinueOnError)
	b.o.register(f, walCommand)
	f.IntVar(&b.segments, "segments", 60, "size of the backlog")
	if err := f.Parse(args); err != nil {
		return err
	}
	defer b.stop()
	if err := b.prepare(ctx); err != nil {
		return err
	}
	for round := range b.o.rounds {
		for _, way := range b.ways() {
			if err := b.measure(ctx, round, way); err != nil {
				return fmt.Errorf("%s: %w", way.name, err)
			}
		}
	}
	return errors.Join(b.print(os.Stdout), b.save(b.rates))
}

// walBench is one run of walCommand.
type walBench struct {
	workshop
	segments int
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
	// CPU is what the server, its command and what that left behind used, in
	// seconds, and Busy how many CPUs all others kept busy meanwhile.
	CPU  float64 `json:"cpu_seconds"`
	Busy float64 `json:"others_busy"`
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

func (b *walBench) prepare(ctx context.Context) error {
	if err := b.open(ctx); err != nil {
		return err
	}
	return b.configure(fmt.Sprintf(`repositories:
  local: { url: %[1]s/repository, password: { file: %[1]s/password } }
sources:
  shop: { postgres: { dsn: "host=%[2]s user=postgres dbname=postgres", wal: push } }
plans:
  shop: { sources: [shop], repository: local }
`, b.o.root, b.postgres.dir), "archive-async=y\nspool-path="+b.path("spool")+"\n")
}

// ways returns what is compared, as far as it is here.
func (b *walBench) ways() []walWay {
	holdfast := b.program()
	initialize := func(ctx context.Context) error {
		return b.postgres.run(ctx, b.makeState()+" && "+holdfast+" init -r local && "+holdfast+" wal init --plan shop")
	}
	ways := []walWay{
		{name: "cp", command: "cp %p " + b.path("copies/%f"), stored: "copies"},
		{name: "cp, synced", command: "cp %p " + b.path("copies/%f") + " && sync " + b.path("copies/%f"), stored: "copies"},
		{name: "holdfast, alone", command: holdfast + " wal push --plan shop %p", stored: "repository", before: initialize},
		{
			name: handedOver, command: holdfast + " wal push --mark --plan shop %p", stored: "repository",
			before: func(ctx context.Context) error {
				if err := initialize(ctx); err != nil {
					return err
				}
				return b.receive(ctx, holdfast)
			},
			after: b.stopReceiver,
		},
	}
	if havePgbackrest() {
		ways = append(ways, walWay{
			name: "pgbackrest, asynchronous", command: b.pgbackrest() + "archive-push %p", stored: "pgbackrest",
			before: func(ctx context.Context) error { return b.postgres.run(ctx, b.makePgbackrest()) },
		})
	}
	if program, err := exec.LookPath("wal-g"); err == nil {
		// As it comes from the module proxy it cannot encrypt: that takes a C library.
		stored := b.path("wal-g")
		ways = append(ways, walWay{
			name: "wal-g, not encrypted", stored: "wal-g",
			command: "env PGDATA=" + filepath.Join(b.postgres.dir, "data") + " WALG_FILE_PREFIX=" + stored + " WALG_COMPRESSION_METHOD=lz4 " + program + " wal-push %p",
		})
	}
	return slices.DeleteFunc(ways, func(w walWay) bool { return !b.o.chosen(w.name) })
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
	b.close()
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
	if err := b.postgres.backlog(ctx, b.segments); err != nil {
		return err
	}
	flushDisks()
	n, cpu, busy, start := len(b.postgres.waiting()), treeCPU(), busySeconds(), time.Now()
	if err := b.postgres.archiveWith(ctx, way.command); err != nil {
		return err
	}
	for len(b.postgres.waiting()) > 0 {
		if time.Since(start) > 10*time.Minute {
			return fmt.Errorf("%d segments are left after 10 minutes; see %s", len(b.postgres.waiting()), b.postgres.log())
		}
		time.Sleep(10 * time.Millisecond)
	}
	r := walRate{Way: way.name, Round: round, Segments: n, Seconds: time.Since(start).Seconds(), CPU: treeCPU() - cpu, Bytes: folderBytes(stored)}
	r.Busy = max(0, busySeconds()-busy-r.CPU) / r.Seconds
	fmt.Fprintf(os.Stderr, "%-26s %3d segments in %6.2f s  %5.1f/s  CPU %.3f s each  others %.1f\n", r.Way, r.Segments, r.Seconds, r.perSecond(), r.CPU/float64(n), r.Busy)
	if !slices.Contains(b.order, way.name) {
		b.order = append(b.order, way.name)
	}
	b.rates[way.name] = append(b.rates[way.name], r)
	return b.postgres.archiveWith(ctx, "/bin/false")
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
	ratio := b.median(handedOver).perSecond() / b.median("pgbackrest, asynchronous").perSecond()
	_, err := fmt.Fprintf(w, "holdfast / pgbackrest: %.2f (wanted: %.1f)\n", ratio, walTarget)
	return err
}
