//go:build unix

package main

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// TestMain lets the test binary be the measuring child, as the program is.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == measureCommand {
		os.Exit(measureMain(context.Background(), os.Args[2:]))
	}
	os.Exit(m.Run())
}

func TestMeasure(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	dir := t.TempDir()
	u, err := measure(t.Context(), dir, append(os.Environ(), "WORD=hello"), log, []string{"/bin/sh", "-c", "echo $WORD in $(pwd); echo oops >&2"})
	if err != nil {
		t.Fatal(err)
	}
	if u.WallSeconds <= 0 || u.CPUSeconds <= 0 || u.PeakBytes <= 0 {
		t.Errorf("usage = %+v", u)
	}
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"hello in " + dir, "oops", "$ "} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the log lacks %q: %s", want, text)
		}
	}
}

// Without the child between, the peak of every tool would start at the
// benchmark's own size.
func TestMeasureLeavesOutOurOwnMemory(t *testing.T) {
	const ballast = 256 * mib
	held := make([]byte, ballast)
	for i := 0; i < len(held); i += 4096 {
		held[i] = 1
	}
	u, err := measure(t.Context(), "", os.Environ(), filepath.Join(t.TempDir(), "log"), []string{"/bin/true"})
	if err != nil {
		t.Fatal(err)
	}
	runtime.KeepAlive(held)
	if u.PeakBytes > ballast/4 {
		t.Errorf("/bin/true peaked at %d MiB", u.PeakBytes>>20)
	}
}

func TestMeasureFails(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	_, err := measure(t.Context(), "", os.Environ(), log, []string{"/bin/sh", "-c", "exit 3"})
	if err == nil || !strings.Contains(err.Error(), log) {
		t.Errorf("err = %v, want one that names the log", err)
	}
}

func TestUsageThen(t *testing.T) {
	got := usage{WallSeconds: 1, CPUSeconds: 2, PeakBytes: 30, OthersBusy: 0.5}.then(usage{WallSeconds: 4, CPUSeconds: 5, PeakBytes: 20, OthersBusy: 0.1})
	if want := (usage{WallSeconds: 5, CPUSeconds: 7, PeakBytes: 30, OthersBusy: 0.5}); got != want {
		t.Errorf("then = %+v, want %+v", got, want)
	}
}
