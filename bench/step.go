package main

import "strings"

// step is one measured piece of a cycle. The order of a cycle is that of
// allSteps.
type step string

const (
	stepInit      step = "init"
	stepFirst     step = "first"     // backup into an empty repository
	stepUnchanged step = "unchanged" // backup of the same tree
	stepChanged   step = "changed"   // backup after 1 % changed
	stepRestore   step = "restore"   // of the last backup, into an empty folder
	stepCheck     step = "check"     // every byte of the repository read
	stepForget    step = "forget"    // keep the last backup, prune the rest
)

func allSteps() []step {
	return []step{stepInit, stepFirst, stepUnchanged, stepChanged, stepRestore, stepCheck, stepForget}
}

// title is what the table calls the step.
func (s step) title() string {
	switch s {
	case stepFirst:
		return "first backup"
	case stepUnchanged:
		return "nothing changed"
	case stepChanged:
		return "1 % changed"
	case stepCheck:
		return "check, all data read"
	case stepForget:
		return "forget and prune"
	}
	return string(s)
}

// sizesRepository says whether the repository's size after the step is worth
// a row.
func (s step) sizesRepository() bool {
	return s == stepFirst || s == stepChanged || s == stepForget
}

func (s step) isBackup() bool {
	return s == stepFirst || s == stepUnchanged || s == stepChanged
}

func joinSteps(steps []step) string {
	names := make([]string, len(steps))
	for i, s := range steps {
		names[i] = string(s)
	}
	return strings.Join(names, ",")
}
