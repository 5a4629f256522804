package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// replayCommand measures whether recovery waits for its log: bench replay
// [flags].
const replayCommand = "replay"

// busyTarget is which part of a recovery the server shall not wait for its
// restore_command.
const busyTarget = 0.9

func replayMain(ctx context.Context, args []string) error {
	var b replayBench
	f := flag.NewFlagSet("bench replay", flag.ContinueOnError)
	b.o.register(f, replayCommand)
	f.IntVar(&b.segments, "segments", 24, "how much log of each kind is replayed")
	f.IntVar(&b.scale, "scale", 10, "of pgbench: 15 MB each")
	f.StringVar(&b.log, "log", "", "replay only logs that have this `text` in their names")
	if err := f.Parse(args); err != nil {
		return err
	}
	defer b.stop()
	if err := b.prepare(ctx); err != nil {
		return err
	}
	for _, log := range b.logs() {
		if err := b.write(ctx, log); err != nil {
			return fmt.Errorf("%s: %w", log.name, err)
		}
	}
	b.postgres.stop() // its processors are for those that recover
	for round := range b.o.rounds {
		for _, log := range b.logs() {
			for _, way := range b.ways() {
				if err := b.measure(ctx, round, log, way); err != nil {
					return fmt.Errorf("%s, %s: %w", log.name, way.name, err)
				}
			}
		}
	}
	return errors.Join(b.print(os.Stdout), b.save(b.replays))
}

// replayBench is one run of replayCommand.
type replayBench struct {
	walBench
	scale   int
	log     string // only those with this in their names
	replays []replay
}

// replayLog is a kind of log: pages that are logged whole are replayed fast,
// and single changes slowly. What pgbench makes after a checkpoint begins with
// the former and goes on with the latter. The log that counts is that of the
// other measurements' server: pgbench beside a table whose rows are like real
// ones.
type replayLog struct {
	name       string
	pageImages bool
	change     string // run by a shell until there is enough; ROWS are those of the table
}

var replayLogs = []replayLog{
	{countedLog, true, `psql -Xq -c CHECKPOINT && { PGOPTIONS="-c synchronous_commit=off" pgbench -n -c 2 -t 10000 >/dev/null 2>&1 & psql -Xq -c "INSERT INTO orders (at, customer, state, note, token)
SELECT now() + g * interval '1 s', (random() * 20000)::int, (array['new', 'paid', 'sent', 'back'])[1 + g % 4],
  'delivery to street ' || (random() * 900)::int || ', to be left with the neighbours', md5(random()::text)
FROM generate_series(1, 200000) g" && wait; }`},
	{"single changes", false, `psql -Xq -c "UPDATE pgbench_accounts SET abalance = abalance + 1 WHERE aid IN (SELECT 1 + (random() * (ROWS - 1))::int FROM generate_series(1, 10000))"`},
	{"pgbench", true, `psql -Xq -c CHECKPOINT && PGOPTIONS="-c synchronous_commit=off" pgbench -n -c 2 -t 50000 >/dev/null 2>&1`},
	{"whole pages", true, `psql -Xq -c CHECKPOINT -c "UPDATE pgbench_accounts SET abalance = abalance + 1 WHERE aid % 61 = (random() * 60)::int"`},
}

// countedLog is the one whose replay is held against busyTarget.
const countedLog = "pgbench beside rows"

// logs are those that are wanted.
func (b *replayBench) logs() []replayLog {
	return slices.DeleteFunc(slices.Clone(replayLogs), func(l replayLog) bool { return !strings.Contains(l.name, b.log) })
}

func (l replayLog) base(b *replayBench) string {
	return b.path("pg", "base-"+strings.ReplaceAll(l.name, " ", "-"))
}

// replay is one measurement.
type replay struct {
	Way      string `json:"way"`
	Log      string `json:"log"`
	Round    int    `json:"round"`
	Segments int    `json:"segments"`
	// Elapsed and Own are the time of the replay, and what the process that
	// replays computed in it, in seconds, as the server tells.
	Elapsed float64 `json:"elapsed_seconds"`
	Own     float64 `json:"own_cpu_seconds"`
	// Waiting is the part of it in which that process waited for its
	// restore_command, and First how long it did before the replay began.
	Waiting float64 `json:"waiting"`
	First   float64 `json:"first_seconds"`
	// Brought is how many files the restore_command brought: the server read the
	// others where they were.
	Brought int     `json:"brought"`
	CPU     float64 `json:"cpu_seconds"` // of all, from the start on
	Busy    float64 `json:"others_busy"`
}

// replayWay is a restore_command.
type replayWay struct {
	name, command string
	inPlace       bool // the log lies in pg_wal already
}

