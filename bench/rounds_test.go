//go:build unix

package main

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// copier is a backup tool made of cp. Its steps can be replaced to make it fail.
type copier struct{ instead map[step]string }

func (copier) env(at site) []string {
	return []string{"REPO=" + at.repository(), "OUT=" + at.restored()}
}
func (copier) version() []string { return []string{"/bin/true"} }

func (c copier) commands(s step, _ site) [][]string {
	scripts := map[step]string{
		stepInit:    `mkdir "$REPO"`,
		stepFirst:   `cp -a . "$REPO"`,
		stepChanged: `cp -a . "$REPO"`,
		stepRestore: `cp -a "$REPO" "$OUT"`,
	}
	maps.Copy(scripts, c.instead)
	script, ok := scripts[s]
	if !ok {
		script = ":"
	}
	return [][]string{{"/bin/sh", "-ec", script}}
}

func TestCycle(t *testing.T) {
	for name, c := range map[string]struct {
		instead map[step]string
		failure string // "" for none
		last    step   // that was measured
	}{
		"whole":        {nil, "", stepForget},
		"step fails":   {map[step]string{stepUnchanged: "exit 1"}, "unchanged:", stepFirst},
		"bad restore":  {map[step]string{stepRestore: `cp -a "$REPO" "$OUT"; echo x >>"$OUT"/00/00/00/f000007.json`}, "f000007.json", stepRestore},
		"old restored": {map[step]string{stepChanged: ":"}, "the restored tree is not the source", stepRestore},
	} {
		t.Run(name, func(t *testing.T) {
			set := testSet(t, editLines, func(dir string) error { return tiny{files: 200}.build(t.Context(), dir) })
			before := contents(t, set.dir)
			r := testRounds(t, set, copier{c.instead})
			cycles, err := r.run(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			got := cycles[0]
			if c.failure == "" && got.Error != "" || !strings.Contains(got.Error, c.failure) {
				t.Errorf("error is %q, want %q", got.Error, c.failure)
			}
			if _, ok := got.Usage[c.last]; !ok {
				t.Errorf("%s was not measured: %+v", c.last, got.Usage)
			}
			if got.Sizes[stepFirst] == 0 {
				t.Error("the repository has no size")
			}
			if !maps.Equal(before, contents(t, set.dir)) {
				t.Error("the data set was not put back")
			}
			left, _ := os.ReadDir(filepath.Join(r.opts.root, "work"))
			if len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	set := testSet(t, editLines, func(dir string) error { return tiny{files: 200}.build(t.Context(), dir) })
	before := contents(t, set.dir)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := testRounds(t, set, copier{}).run(ctx); err == nil {
		t.Error("an interrupted run gives no error")
	}
	if !maps.Equal(before, contents(t, set.dir)) {
		t.Error("the data set was not put back")
	}
}

func TestStepLimit(t *testing.T) {
	set := testSet(t, editLines, func(dir string) error { return tiny{files: 100}.build(t.Context(), dir) })
	r := testRounds(t, set, copier{map[step]string{stepInit: "exec sleep 60"}})
	r.opts.limit = 50 * time.Millisecond
	cycles, err := r.run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(cycles[0].Error, context.DeadlineExceeded.Error()) {
		t.Errorf("error is %q, want the deadline", cycles[0].Error)
	}
}

func testRounds(t *testing.T, set dataSet, tool tool) rounds {
	t.Helper()
	return rounds{
		opts:   options{root: t.TempDir(), runs: 1, steps: allSteps(), limit: time.Minute},
		sets:   []dataSet{set},
		tools:  []contestant{{"copier", tool}},
		settle: func() {},
	}
}
