package main

import (
	"path/filepath"
	"strconv"
)

// borg runs borg with its default compression, lz4. It restores into the
// folder it runs in, so a shell changes to that folder and execs it.
type borg struct{ program string }

var _ tool = borg{}

func (b borg) env(at site) []string {
	return []string{
		"BORG_PASSPHRASE=" + password,
		"BORG_BASE_DIR=" + filepath.Join(at.base, "borg"),
		"BORG_REPO=" + at.repository(),
	}
}

func (b borg) version() []string { return []string{b.program, "--version"} }

func (b borg) commands(s step, at site) [][]string {
	run := func(args ...string) []string { return append([]string{b.program}, args...) }
	archive := "::b" + strconv.Itoa(at.backups)
	switch s {
	case stepInit:
		return [][]string{run("init", "-e", "repokey")}
	case stepFirst, stepUnchanged, stepChanged:
		return [][]string{run("create", "-C", "lz4", archive, ".")}
	case stepRestore:
		return [][]string{{"/bin/sh", "-c", `mkdir -p "$1" && cd "$1" && shift && exec "$@"`, "sh", at.restored(), b.program, "extract", archive}}
	case stepCheck:
		return [][]string{run("check", "--verify-data")}
	case stepForget:
		return [][]string{run("prune", "--keep-last", "1"), run("compact")}
	}
	panic("borg: no such step: " + s)
}