func (b *replayBench) ways() []replayWay {
	const fetch = " wal fetch --plan shop %f %p"
	const own = "pg_wal/holdfast/ready/$pid.$since/%f"
	ways := []replayWay{
		{name: "in place", command: "false", inPlace: true},
		{name: "cp", command: "cp " + b.path("copies") + "/%f %p"},
		{name: "holdfast", command: "{ read -r pid; read -r _; read -r since; } <postmaster.pid; test -e " + own + " && echo %f >>pg_wal/holdfast/wanted && test " + own +
			" -ef pg_wal/%f && exit 1; exec env " + b.program() + strings.Replace(fetch, "fetch", "fetch --place", 1)},
		{name: "holdfast, program alone", command: b.program() + fetch},
	}
	if havePgbackrest() {
		ways = append(ways, replayWay{name: "pgbackrest, asynchronous", command: b.pgbackrest() + "--pg1-path=" + b.running() + " archive-get %f %p"})
	}
	return slices.DeleteFunc(ways, func(w replayWay) bool { return !b.o.chosen(w.name) })
}

func (b *replayBench) running() string { return b.path("pg", "recovering") }

// write makes a base, and the log that leads on from there.
func (b *replayBench) write(ctx context.Context, log replayLog) error {
	s := b.postgres
	if err := s.run(ctx, "pg_ctl -D data -m fast -w stop >/dev/null && cp -a data "+log.base(b)+" && find "+log.base(b)+"/pg_wal -type f -delete && pg_ctl -D data -w -l log start >/dev/null"); err != nil {
		return err
	}
	if err := s.sql(ctx, "ALTER SYSTEM SET full_page_writes = "+strconv.FormatBool(log.pageImages)); err != nil {
		return err
	}
	command := "cp %p " + b.path("copies") + "/%f && env " + b.program() + " wal push --plan shop %p"
	if havePgbackrest() {
		command += " && " + b.pgbackrest() + "archive-push %p"
	}
	if err := s.archiveWith(ctx, command); err != nil {
		return err
	}
	change := strings.ReplaceAll(log.change, "ROWS", strconv.Itoa(100_000*b.scale))
	copies := b.copied()
	for b.copied() < copies+b.segments {
		if err := s.run(ctx, change); err != nil {
			return err
		}
	}
	if err := s.sql(ctx, "SELECT pg_switch_wal()"); err != nil {
		return err
	}
	for range 6000 {
		if len(s.waiting()) == 0 {
			return nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	return fmt.Errorf("the log is not archived; see %s", s.log())
}

// copied is how many segments were archived.
func (b *replayBench) copied() int {
	entries, _ := os.ReadDir(b.path("copies")) //nolint:errcheck // none then
	return len(entries)
}

func (b *replayBench) prepare(ctx context.Context) error {
	if err := b.walBench.prepare(ctx); err != nil {
		return err
	}
	holdfast := b.program()
	line := b.makeState() + " " + b.path("copies") + " && " + holdfast + " init -r local && " + holdfast + " wal init --plan shop"
	if havePgbackrest() {
		line += " && " + b.makePgbackrest()
	}
	if err := b.postgres.run(ctx, line+" && pgbench -q -i -s "+strconv.Itoa(b.scale)+" >/dev/null 2>&1"); err != nil {
		return err
	}
	if err := b.receive(ctx, holdfast); err != nil {
		return err
	}
	if err := b.postgres.archiveWith(ctx, "/bin/true"); err != nil {
		return err
	}
	for len(b.postgres.waiting()) > 0 {
		time.Sleep(10 * time.Millisecond)
	}
	return nil
}

// measure recovers a base with all the log that there is.
func (b *replayBench) measure(ctx context.Context, round int, log replayLog, way replayWay) error {
	run, logFile := b.running(), b.path("pg", "recovery.log")
	quoted := strings.ReplaceAll(way.command, "'", "''")
	settings := fmt.Sprintf("restore_command = '%s'\nhot_standby = off\narchive_mode = off\nunix_socket_directories = '%s'\n", quoted, run)
	line := "rm -rf " + run + " " + logFile + " && cp -a " + log.base(b) + " " + run + " && touch " + run + "/recovery.signal"
	if way.inPlace {
		line += " && cp " + b.path("copies") + "/* " + run + "/pg_wal/"
	}
	if err := b.postgres.run(ctx, line); err != nil {
		return err
	}
	if err := appendTo(filepath.Join(run, "postgresql.auto.conf"), settings); err != nil {
		return err
	}
	flushDisks()
	cpu, busy, start := treeCPU(), busySeconds(), time.Now()
	if err := b.postgres.run(ctx, "pg_ctl -D "+run+" -W -l "+logFile+" start >/dev/null"); err != nil {
		return err
	}
	defer b.postgres.run(context.WithoutCancel(ctx), "pg_ctl -D "+run+" -m immediate -w stop") //nolint:errcheck // it is thrown away
	r, err := b.follow(run, logFile)
	if err != nil {
		return err
	}
	r.Way, r.Log, r.Round, r.CPU = way.name, log.name, round, treeCPU()-cpu
	r.Busy = max(0, busySeconds()-busy-r.CPU) / time.Since(start).Seconds()
	fmt.Fprintf(os.Stderr, "%-15s %-26s %3d segments in %6.2f s  own CPU %6.2f  waits for its log %4.1f %%  brought %2d  before it %.2f s  CPU of all %6.2f  others %.1f\n",
		r.Log, r.Way, r.Segments, r.Elapsed, r.Own, 100*r.Waiting, r.Brought, r.First, r.CPU, r.Busy)
	b.replays = append(b.replays, r)
	return nil
}

func appendTo(path, text string) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

// redoStarts and redoDone are what the server says of a replay
// (PerformWalRecovery).
var (
	redoStarts = regexp.MustCompile(`redo starts at ([0-9A-F]+)/([0-9A-F]+)`)
	redoDone   = regexp.MustCompile(`redo done at ([0-9A-F]+)/([0-9A-F]+) system usage: CPU: user: ([\d.]+) s, system: ([\d.]+) s, elapsed: ([\d.]+) s`)
)

// follow looks at the process that replays until it is done.
func (b *replayBench) follow(run, logFile string) (r replay, err error) {
	var samples, waits int
	startup, replays := "", false
	for begun := time.Now(); time.Since(begun) < 10*time.Minute; time.Sleep(time.Millisecond) {
		if startup == "" {
			startup = startupProcess(run)
		}
		if where, err := os.ReadFile(filepath.Join("/proc", startup, "wchan")); err == nil && startup != "" {
			samples++
			if slices.Contains([]string{"do_wait", "kernel_clone", "wait_for_completion_state"}, string(where)) {
				waits++
			}
		}
		if replays && samples%20 != 0 {
			continue
		}
		text, err := os.ReadFile(logFile)
		if err != nil {
			continue
		}
		if !replays && redoStarts.Match(text) {
			r.First = time.Since(begun).Seconds() * float64(waits) / float64(max(1, samples))
			replays, samples, waits = true, 0, 0
		}
		if m := redoDone.FindSubmatch(text); m != nil {
			r.Waiting, r.Brought = float64(waits)/float64(max(1, samples)), bytes.Count(text, []byte("restored log file"))
			return r, r.take(redoStarts.FindSubmatch(text), m)
		}
	}
	return r, fmt.Errorf("it does not recover; see %s", logFile)
}

// take reads what the server says of a replay.
func (r *replay) take(starts, done [][]byte) error {
	var positions [4]uint64
	for k, digits := range append(slices.Clone(starts[1:3]), done[1:3]...) {
		var err error
		if positions[k], err = strconv.ParseUint(string(digits), 16, 32); err != nil {
			return err
		}
	}
	const segmentBits = 24
	r.Segments = int((positions[2]<<32|positions[3])>>segmentBits-(positions[0]<<32|positions[1])>>segmentBits) + 1
	var figures [3]float64
	for k := range figures {
		var err error
		if figures[k], err = strconv.ParseFloat(string(done[3+k]), 64); err != nil {
			return err
		}
	}
	r.Own, r.Elapsed = figures[0]+figures[1], figures[2]
	return nil
}

// startupProcess is the process of a server that replays.
func startupProcess(data string) string {
	content, err := os.ReadFile(filepath.Join(data, "postmaster.pid"))
	if err != nil {
		return ""
	}
	postmaster, _, _ := strings.Cut(string(content), "\n")
	for _, p := range processes() {
		if p.parent != postmaster {
			continue
		}
		if name, err := os.ReadFile(filepath.Join("/proc", p.pid, "cmdline")); err == nil && strings.HasPrefix(string(name), "postgres: startup") {
			return p.pid
		}
	}
	return ""
}

func (b *replayBench) print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "log\tway\tsegments\tseconds\town CPU s\twaits for its log %\tbusy %\tbrought\tbefore s\tCPU s of all\t") //nolint:errcheck // Flush tells
	for _, log := range b.logs() {
		for _, way := range b.ways() {
			of := func(figure func(replay) float64) float64 {
				var values []float64
				for _, r := range b.replays {
					if r.Log == log.name && r.Way == way.name {
						values = append(values, figure(r))
					}
				}
				return median(values)
			}
			waiting := of(func(r replay) float64 { return r.Waiting })
			fmt.Fprintf(t, "%s\t%s\t%.0f\t%.2f\t%.2f\t%.1f\t%.1f\t%.0f\t%.2f\t%.2f\t\n", log.name, way.name, of(func(r replay) float64 { return float64(r.Segments) }), //nolint:errcheck // as above
				of(func(r replay) float64 { return r.Elapsed }), of(func(r replay) float64 { return r.Own }), 100*waiting, 100*(1-waiting),
				of(func(r replay) float64 { return float64(r.Brought) }), of(func(r replay) float64 { return r.First }), of(func(r replay) float64 { return r.CPU }))
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "Busy is the part of the replay in which the server does not wait for restore_command (wanted for %s: %.0f %%).\n", countedLog, 100*busyTarget)
	return err
}
