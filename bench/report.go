package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
)

// report is all that a run found out. Its JSON is what -json writes.
type report struct {
	Machine string    `json:"machine"`
	Far     string    `json:"far,omitempty"` // the line to the repositories, if there is one
	Quick   bool      `json:"quick"`
	Runs    int       `json:"runs"`
	Tools   []version `json:"tools"`
	Missing []missing `json:"missing"` // tools that could not be had
	Sets    []setSize `json:"sets"`
	Cycles  []cycle   `json:"cycles"`
	Rows    []row     `json:"rows"`
}

// describeMachine names what the absolute figures depend on.
func describeMachine() string {
	return fmt.Sprintf("%s/%s, %d CPUs, %s", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version())
}

// toolNames lists the tools that were had, in the order of the columns.
func (rep *report) toolNames() []string {
	var names []string
	for _, v := range rep.Tools {
		names = append(names, v.Name)
	}
	return names
}

// fill works the cycles out into rows.
func (rep *report) fill() {
	rep.Rows = nil
	for _, set := range rep.Sets {
		rep.Rows = append(rep.Rows, rowsOf(rep.Cycles, set.Name, rep.toolNames(), targetsOf(rep.Quick, rep.Far != ""))...)
	}
}

// print writes the report as Markdown.
func (rep *report) print(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "Median of %d, on %s.\n\n", rep.Runs, rep.Machine)
	if rep.Far != "" {
		fmt.Fprintf(&b, "Repositories lie on %s.\n\n", rep.Far)
	}
	if rep.Quick {
		b.WriteString("Quick data sets, and targets that only guard against gross mistakes.\n\n")
	}
	for _, v := range rep.Tools {
		fmt.Fprintf(&b, "- %s: %s\n", v.Name, v.Version)
	}
	for _, m := range rep.Missing {
		fmt.Fprintf(&b, "- %s: not had: %s\n", m.Name, strings.ReplaceAll(m.Why, "\n", " "))
	}
	for _, set := range rep.Sets {
		rep.printSet(&b, set)
	}
	rep.printFailures(&b)
	_, err := io.WriteString(w, b.String())
	return err
}

// printSet writes the table of one data set.
func (rep *report) printSet(b *strings.Builder, set setSize) {
	fmt.Fprintf(b, "\n### %s: %s, %d files, %d MB\n\n", set.Name, set.Title, set.Files, set.Bytes/1e6)
	names := rep.toolNames()
	b.WriteString("| step | figure | " + strings.Join(names, " | ") + " | ratio | target | |\n")
	b.WriteString("|---|---|" + strings.Repeat("--:|", len(names)+2) + "---|\n")
	for _, r := range rep.Rows {
		if r.Set == set.Name {
			r.print(b, names)
		}
	}
}

func (r row) print(b *strings.Builder, tools []string) {
	title := r.Step.title()
	if r.Ours == rabinName {
		title += ", restic's cut points"
	}
	fmt.Fprintf(b, "| %s | %s |", title, r.Kind)
	for _, tool := range tools {
		cell := "-"
		if value, ok := r.Median[tool]; ok {
			cell = r.Kind.format(value)
		}
		fmt.Fprintf(b, " %s |", cell)
	}
	ratio, limit, verdict := "-", "-", string(r.Result)+" "+r.Why
	if r.Ratio > 0 {
		ratio = fmt.Sprintf("%.2f", r.Ratio)
	}
	if r.Limit > 0 {
		limit = fmt.Sprintf("≤ %.2f", r.Limit)
	}
	if r.Result == missed {
		verdict = "**missed** " + r.Why
	}
	fmt.Fprintf(b, " %s | %s | %s |\n", ratio, limit, strings.TrimSpace(verdict))
}

// format gives seconds two places, so that short steps keep their meaning.
func (k measureKind) format(value float64) string {
	if k == kindCPU || k == kindWall || k == kindOthers {
		return fmt.Sprintf("%.2f", value)
	}
	return fmt.Sprintf("%.0f", value)
}

// printFailures lists the cycles that broke off.
func (rep *report) printFailures(b *strings.Builder) {
	for _, c := range rep.Cycles {
		if c.Error != "" {
			fmt.Fprintf(b, "\nFAILED: %s on %s, round %d: %s\n", c.Tool, c.Set, c.Round+1, c.Error)
		}
	}
}

// save writes the report as JSON to a file, if one is named.
func (rep *report) save(path string) error {
	if path == "" {
		return nil
	}
	text, err := json.MarshalIndent(rep, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}

// verdict is the run's outcome. holdfast failing a step is always an error; a
// missed target, or one with nothing to hold it against, is one when enforce
// is set. Peers may fail.
func (rep *report) verdict(enforce bool) error {
	if slices.ContainsFunc(rep.Cycles, func(c cycle) bool { return c.Tool == holdfastName && c.Error != "" }) {
		return errors.New("holdfast failed a step")
	}
	if !enforce {
		return nil
	}
	var short []string
	compared := false
	for _, r := range rep.Rows {
		compared = compared || r.Result != unmeasured
		if r.Result == missed && !r.Disturbed {
			short = append(short, fmt.Sprintf("%s %s %s", r.Set, r.Step, r.Kind))
		}
	}
	if !compared {
		return errors.New("no target could be held against a measurement")
	}
	if len(short) > 0 {
		return fmt.Errorf("targets missed: %s", strings.Join(short, "; "))
	}
	return nil
}
