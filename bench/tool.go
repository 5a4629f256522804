package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"holdfast/test/tools"
)

// tool spells the steps of a cycle as command lines of one program.
type tool interface {
	// commands returns what to run, in turn, for a step.
	commands(s step, at site) [][]string
	// env returns what to add to the environment of every command.
	env(at site) []string
	// version returns the command that prints the program's version.
	version() []string
}

// site is where one cycle takes place: fresh, empty folders.
type site struct {
	base    string // holds all of the below, and is removed afterwards
	source  string // the data set; commands run in it
	backups int    // made so far, the one being made included
	far     bucket // where the repository lies; zero for a folder of base
}

// repository is the folder or, for those who know restic's, the URL.
func (s site) repository() string {
	if s.far.isSet() {
		return s.far.url()
	}
	return filepath.Join(s.base, "repository")
}

func (s site) cache() string    { return filepath.Join(s.base, "cache") }
func (s site) home() string     { return filepath.Join(s.base, "home") }
func (s site) restored() string { return filepath.Join(s.base, "restored") }

// The tools, in the order of the table's columns. Ratios are holdfast's to
// baselineName's.
const (
	holdfastName = "holdfast"
	baselineName = "restic"
	// rabinName is holdfast with restic's cut points.
	rabinName = "holdfast-rabin"
)

func toolNames() []string {
	return []string{holdfastName, rabinName, baselineName, "restic-sid", "kopia", "borg", "rclone"}
}

// usualTools are those that can do all steps: borg knows no object stores,
// and rclone, which copies files as they are, is compared over a line only.
func usualTools(far bool) []string {
	if far {
		return []string{holdfastName, baselineName, "kopia", "rclone"}
	}
	return []string{holdfastName, rabinName, baselineName, "restic-sid", "kopia", "borg"}
}

// contestant is a tool that was had.
type contestant struct {
	name string
	tool tool
}

// missing is a tool that could not be had.
type missing struct {
	Name string `json:"name"`
	Why  string `json:"why"`
}

// buildTools makes every wanted tool. A peer that cannot be had is named in the
// report, and the others go on without it; without holdfast there is no point.
func buildTools(ctx context.Context, o options) (had []contestant, lost []missing, err error) {
	for _, name := range o.tools {
		fmt.Fprintf(os.Stderr, "getting %s\n", name)
		program, err := obtain(ctx, name, o)
		if err != nil && name == holdfastName {
			return nil, nil, err
		}
		if err != nil {
			lost = append(lost, missing{Name: name, Why: err.Error()})
			continue
		}
		had = append(had, contestant{name: name, tool: newTool(name, program)})
	}
	return had, lost, nil
}

// obtain returns the program of a tool.
func obtain(ctx context.Context, name string, o options) (string, error) {
	switch {
	case name != holdfastName && name != rabinName:
		return tools.Install(ctx, name)
	case o.holdfast != "":
		return filepath.Abs(o.holdfast)
	}
	program := filepath.Join(o.root, "bin", holdfastName)
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", program, "holdfast/cmd/holdfast")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the checkout: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return program, nil
}

func newTool(name, program string) tool {
	switch name {
	case rabinName:
		return restic{program: program, cutter: "rabin"}
	case "kopia":
		return kopia{program}
	case "borg":
		return borg{program}
	case "rclone":
		return rclone{program}
	}
	return restic{program: program}
}

// versions asks every tool what it is.
func versions(ctx context.Context, had []contestant) []version {
	var all []version
	for _, c := range had {
		argv := c.tool.version()
		out, err := exec.CommandContext(ctx, argv[0], argv[1:]...).CombinedOutput()
		first, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
		if err != nil {
			first = fmt.Sprintf("does not tell its version: %v", err)
		}
		all = append(all, version{Name: c.name, Version: first})
	}
	return all
}

// version is a tool's name and what it says it is.
type version struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

// password opens every repository made here.
const password = "benchmark-passphrase"
