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
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// baseCommand measures base backups of PostgreSQL: bench base [flags].
const baseCommand = "base"

func baseMain(ctx context.Context, args []string) error {
	var b baseBench
	f := flag.NewFlagSet("bench base", flag.ContinueOnError)
	b.o.register(f, baseCommand)
	f.IntVar(&b.scale, "scale", 60, "of pgbench: 15 MB each, and as much again for a table of orders")
	if err := f.Parse(args); err != nil {
		return err
	}
	defer b.close()
	if err := b.prepare(ctx); err != nil {
		return err
	}
	for round := range b.o.rounds {
		if err := b.round(ctx, round); err != nil {
			return err
		}
	}
	return errors.Join(b.print(os.Stdout), b.save(b.costs))
}

// The steps of each tool, in turn. What changes the server comes before the
// step that is named after it.
var baseSteps = []string{"full", "5 % in one place", "1 % everywhere", "restore", "restore again"}

// baseBench is one run of baseCommand.
type baseBench struct {
	workshop
	scale int // of pgbench; the table of orders is as large
	costs []baseCost
}

// baseCost is one measurement.
type baseCost struct {
	Tool  string  `json:"tool"`
	Step  string  `json:"step"`
	Round int     `json:"round"`
	Wall  float64 `json:"wall_s"`
	CPU   float64 `json:"cpu_s"`        // of the tool and its children
	Serve float64 `json:"server_cpu_s"` // of the server meanwhile
	Added int64   `json:"added_bytes"`  // to what is stored
	Busy  float64 `json:"others_busy"`  // CPUs that others kept busy
	Error string  `json:"error,omitempty"`
}

// baseTool is a way to back up a cluster, by shell commands.
type baseTool struct {
	name   string
	stored string // folder of what it stores
	// before is run before a round, and archive while its backups are.
	before, archive string
	backup          func(step string) string
	// restore restores to a folder that is empty at first, and holds the same
	// the second time.
	restore func(to string) string
}

func (b *baseBench) prepare(ctx context.Context) error {
	if err := b.open(ctx); err != nil {
		return err
	}
	if err := b.postgres.archiveWith(ctx, "/bin/true"); err != nil {
		return err
	}
	return b.configure(fmt.Sprintf(`repositories:
  remote: { url: %[1]s/remote, password: { file: %[1]s/password } }
  local: { url: %[1]s/local, password: { file: %[1]s/password } }
sources:
  remote: { postgres: { dsn: "host=%[2]s user=postgres dbname=postgres", wal: none, row_counts: none } }
  local: { postgres: { dsn: "host=%[2]s user=postgres dbname=postgres", wal: none, row_counts: none, data_directory: %[2]s/data } }
plans:
  remote: { sources: [remote], repository: remote }
  local: { sources: [local], repository: local }
`, b.o.root, b.postgres.dir), "repo1-bundle=y\nstart-fast=y\n"+blockOption())
}

// blockOption has pgbackrest store changed blocks alone, from the version on
// that can (2.46).
func blockOption() string {
	out, err := exec.Command("pgbackrest", "version").Output()
	var major, minor int
	if _, serr := fmt.Sscanf(string(out), "pgBackRest %d.%d", &major, &minor); err != nil || serr != nil || major == 2 && minor < 46 {
		return ""
	}
	return "repo1-block=y\n"
}

