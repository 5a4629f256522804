package secret

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
)

const (
	// maxBytes bounds what is read for one secret, so that a mistaken path
	// such as /dev/zero is an error and not a full memory. Private keys, the
	// longest secrets we know, are below 16 KiB.
	maxBytes = 64 << 10
	// commandGrace is how long a command may hold its output open once the
	// context has ended and it was killed.
	commandGrace = 5 * time.Second
)

// Resolve fetches the secret that r refers to. A command runs until ctx
// ends; it inherits standard error, where it may ask for a pass phrase.
func (r Ref) Resolve(ctx context.Context) (Value, error) {
	if err := r.Validate(); err != nil {
		return Value{}, err
	}
	text, err := r.read(ctx)
	if err == nil && text == "" {
		err = ErrEmpty
	}
	if err != nil {
		return Value{}, fmt.Errorf("secret from %s: %w", r.Place(), err)
	}
	return New(text), nil
}

func (r Ref) read(ctx context.Context) (string, error) {
	switch {
	case r.Env != "":
		text, ok := os.LookupEnv(r.Env)
		if !ok {
			return "", errors.New("the variable is not set")
		}
		return text, nil
	case r.File != "":
		return readFile(r.File)
	default:
		return readCommand(ctx, r.Command)
	}
}

func readFile(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", withoutPath(err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxBytes+1))
	if err != nil {
		return "", withoutPath(err)
	}
	return trim(text)
}

// withoutPath drops the path that the os package repeats.
func withoutPath(err error) error {
	if pe, ok := errors.AsType[*os.PathError](err); ok {
		return pe.Err
	}
	return err
}

func readCommand(ctx context.Context, argv []string) (string, error) {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...) // #nosec G204 -- the user's own configuration names it
	out := &capped{}
	cmd.Stdout = out
	cmd.Stderr = os.Stderr
	cmd.WaitDelay = commandGrace
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		if xe, ok := errors.AsType[*exec.Error](err); ok {
			err = xe.Err
		}
		return "", err
	}
	return trim(out.data)
}

// capped keeps the first maxBytes+1 bytes written to it and drops the rest,
// so that a command is not blocked by output nobody will use.
type capped struct{ data []byte }

func (c *capped) Write(p []byte) (int, error) {
	room := maxBytes + 1 - len(c.data)
	c.data = append(c.data, p[:min(len(p), room)]...)
	return len(p), nil
}

func trim(text []byte) (string, error) {
	if len(text) > maxBytes {
		return "", fmt.Errorf("longer than %d bytes: not a secret", maxBytes)
	}
	return strings.TrimSpace(string(text)), nil
}
