package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"holdfast/internal/source"
)

func (f *sourceFlags) openStream(content io.ReadCloser, failure func() error) *opened {
	path := "/" + strings.TrimPrefix(filepath.ToSlash(f.stdinFilename), "/")
	return &opened{
		source: &source.Stream{
			Path: path, Content: &someData{ReadCloser: content}, ModTime: time.Now(),
			UID: uint32(max(0, os.Getuid())), GID: uint32(max(0, os.Getgid())), //nolint:gosec // IDs are small
		},
		paths: []string{path}, readers: source.Exactly(1), failure: failure,
	}
}

// errNoData ends a stream in which nothing came. Nobody sees of a pipe whether
// the program before it failed, and an empty dump must not be the newest backup.
var errNoData = errors.New("no data came, so no snapshot was made; did the program fail that was to print it?")

// someData is a stream that fails if it ends before anything came.
type someData struct {
	io.ReadCloser
	came bool
}

func (s *someData) Read(p []byte) (int, error) {
	n, err := s.ReadCloser.Read(p)
	s.came = s.came || n > 0
	if errors.Is(err, io.EOF) && !s.came {
		err = errNoData
	}
	return n, err
}

// openCommand starts a command and backs up what it prints. Reading fails at
// the end if the command does, so that no snapshot is made of half an output.
func (f *sourceFlags) openCommand(ctx context.Context, c *command, args []string) (*opened, error) {
	if len(args) == 0 {
		return nil, errors.New("--stdin-from-command needs a command: `holdfast backup --stdin-from-command -- pg_dump shop`")
	}
	cmd := exec.CommandContext(ctx, args[0], args[1:]...) //nolint:gosec // it is what the user asked for
	cmd.Stderr = c.streams.Err
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", args[0], err)
	}
	o := &commandOutput{ReadCloser: out, cmd: cmd}
	return f.openStream(o, o.failure), nil
}

// commandOutput is the output of a command; its end is an error if the
// command failed.
type commandOutput struct {
	io.ReadCloser
	cmd    *exec.Cmd
	ended  bool
	result error
}

func (o *commandOutput) Read(p []byte) (int, error) {
	n, err := o.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		if failure := o.failure(); failure != nil {
			return n, failure
		}
	}
	return n, err
}

// failure waits for the command and returns why it failed, if it did.
func (o *commandOutput) failure() error {
	if !o.ended {
		o.ended = true
		if err := o.cmd.Wait(); err != nil {
			o.result = fmt.Errorf("the command %s failed, so no snapshot was made: %w", o.cmd.Path, err)
		}
	}
	return o.result
}