// tools are those that are here.
func (b *baseBench) tools() []baseTool {
	types := map[string]string{"full": "full"}
	kind := func(step string) string {
		if t, ok := types[step]; ok {
			return t
		}
		return "incr"
	}
	var tools []baseTool
	holdfast := b.program()
	for _, way := range []string{"remote", "local"} {
		tools = append(tools, baseTool{
			name: "holdfast " + way, stored: b.path(way), before: b.makeState() + " && " + holdfast + " init -r " + way,
			backup: func(step string) string {
				return holdfast + " plan run " + way + " --type " + strings.Replace(kind(step), "incr", "incremental", 1)
			},
			restore: func(to string) string {
				return holdfast + " restore --plan " + way + " --to-backup-end --delete --target " + to
			},
		})
	}
	if havePgbackrest() {
		pgbackrest := b.pgbackrest()
		tools = append(tools, baseTool{
			name: "pgbackrest", stored: b.path("pgbackrest", "backup"), archive: pgbackrest + "archive-push %p",
			before:  b.makePgbackrest(),
			backup:  func(step string) string { return pgbackrest + "--type=" + kind(step) + " backup" },
			restore: func(to string) string { return pgbackrest + "--delta --type=immediate --pg1-path=" + to + " restore" },
		})
	}
	copied := b.path("basebackup")
	tools = append(tools, baseTool{
		name: "pg_basebackup", stored: copied, before: "mkdir -p " + copied,
		backup: func(step string) string {
			return "pg_basebackup -c fast -X fetch -D " + filepath.Join(copied, strings.ReplaceAll(strings.ReplaceAll(step, " ", ""), "%", ""))
		},
		restore: func(to string) string {
			return "rm -rf " + to + " && cp -a " + filepath.Join(copied, "1everywhere") + " " + to
		},
	})
	return slices.DeleteFunc(tools, func(t baseTool) bool { return !b.o.chosen(t.name) })
}

// round takes all tools through all steps, side by side: each change is made
// once, and backed up by all of them.
func (b *baseBench) round(ctx context.Context, round int) error {
	if err := b.fill(ctx); err != nil {
		return err
	}
	tools := b.tools()
	for _, t := range tools {
		if err := b.reset(ctx, t); err != nil {
			return err
		}
	}
	for _, step := range baseSteps {
		if err := b.change(ctx, step); err != nil {
			return err
		}
		for _, t := range tools {
			if err := b.measure(ctx, t, step, round); err != nil {
				return err
			}
		}
	}
	return nil
}

func (b *baseBench) reset(ctx context.Context, t baseTool) error {
	err := errors.Join(os.RemoveAll(b.path(strings.SplitN(strings.TrimPrefix(t.stored, b.o.root+"/"), "/", 2)[0])), os.RemoveAll(b.restored(t)))
	if err != nil {
		return err
	}
	return b.postgres.run(ctx, t.before)
}

func (b *baseBench) restored(t baseTool) string {
	return b.path("pg", "restored-"+strings.ReplaceAll(t.name, " ", "-"))
}

// orderRows are about as many as take the room of one scale of pgbench.
const orderRows = 100_000

// fill makes pgbench's tables, whose filler flatters everybody, and one whose
// rows compress like real ones.
func (b *baseBench) fill(ctx context.Context) error {
	rows := strconv.Itoa(orderRows * b.scale)
	if err := b.postgres.run(ctx, "pgbench -q -i -s "+strconv.Itoa(b.scale)+" >/dev/null 2>&1"); err != nil {
		return err
	}
	return b.statements(ctx, `TRUNCATE orders RESTART IDENTITY; INSERT INTO orders (at, customer, state, note, token)
SELECT now() + g * interval '1 s', (random() * 20000)::int, (array['new', 'paid', 'sent', 'back'])[1 + g % 4],
  'delivery to street ' || (random() * 900)::int || ', to be left with the neighbours', md5(random()::text)
FROM generate_series(1, `+rows+`) g`, "VACUUM ANALYZE", "CHECKPOINT")
}

