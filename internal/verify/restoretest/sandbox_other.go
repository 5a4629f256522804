//go:build !linux

package restoretest

import (
	"context"
	"errors"
	"os/exec"
)

// SandboxCommand is the (hidden) command of this program that calls Enter.
const SandboxCommand = "sandbox"

func (s *Sandbox) apart() bool { return false }

func (s *Sandbox) command(ctx context.Context, args []string) (*exec.Cmd, error) {
	return plainCommand(ctx, args)
}

// Enter is for Linux.
func Enter(string, string, []string) error { return errors.ErrUnsupported }
