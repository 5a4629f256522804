package main

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestWalk(t *testing.T) {
	set := testSet(t, nil, func(dir string) error { return many{files: 250}.build(t.Context(), dir) })
	files, err := regularFiles(set.dir)
	if err != nil || len(files) != 250 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	folders, err := filepath.Glob(set.dir + "/*/*")
	if err != nil || len(folders) != 3 {
		t.Errorf("%d folders, %v", len(folders), err)
	}
	w := walk{rounds: testRounds(t, set, copier{}), holdfast: contestant{"copier", copier{}}}
	w.at = site{base: filepath.Join(w.opts.root, "work"), source: set.dir}
	w.opts.runs, w.opts.steps = 2, []step{stepInit, stepFirst}
	if err := w.run(t.Context(), set); err != nil {
		t.Fatal(err)
	}
	if copied, err := regularFiles(w.at.repository()); err != nil || len(copied) != 250 {
		t.Errorf("%d files were backed up, %v", len(copied), err)
	}
	var table strings.Builder
	if err := w.print(&table); err != nil || len(w.finds) != 2 || len(w.backups) != 2 || !strings.Contains(table.String(), "nothing changed") {
		t.Errorf("%v, after %d and %d:\n%s", err, len(w.finds), len(w.backups), table.String())
	}
}
