//go:build !unix

package cli

import "os/exec"

const canDetach = false

func detach(*exec.Cmd) {}

func isPrivate(string) bool { return false }

func serverLives(string) bool { return false }
