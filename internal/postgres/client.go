package postgres

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Client runs PostgreSQL's client programs against a server.
type Client struct {
	// Bin is the folder of the programs.
	Bin string
	Address
}

// newestKnown bounds the versions of programs that are looked for.
const newestKnown = 30

// ClientPrograms returns the folder of client programs that can work on a
// server of a major version: those of that version or, without, of the oldest
// that is newer. Older ones cannot.
func ClientPrograms(major int, given string) (string, error) {
	var places []string
	if given != "" {
		places = []string{given}
	} else {
		for version := major; version <= max(major, newestKnown); version++ {
			places = append(places, packagePlaces(version)...)
		}
		if path, err := exec.LookPath("pg_dump"); err == nil {
			places = append(places, filepath.Dir(path))
		}
	}
	older := 0
	for _, place := range places {
		version := programVersion(filepath.Join(place, "pg_dump"))
		if version >= major {
			return place, nil
		}
		older = max(older, version)
	}
	if older > 0 {
		return "", fmt.Errorf("pg_dump here is of PostgreSQL %d, and the server, or the dump, is of %d: an older pg_dump cannot read what is newer. Install the client programs of PostgreSQL %d (Debian and Ubuntu: postgresql-client-%d, Red Hat: postgresql%d), or name their folder (bin_dir of the source, or --bin-dir)",
			older, major, major, major, major)
	}
	return "", fmt.Errorf("pg_dump of PostgreSQL %d or later is not here; install its client programs (Debian and Ubuntu: postgresql-client-%d, Red Hat: postgresql%d), or name their folder (bin_dir of the source, or --bin-dir)", major, major, major)
}

// Version returns the major version of a program.
func (c Client) Version(program string) (int, error) {
	version := programVersion(filepath.Join(c.Bin, program))
	if version == 0 {
		return 0, fmt.Errorf("%s in %s does not tell its version", program, c.Bin)
	}
	return version, nil
}

// stopWithin is how long a program that is interrupted may take to take leave
// of the server.
const stopWithin = 10 * time.Second

func (c Client) command(ctx context.Context, program string, args []string) (*exec.Cmd, *tailWriter) {
	cmd := exec.CommandContext(ctx, filepath.Join(c.Bin, program), args...)
	cmd.Env = append(os.Environ(), c.Env()...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = stopWithin
	said := new(tailWriter)
	cmd.Stderr = said
	return cmd, said
}

// ProgramError says that a program failed, and what it said.
type ProgramError struct {
	Program string
	Said    string
	Err     error
}

func (e *ProgramError) Error() string {
	if e.Said == "" {
		return fmt.Sprintf("%s: %v", e.Program, e.Err)
	}
	return fmt.Sprintf("%s: %v: %s", e.Program, e.Err, e.Said)
}

func (e *ProgramError) Unwrap() error { return e.Err }

// Output is what a program prints. Its end is an error if the program failed,
// so that half an output is never taken for a whole one.
type Output struct {
	pipe   io.ReadCloser
	wait   func() error
	ended  bool
	result error
}

// Start starts a program to read what it prints.
func (c Client) Start(ctx context.Context, program string, args ...string) (*Output, error) {
	cmd, said := c.command(ctx, program, args)
	pipe, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return nil, &ProgramError{program, "", err}
	}
	return &Output{pipe: pipe, wait: func() error {
		if err := cmd.Wait(); err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return &ProgramError{program, said.String(), err}
		}
		return nil
	}}, nil
}

// Read reads what the program prints.
func (o *Output) Read(p []byte) (int, error) {
	if o.ended {
		return 0, cmp.Or(o.result, io.EOF)
	}
	n, err := o.pipe.Read(p)
	if err == nil {
		return n, nil
	}
	if failure := o.finish(); failure != nil {
		return n, failure
	}
	return n, err
}

// Close ends a program that is not read to its end.
func (o *Output) Close() error {
	if o.ended {
		return nil
	}
	err := o.pipe.Close() // the program cannot go on
	o.finish()            //nolint:errcheck // it was not let finish
	return err
}

func (o *Output) finish() error {
	if !o.ended {
		o.ended, o.result = true, o.wait()
	}
	return o.result
}

// Printed is what a program printed, and the last of what it said beside that.
type Printed struct {
	Out  []byte
	Said string
}

// Feed runs a program with content on its standard input, if any. It may end
// well without having read all.
func (c Client) Feed(ctx context.Context, content func(w io.Writer) error, program string, args ...string) (p Printed, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cmd, said := c.command(ctx, program, args)
	var out bytes.Buffer
	cmd.Stdout = &out
	var in io.WriteCloser
	if content != nil {
		if in, err = cmd.StdinPipe(); err != nil {
			return p, &ProgramError{program, "", err}
		}
	}
	if err := cmd.Start(); err != nil {
		return p, &ProgramError{program, "", err}
	}
	var unread error
	if content != nil {
		if unread = content(in); errors.Is(unread, syscall.EPIPE) || errors.Is(unread, os.ErrClosed) {
			unread = nil // the program has what it wants, or tells why not
		}
		if unread != nil {
			cancel() // before its input ends: it must not take that for all
		}
		in.Close() //nolint:errcheck // the program may have closed it
	}
	err = cmd.Wait()
	p = Printed{out.Bytes(), said.String()}
	switch {
	case unread != nil:
		return p, unread
	case err != nil:
		return p, &ProgramError{program, p.Said, err}
	}
	return p, nil
}

// tailBytes is how much of what a program says is kept: its last words.
const tailBytes = 4000

// tailWriter keeps the end of what is written.
type tailWriter struct{ kept []byte }

func (t *tailWriter) Write(p []byte) (int, error) {
	t.kept = append(t.kept, p...)
	if cut := len(t.kept) - tailBytes; cut > 0 {
		t.kept = append(t.kept[:0], t.kept[cut:]...)
	}
	return len(p), nil
}

func (t *tailWriter) String() string { return strings.TrimSpace(string(t.kept)) }
