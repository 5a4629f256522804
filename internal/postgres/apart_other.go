//go:build !linux

package postgres

import "os/exec"

// CanBeApart tells whether a server can have a network of its own.
func CanBeApart() bool { return false }

func keepApart(*exec.Cmd) {}
