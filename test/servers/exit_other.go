//go:build !linux

package servers

import (
	"errors"
	"os/exec"
)

// errNotHere is never seen: tests are skipped before (see wantLinux).
var errNotHere = errors.New("servers: the servers for tests run on Linux")

func startBound(*exec.Cmd) error { return errNotHere }

func removeAtExit(string) error { return errNotHere }
