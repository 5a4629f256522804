package cli

import (
	"context"
	"errors"

	"holdfast/repository"
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
	if c.ui == nil {
		c.ui = newUI(c.streams, c.global)
	}
	c.ui.fail(code, err)
	return code
}

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
