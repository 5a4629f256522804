package cli

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"unicode"
)

// linesBufferBytes is what a command that prints much collects before it
// writes: a system call for each line would cost more than the line.
const linesBufferBytes = 64 << 10

// errOutputClosed says that whoever read the output has gone, as head does
// once it has its lines. Nobody is left to be told.
var errOutputClosed error = &codeError{exitOutputClosed, errors.New("the output was closed")}

// exitOutputClosed is what a shell shows for programs that SIGPIPE ends.
const exitOutputClosed = 128 + int(syscall.SIGPIPE)

// surviveClosedOutput makes writing to a closed pipe an error instead of the
// end of the process, so that locks are released. Programs that are started
// are not affected, as they would be if the signal were ignored.
func surviveClosedOutput() { signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) }

// lines is standard output for commands that print much: buffered, and its
// errors end the command. It is for one goroutine.
type lines struct {
	w   *bufio.Writer
	enc *json.Encoder
}

func (c *command) lines() *lines {
	w := bufio.NewWriterSize(closedAware{c.streams.Out}, linesBufferBytes)
	return &lines{w: w, enc: json.NewEncoder(w)}
}

// printf writes a part of the result.
func (l *lines) printf(format string, args ...any) error {
	_, err := fmt.Fprintf(l.w, format, args...)
	return err
}

// json writes a JSON value as one line.
func (l *lines) json(v any) error { return l.enc.Encode(v) }

// end writes what is left, unless the command failed with err.
func (l *lines) end(err error) error {
	if errors.Is(err, errOutputClosed) {
		return err
	}
	return errors.Join(err, l.w.Flush())
}

// closedAware turns the error of a closed pipe into errOutputClosed.
type closedAware struct{ io.Writer }

func (w closedAware) Write(p []byte) (int, error) {
	n, err := w.Writer.Write(p)
	if errors.Is(err, syscall.EPIPE) {
		err = errOutputClosed
	}
	return n, err
}

// printable returns s as it is if a terminal shows it as it is, and quoted
// otherwise: a file name must not move the cursor or hide a line.
func printable(s string) string {
	for _, r := range s {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return strconv.Quote(s)
		}
	}
	return s
}
