package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"text/tabwriter"

	"holdfast/internal/app/service"
)

// ui prints: results to standard output, everything else to standard error.
// With --json, standard output has one JSON object a line and nothing else.
// It may be used from several goroutines.
type ui struct {
	mu      sync.Mutex
	out     io.Writer
	err     io.Writer
	json    bool
	quiet   bool
	verbose int
	// reporter takes the messages that belong to the report of a run.
	reporter *service.Reporter
}

func newUI(s Streams, g globalFlags) *ui {
	return &ui{out: s.Out, err: s.Err, json: g.json, quiet: g.quiet, verbose: g.verbose}
}

// printf writes a part of the result for people. It is silent with --json.
func (u *ui) printf(format string, args ...any) {
	if u.json {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	fmt.Fprintf(u.out, format, args...) //nolint:errcheck // nowhere to report it
}

// infof tells people what goes on. It is silent with --json and --quiet.
func (u *ui) infof(format string, args ...any) {
	if u.json || u.quiet {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	fmt.Fprintf(u.out, format+"\n", args...) //nolint:errcheck // nowhere to report it
}

// message writes a JSON object as one line, if the user asked for JSON.
func (u *ui) message(v any) {
	if m, ok := v.(reported); ok {
		u.reporter.Note(m.addTo)
	}
	if !u.json {
		return
	}
	u.writeJSON(u.out, v)
}

func (u *ui) writeJSON(w io.Writer, v any) {
	line, err := json.Marshal(v)
	if err != nil {
		panic("cli: message cannot be encoded: " + err.Error())
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	w.Write(append(line, '\n')) //nolint:errcheck // nowhere to report it
}

// errorMessage tells of something that went wrong while the command goes on.
type errorMessage struct {
	MessageType string      `json:"message_type"` // "error"
	Error       errorDetail `json:"error"`
	During      string      `json:"during,omitempty"`
	Item        string      `json:"item,omitempty"`
}

type errorDetail struct {
	Message string `json:"message"`
}

// exitMessage tells why the command failed.
type exitMessage struct {
	MessageType string `json:"message_type"` // "exit_error"
	Code        int    `json:"code"`
	Message     string `json:"message"`
}

// warn tells of something that went wrong while the command goes on. The
// item is what it concerns; it may be "".
func (u *ui) warn(during, item string, err error) {
	if u.json {
		u.writeJSON(u.err, errorMessage{"error", errorDetail{err.Error()}, during, item})
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if item != "" {
		item += ": "
	}
	fmt.Fprintf(u.err, "%s%v\n", item, err) //nolint:errcheck // nowhere to report it
}

// fail tells why the command failed.
func (u *ui) fail(code int, err error) {
	if u.json {
		u.writeJSON(u.err, exitMessage{"exit_error", code, err.Error()})
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	fmt.Fprintf(u.err, "holdfast: %v\n", err) //nolint:errcheck // nowhere to report it
}

// table prints rows in aligned columns, unless the user asked for JSON.
func (u *ui) table(header []string, rows [][]string) {
	if u.json {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	w := tabwriter.NewWriter(u.out, 0, 0, 2, ' ', 0)
	for _, row := range append([][]string{header}, rows...) {
		for n, cell := range row {
			if n > 0 {
				fmt.Fprint(w, "\t") //nolint:errcheck // nowhere to report it
			}
			fmt.Fprint(w, cell) //nolint:errcheck // nowhere to report it
		}
		fmt.Fprintln(w) //nolint:errcheck // nowhere to report it
	}
	w.Flush() //nolint:errcheck // nowhere to report it
}
