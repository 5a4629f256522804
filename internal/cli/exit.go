package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"

	"holdfast/repository"
	"holdfast/storage"
)

// The exit codes, those of restic where it has one.
const (
	exitOK           = 0
	exitFailed       = 1
	exitIncomplete   = 3
	exitNoRepository = 10
	exitLocked       = 11
	exitPassword     = 12
	exitInterrupted  = 130
)

// codeError is an error that ends the program with a certain code.
type codeError struct {
	code int
	err  error
}

func (e *codeError) Error() string { return e.err.Error() }
func (e *codeError) Unwrap() error { return e.err }

// errIncomplete ends a command that did its work but could not read all of
// the source.
func errIncomplete(err error) error { return &codeError{exitIncomplete, err} }

// exit prints the error, if any, and returns the code.
func (c *command) exit(ctx context.Context, err error) int {
	if err == nil {
		return exitOK
	}
	code := exitCode(ctx, err)
	if errors.Is(err, errOutputClosed) {
		return code
	}
	if code == exitInterrupted {
		err = fmt.Errorf("interrupted; run the command again to finish (%w)", err)
	} else if c.reporter != nil && errors.Is(err, syscall.EROFS) {
		err = fmt.Errorf("%w; %s", err, unitStep)
	} else if step := nextStep(err); step != "" {
		err = fmt.Errorf("%w; %s", err, step)
	}
	if c.ui == nil {
		c.ui = newUI(c.streams, c.global)
	}
	c.failure = err.Error()
	c.ui.fail(code, err)
	return code
}

// unitStep is what to do where a run of the service meets what is read-only to
// it.
const unitStep = "a service that systemd runs writes only where its unit says, which `holdfast service install --now` makes follow holdfast.yaml; " +
	"or run the command that the log begins with, as root"

func exitCode(ctx context.Context, err error) int {
	var coded *codeError
	var locked *repository.LockedError
	switch {
	case errors.As(err, &coded):
		return coded.code
	case ctx.Err() != nil:
		return exitInterrupted
	case errors.Is(err, repository.ErrNoRepository):
		return exitNoRepository
	case errors.As(err, &locked):
		return exitLocked
	case errors.Is(err, repository.ErrWrongPassword):
		return exitPassword
	}
	return exitFailed
}

// nextStep tells the user what to do about an error, or "" where the error
// says so itself.
func nextStep(err error) string {
	switch {
	case errors.Is(err, storage.ErrFull):
		return "make room there, for instance with `holdfast forget --prune` or `holdfast prune`, and run the command again: it goes on where it was"
	case errors.Is(err, storage.ErrReadOnly):
		return "make the place writable for this user; to only read from it, use --no-lock"
	case errors.Is(err, repository.ErrWrongPassword):
		return "check --password-file, --password-command or HOLDFAST_PASSWORD"
	case errors.Is(err, repository.ErrExists):
		return "use it as it is, or choose another place"
	case strings.HasPrefix(err.Error(), "unknown flag"),
		strings.HasPrefix(err.Error(), "unknown shorthand flag"), strings.HasPrefix(err.Error(), "required flag"):
		return "see --help" // cobra has no error types for these
	}
	return ""
}
