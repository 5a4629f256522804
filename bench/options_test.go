package main

import (
	"io"
	"slices"
	"strings"
	"testing"
)

func TestParseOptions(t *testing.T) {
	o, err := parseOptions([]string{"-sets", "D3,D1", "-tools", "restic,holdfast", "-steps", "restore", "-runs", "5"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(o.sets, []string{"D1", "D3"}) {
		t.Errorf("sets = %v", o.sets)
	}
	if !slices.Equal(o.tools, []string{"holdfast", "restic"}) {
		t.Errorf("tools = %v", o.tools)
	}
	if !slices.Equal(o.steps, []step{stepInit, stepFirst, stepRestore}) {
		t.Errorf("steps = %v: restore needs a repository with a backup", o.steps)
	}
	if o.runs != 5 {
		t.Errorf("runs = %d", o.runs)
	}
}

func TestParseOptionsRejects(t *testing.T) {
	for _, args := range []string{"-sets D9", "-tools tar", "-steps rest", "-runs 0", "extra"} {
		if _, err := parseOptions(strings.Fields(args), io.Discard); err == nil {
			t.Errorf("%s: accepted", args)
		}
	}
}
