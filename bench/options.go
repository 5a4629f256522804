package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"holdfast/test/tools/filelock"
)

// options is the command line.
type options struct {
	root     string // where data, repositories and logs live
	quick    bool
	runs     int
	sets     []string
	steps    []step
	tools    []string
	holdfast string // program to measure; "" builds the checkout
	json     string
	enforce  bool
	dataOnly bool
	limit    time.Duration // of one step

	far  bool          // repositories lie on an object store behind a line
	line time.Duration // the line's round trip
	mbit float64       // what the line carries in each direction, in Mbit/s
}

// defaultRoot is where data, repositories and logs live unless -dir says.
func defaultRoot() string {
	if root := os.Getenv("BENCH"); root != "" {
		return root
	}
	return filepath.Join(os.TempDir(), "holdfast-bench")
}

// parseOptions reads flags and rejects unknown names, so that a typing error
// does not cost an hour.
func parseOptions(args []string, usage io.Writer) (options, error) {
	var o options
	var sets, steps, tools string
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.SetOutput(usage)
	f.StringVar(&o.root, "dir", defaultRoot(), "`folder` for data sets, repositories and logs")
	f.BoolVar(&o.quick, "quick", false, "small data sets: for development and as a guard in CI")
	f.IntVar(&o.runs, "runs", 3, "measure this many times and show the median")
	f.StringVar(&sets, "sets", strings.Join(setNames(), ","), "data `sets`, separated by commas")
	f.StringVar(&steps, "steps", joinSteps(allSteps()), "`steps` to run; init and first always run")
	f.StringVar(&tools, "tools", "", "`tools`, separated by commas (default all that can)")
	f.StringVar(&o.holdfast, "holdfast", "", "`program` to measure instead of building this checkout")
	f.StringVar(&o.json, "json", "", "also write every measurement to this `file`")
	f.BoolVar(&o.enforce, "enforce", false, "fail when a target is missed")
	f.BoolVar(&o.dataOnly, "data-only", false, "make the data sets and stop")
	f.BoolVar(&o.far, "far", false, "repositories lie on S3 behind a long line; see -rtt and -mbit")
	f.DurationVar(&o.line, "rtt", 50*time.Millisecond, "with -far: the `time` of a round trip")
	f.Float64Var(&o.mbit, "mbit", 200, "with -far: `Mbit/s` in each direction")
	f.DurationVar(&o.limit, "limit", 30*time.Minute, "give up on a step after this long")
	if err := f.Parse(args); err != nil {
		return options{}, err
	}
	if f.NArg() > 0 {
		return options{}, fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	if o.runs < 1 {
		return options{}, errors.New("-runs must be at least 1")
	}
	if tools == "" {
		tools = strings.Join(usualTools(o.far), ",")
	}
	var err, setErr, stepErr, toolErr error
	o.root, err = filepath.Abs(o.root)
	o.sets, setErr = pick("set", sets, setNames())
	o.tools, toolErr = pick("tool", tools, toolNames())
	o.steps, stepErr = pickSteps(steps)
	return o, errors.Join(err, setErr, toolErr, stepErr)
}

// pick splits a list and checks each name against the known ones. The order is
// that of known: it decides who goes first, and the table's columns.
func pick(kind, list string, known []string) ([]string, error) {
	wanted := strings.Split(list, ",")
	for _, name := range wanted {
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("unknown %s %q: known are %s", kind, name, strings.Join(known, ","))
		}
	}
	var picked []string
	for _, name := range known {
		if slices.Contains(wanted, name) {
			picked = append(picked, name)
		}
	}
	return picked, nil
}

// pickSteps always includes the two steps that every other one builds on.
func pickSteps(list string) ([]step, error) {
	names, err := pick("step", list+","+joinSteps([]step{stepInit, stepFirst}), strings.Split(joinSteps(allSteps()), ","))
	if err != nil {
		return nil, err
	}
	var steps []step
	for _, name := range names {
		steps = append(steps, step(name))
	}
	return steps, nil
}

// claim makes the benchmark's folder and keeps other runs out of it: they
// would change the data sets under each other, and spoil each other's figures.
func (o options) claim(ctx context.Context) (unlock func(), err error) {
	if err := os.MkdirAll(o.root, 0o755); err != nil {
		return nil, err
	}
	fmt.Fprintf(os.Stderr, "working in %s, one run at a time\n", o.root)
	return filelock.Lock(ctx, filepath.Join(o.root, "lock"))
}
