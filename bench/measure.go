package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"
)

// usage is what one or more processes cost.
type usage struct {
	WallSeconds float64 `json:"wall_s"`
	CPUSeconds  float64 `json:"cpu_s"`     // user + system, children included
	PeakBytes   int64   `json:"rss_bytes"` // peak resident size of the largest process
	// OthersBusy is how many CPUs other processes kept busy meanwhile: wall time
	// means little when it is not near zero.
	OthersBusy float64 `json:"others_busy"`
	// Far is what went over the line to a distant store.
	Far *traffic `json:"far,omitempty"`
}

// then is the cost of u followed by next.
func (u usage) then(next usage) usage {
	return usage{
		WallSeconds: u.WallSeconds + next.WallSeconds,
		CPUSeconds:  u.CPUSeconds + next.CPUSeconds,
		PeakBytes:   max(u.PeakBytes, next.PeakBytes),
		OthersBusy:  max(u.OthersBusy, next.OthersBusy),
	}
}

// tick is how finely the kernel tells its busy time, in seconds.
const tick = 0.01

// measureCommand makes this program start as the measuring child.
const measureCommand = "measure-child"

// measure runs argv in dir with env, output appended to the file log, and
// returns its cost.
//
// The command is started by a fresh copy of this program. Linux counts the
// memory of the process that calls exec into the new program's peak, and Go
// starts children sharing its own memory, so started from here every tool would
// seem to use at least as much as the benchmark does. The copy stays at a few
// MiB.
func measure(ctx context.Context, dir string, env []string, log string, argv []string) (usage, error) {
	self, err := os.Executable()
	if err != nil {
		return usage{}, err
	}
	cmd := exec.CommandContext(ctx, self, append([]string{measureCommand, log}, argv...)...)
	cmd.Dir, cmd.Env, cmd.Stderr = dir, env, os.Stderr
	// An interrupt lets the copy kill and collect the command it started.
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	out, err := cmd.Output()
	if err != nil {
		return usage{}, errors.Join(fmt.Errorf("%v: %w (see %s)", argv, err, log), ctx.Err())
	}
	var u usage
	if err := json.Unmarshal(out, &u); err != nil {
		return usage{}, fmt.Errorf("reading the measurement of %v: %w", argv, err)
	}
	return u, nil
}

// measureMain is the measuring child: args are the log file and the command.
func measureMain(ctx context.Context, args []string) (exitCode int) {
	if len(args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: "+measureCommand+" LOG PROGRAM [ARGUMENT]...")
		return 2
	}
	u, err := runMeasured(ctx, args[0], args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if err := json.NewEncoder(os.Stdout).Encode(u); err != nil {
		return 1
	}
	return 0
}

func runMeasured(ctx context.Context, logPath string, argv []string) (usage, error) {
	log, err := os.OpenFile(logPath, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return usage{}, err
	}
	defer log.Close()
	fmt.Fprintf(log, "\n$ %q\n", argv)
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr = log, log
	start, busy := time.Now(), busySeconds()
	if err := cmd.Run(); err != nil {
		return usage{}, err
	}
	wall, all := time.Since(start).Seconds(), busySeconds()-busy
	ours := (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()
	return usage{
		WallSeconds: wall,
		CPUSeconds:  ours,
		PeakBytes:   peakBytes(cmd.ProcessState),
		OthersBusy:  max(0, all-ours) / max(wall, tick),
	}, nil
}