// statements runs each in a transaction of its own.
func (b *baseBench) statements(ctx context.Context, all ...string) error {
	for _, statement := range all {
		if err := b.postgres.sql(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// change makes the change that a step is named after.
func (b *baseBench) change(ctx context.Context, step string) error {
	total := orderRows * b.scale
	switch step {
	case "5 % in one place":
		return b.statements(ctx, fmt.Sprintf(`UPDATE pgbench_accounts SET abalance = abalance + 1 WHERE aid BETWEEN %[1]d AND %[2]d;
UPDATE orders SET state = 'done' WHERE id BETWEEN %[1]d AND %[2]d`, total/2, total/2+total/20), "CHECKPOINT")
	case "1 % everywhere":
		return b.statements(ctx, `UPDATE pgbench_accounts SET abalance = abalance + 1 WHERE aid % 100 = 17; UPDATE orders SET state = 'lost' WHERE id % 100 = 17`, "CHECKPOINT")
	}
	return nil
}

// measure runs one step of one tool.
func (b *baseBench) measure(ctx context.Context, t baseTool, step string, round int) error {
	line := t.backup(step)
	if strings.HasPrefix(step, "restore") {
		line = t.restore(b.restored(t))
		if err := b.postgres.run(ctx, "mkdir -p -m 0700 "+b.restored(t)); err != nil {
			return err
		}
	}
	if t.archive != "" {
		if err := b.postgres.archiveWith(ctx, t.archive); err != nil {
			return err
		}
	}
	flushDisks()
	c := baseCost{Tool: t.name, Step: step, Round: round}
	before, serve, busy, start := folderBytes(t.stored), b.postgres.cpu(), busySeconds(), time.Now()
	cmd := b.postgres.command(ctx, line)
	out, err := cmd.CombinedOutput()
	c.Wall = time.Since(start).Seconds()
	if err != nil {
		c.Error = fmt.Sprintf("%v: %s", err, out)
	}
	c.CPU = (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()
	c.Serve, c.Added = b.postgres.cpu()-serve, folderBytes(t.stored)-before
	c.Busy = max(0, busySeconds()-busy-c.CPU-c.Serve) / max(c.Wall, tick)
	b.costs = append(b.costs, c)
	fmt.Fprintf(os.Stderr, "%-18s %-18s wall %7.2f  CPU %6.2f  server %6.2f  added %6.1f MB  others %.1f %s\n", c.Tool, c.Step, c.Wall, c.CPU, c.Serve, float64(c.Added)/1e6, c.Busy, c.Error)
	if err := ctx.Err(); err != nil {
		return err
	}
	return b.postgres.archiveWith(ctx, "/bin/true")
}

// figure returns the median of a figure over all rounds that went well.
func (b *baseBench) figure(tool, step string, of func(baseCost) float64) (float64, bool) {
	var values []float64
	for _, c := range b.costs {
		if c.Tool == tool && c.Step == step && c.Error == "" {
			values = append(values, of(c))
		}
	}
	if len(values) == 0 {
		return 0, false
	}
	return median(values), true
}

// baseTargets are the figures promised, as multiples of pgbackrest's.
var baseTargets = "wall of full and restore 0.9, CPU 1.2, stored after a change 1.3"

func (b *baseBench) print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "tool\tstep\twall s\tx\tCPU s\tx\tserver CPU s\tadded MB\tx\t") //nolint:errcheck // Flush tells
	wall, cpu, added := func(c baseCost) float64 { return c.Wall }, func(c baseCost) float64 { return c.CPU }, func(c baseCost) float64 { return float64(c.Added) / 1e6 }
	for _, tool := range b.tools() {
		for _, step := range baseSteps {
			cell := func(of func(baseCost) float64) (string, string) {
				value, ok := b.figure(tool.name, step, of)
				theirs, have := b.figure("pgbackrest", step, of)
				switch {
				case !ok:
					return "-", "-"
				case !have || theirs == 0:
					return fmt.Sprintf("%.2f", value), "-"
				}
				return fmt.Sprintf("%.2f", value), fmt.Sprintf("%.2f", value/theirs)
			}
			wallText, wallRatio := cell(wall)
			cpuText, cpuRatio := cell(cpu)
			addedText, addedRatio := cell(added)
			serve, _ := b.figure(tool.name, step, func(c baseCost) float64 { return c.Serve })
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%.2f\t%s\t%s\t\n", tool.name, step, wallText, wallRatio, cpuText, cpuRatio, serve, addedText, addedRatio) //nolint:errcheck // as above
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	busy := 0.0
	for _, c := range b.costs {
		busy = max(busy, c.Busy)
	}
	_, err := fmt.Fprintf(w, "x is the multiple of pgbackrest's. Wanted: %s. Others kept up to %.1f CPUs busy: above %.1f, wall times mean little.\n", baseTargets, busy, quiet)
	if !slices.ContainsFunc(b.tools(), func(t baseTool) bool { return t.name == "pgbackrest" }) {
		_, err = fmt.Fprintln(w, "pgbackrest is not here")
	}
	return err
}
