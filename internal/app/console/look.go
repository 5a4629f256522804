package console

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"

	"holdfast/internal/api"
)

// maxMessage bounds one message of a command that is understood.
const maxMessage = 8 << 20

// commandError is why a command that only looks could not do so.
type commandError struct{ err error }

func (e *commandError) Error() string { return e.err.Error() }
func (e *commandError) Unwrap() error { return e.err }

// look has a command of this program print what it finds out. It waits for a
// place among those that look. What the command fails with is a commandError.
func (c *Console) look(ctx context.Context, out io.Writer, args ...string) error {
	leave, err := c.looking.take(ctx)
	if err != nil {
		return err
	}
	defer leave()
	ctx, cancel := context.WithTimeoutCause(ctx, foretellLimit, fmt.Errorf("%w: it took longer than %v; `holdfast %s` on the machine itself waits as long as it takes", api.ErrUnavailable, foretellLimit, args[0]))
	defer cancel()
	var wrote error
	err = c.o.Try(ctx, args, func(text []byte) {
		if wrote == nil {
			_, wrote = out.Write(text)
		}
	})
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case wrote != nil:
		return wrote
	case err != nil:
		return &commandError{err}
	}
	return nil
}

// read has a command tell in JSON what it finds out, and takes each message.
func (c *Console) read(ctx context.Context, take func(message []byte) error, args ...string) error {
	m := &messages{take: take}
	if err := c.look(ctx, m, append(args, "--json")...); err != nil {
		return err
	}
	return m.end()
}

// messages takes apart what a command prints: one message a line.
type messages struct {
	take func(message []byte) error
	rest []byte
}

func (m *messages) Write(p []byte) (int, error) {
	m.rest = append(m.rest, p...)
	for {
		line, rest, found := bytes.Cut(m.rest, []byte("\n"))
		if !found {
			break
		}
		if err := m.one(line); err != nil {
			return 0, err
		}
		m.rest = rest
	}
	if len(m.rest) > maxMessage {
		return 0, fmt.Errorf("a message of more than %d bytes", maxMessage)
	}
	return len(p), nil
}

func (m *messages) end() error { return m.one(m.rest) }

func (m *messages) one(line []byte) error {
	if len(bytes.TrimSpace(line)) == 0 {
		return nil
	}
	return m.take(line)
}

// of is a taker of messages of one type; others are passed over. With kind ""
// all are meant.
func of[T any](kind string, take func(T)) func(message []byte) error {
	return func(message []byte) error {
		var named struct {
			MessageType string `json:"message_type"`
		}
		if err := json.Unmarshal(message, &named); err != nil {
			return fmt.Errorf("read what the command says: %w", err)
		}
		if kind != "" && named.MessageType != kind {
			return nil
		}
		var m T
		if err := json.Unmarshal(message, &m); err != nil {
			return fmt.Errorf("read what the command says: %w", err)
		}
		take(m)
		return nil
	}
}

// unavailable gives what a command failed with the words of the API.
func unavailable(err error) error {
	if failed, ok := err.(*commandError); ok { //nolint:errorlint // as look returned it
		return fmt.Errorf("%w: %w", api.ErrUnavailable, failed.err)
	}
	return err
}
