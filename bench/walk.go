package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"
)

// walkCommand measures how near a backup in which nothing changed comes to the
// system calls that it cannot do without: bench walk [flags].
const walkCommand = "walk"

func walkMain(ctx context.Context, args []string) error {
	o := options{limit: time.Hour, steps: []step{stepInit, stepFirst}}
	var files int
	f := flag.NewFlagSet("bench walk", flag.ContinueOnError)
	f.StringVar(&o.root, "dir", defaultRoot(), "`folder` for the files, the repository and logs")
	f.StringVar(&o.holdfast, "holdfast", "", "`program` to measure instead of building this checkout")
	f.IntVar(&o.runs, "runs", 5, "measure this many pairs and show the median")
	f.IntVar(&files, "files", 1_000_000, "how many, 100 to a folder: 4 KiB of disk each")
	if err := f.Parse(args); err != nil {
		return err
	}
	unlock, err := o.claim(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	name := fmt.Sprint("walk-", files)
	set := dataSet{name: name, title: "many files", dir: filepath.Join(o.root, "data", name), build: many{files}.build}
	if err := set.ensure(ctx); err != nil {
		return err
	}
	program, err := obtain(ctx, holdfastName, o)
	if err != nil {
		return err
	}
	w := walk{rounds: rounds{opts: o, settle: settle}, at: site{base: filepath.Join(o.root, "work", walkCommand), source: set.dir}}
	w.holdfast = contestant{holdfastName, newTool(holdfastName, program)}
	defer os.RemoveAll(w.at.base)
	if err := w.run(ctx, set); err != nil {
		return err
	}
	return w.print(os.Stdout)
}

// walk measures a backup of an unchanged tree beside find, in pairs.
type walk struct {
	rounds
	at       site
	holdfast contestant

	first          usage
	backups, finds []usage
}

func (w *walk) run(ctx context.Context, set dataSet) error {
	if err := w.at.prepare(); err != nil {
		return err
	}
	log, err := w.log(set, w.holdfast)
	if err != nil {
		return err
	}
	for _, s := range w.opts.steps {
		if w.first, err = w.measureStep(ctx, s, w.holdfast.tool, w.at, log); err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
	}
	for range w.opts.runs {
		found, err := w.measureStep(ctx, stepUnchanged, finder{}, w.at, os.DevNull)
		if err != nil {
			return err
		}
		backed, err := w.measureStep(ctx, stepUnchanged, w.holdfast.tool, w.at, log)
		if err != nil {
			return err
		}
		w.finds, w.backups = append(w.finds, found), append(w.backups, backed)
		fmt.Fprintf(os.Stderr, "find %.2f s CPU, %.2f s; backup %.2f s CPU, %.2f s, %d MiB; others kept %.1f CPUs busy\n",
			found.CPUSeconds, found.WallSeconds, backed.CPUSeconds, backed.WallSeconds, backed.PeakBytes>>20, backed.OthersBusy)
	}
	return nil
}

func (w *walk) print(to io.Writer) error {
	fmt.Fprintf(to, "Median of %d, on %s. First backup: %.1f s of CPU, %.1f s.\n\n", w.opts.runs, describeMachine(), w.first.CPUSeconds, w.first.WallSeconds)
	t := tabwriter.NewWriter(to, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "\tCPU s\twall s\tMiB\tCPUs of others\t") //nolint:errcheck // Flush tells
	for _, row := range []struct {
		name string
		of   []usage
	}{{"find -printf '%s %T@ %C@ %i'", w.finds}, {"backup, nothing changed", w.backups}} {
		fmt.Fprintf(t, "%s\t%.2f\t%.2f\t%.0f\t%.1f\t\n", row.name, //nolint:errcheck // as above
			medianOf(row.of, func(u usage) float64 { return u.CPUSeconds }), medianOf(row.of, func(u usage) float64 { return u.WallSeconds }),
			medianOf(row.of, func(u usage) float64 { return float64(u.PeakBytes >> 20) }), medianOf(row.of, func(u usage) float64 { return u.OthersBusy }))
	}
	return t.Flush()
}

func medianOf(all []usage, figure func(usage) float64) float64 {
	values := make([]float64, len(all))
	for n, u := range all {
		values[n] = figure(u)
	}
	return median(values)
}

// finder asks the system what a backup must ask of each file, and no more.
type finder struct{}

var _ tool = finder{}

func (finder) env(site) []string { return nil }
func (finder) version() []string { return []string{"find", "--version"} }
func (finder) commands(step, site) [][]string {
	return [][]string{{"find", ".", "-printf", `%s %T@ %C@ %i\n`}}
}
