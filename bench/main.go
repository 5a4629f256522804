package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"os/signal"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if len(os.Args) > 1 && os.Args[1] == measureCommand {
		os.Exit(measureMain(ctx, os.Args[2:]))
	}
	err := run(ctx, os.Args[1:])
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) > 0 && args[0] == walCommand {
		return walMain(ctx, args[1:])
	}
	if len(args) > 0 && args[0] == baseCommand {
		return baseMain(ctx, args[1:])
	}
	if len(args) > 0 && args[0] == replayCommand {
		return replayMain(ctx, args[1:])
	}
	if len(args) > 0 && args[0] == walkCommand {
		return walkMain(ctx, args[1:])
	}
	return bench(ctx, args)
}

// stepMemory is what one step may take of free memory, page cache included: the
// largest data set, restored beside its repository.
const stepMemory = 10 << 30

// settle has a step pay neither for what was written before it nor for memory
// that the host has to find.
func settle() {
	flushDisks()
	useFreeMemory(stepMemory)
}

// bench is the whole program: data, tools, rounds, table.
func bench(ctx context.Context, args []string) error {
	opts, err := parseOptions(args, os.Stderr)
	if err != nil {
		return err
	}
	unlock, err := opts.claim(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	sets, err := buildSets(ctx, opts)
	if err != nil || opts.dataOnly {
		return err
	}
	had, lost, err := buildTools(ctx, opts)
	if err != nil {
		return err
	}
	store, err := newFar(opts)
	if err != nil {
		return err
	}
	defer store.close()
	rep := report{Machine: describeMachine(), Far: store.describe(), Quick: opts.quick, Runs: opts.runs, Tools: versions(ctx, had), Missing: lost}
	if rep.Sets, err = describeSets(sets); err != nil {
		return err
	}
	useFreeMemory(math.MaxInt)
	if rep.Cycles, err = (rounds{opts: opts, sets: sets, tools: had, settle: settle, far: store}).run(ctx); err != nil {
		return err
	}
	rep.fill()
	return errors.Join(rep.print(os.Stdout), rep.save(opts.json), rep.verdict(opts.enforce))
}
