package service

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"holdfast/internal/event"
	"holdfast/internal/history"
)

// The environment of a run: its ID, which all its processes carry, and the
// file for its Report.
const (
	EnvRun    = "HOLDFAST_RUN"
	EnvReport = "HOLDFAST_RUN_REPORT"
)

// Report is what a run leaves as its last act: how it ended, and what it did.
// It is in a file before the process ends, so that the service learns of it
// even if it was not there at that moment.
type Report struct {
	// Code is the exit code, Message why it is not 0.
	Code    int       `json:"code"`
	Message string    `json:"message,omitempty"`
	Ended   time.Time `json:"ended"`

	Phases []history.Phase `json:"phases,omitempty"`
	// Bytes were read from the source or moved, Added were new to the
	// repository; Files were looked at.
	Bytes     uint64             `json:"bytes,omitempty"`
	Added     uint64             `json:"added,omitempty"`
	Files     uint64             `json:"files,omitempty"`
	Snapshots []string           `json:"snapshots,omitempty"`
	Figures   map[string]float64 `json:"figures,omitempty"`
	// Plan, Source and Repository are what it was about, if that was not known
	// when it began.
	Plan       string `json:"plan,omitempty"`
	Source     string `json:"source,omitempty"`
	Repository string `json:"repository,omitempty"`
	// Events are what people should be told besides. Told says that they tell
	// all that went wrong.
	Events []event.Event `json:"events,omitempty"`
	Told   bool          `json:"told,omitempty"`
	// More says that the work was bounded, and that there is more of it.
	More bool `json:"more,omitempty"`
}

// AddFigure adds to a figure of the report.
func (r *Report) AddFigure(name string, by float64) {
	if r.Figures == nil {
		r.Figures = map[string]float64{}
	}
	r.Figures[name] += by
}

// Reporter collects the report of this process, if a service started it.
type Reporter struct {
	path string
	mu   sync.Mutex
	// Report is what was collected.
	report Report
}

// NewReporter returns the reporter of this process; nil if no service waits
// for a report. Processes that this one starts do not report.
func NewReporter() *Reporter {
	path := os.Getenv(EnvReport)
	if path == "" {
		return nil
	}
	os.Unsetenv(EnvReport) //nolint:errcheck // a name of letters can be unset
	return &Reporter{path: path}
}

// Note changes the report.
func (r *Reporter) Note(change func(*Report)) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	change(&r.report)
}

// Phase notes a part of the run that ended.
func (r *Reporter) Phase(name string, started time.Time, err error) {
	p := history.Phase{Name: name, Started: started, Took: time.Since(started)}
	if err != nil {
		p.Error = err.Error()
	}
	r.Note(func(report *Report) { report.Phases = append(report.Phases, p) })
}

// End writes the report.
func (r *Reporter) End(code int, message string) error {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.report.Code, r.report.Message, r.report.Ended = code, message, time.Now()
	text, err := json.Marshal(r.report)
	if err != nil {
		return fmt.Errorf("report to the service: %w", err)
	}
	if err := writeFile(r.path, text); err != nil {
		return fmt.Errorf("report to the service: %w", err)
	}
	return nil
}

// writeFile writes a file that is there whole or not at all, also after a
// crash of the machine.
func writeFile(path string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// readReport returns the report of a run; nil if it left none.
func readReport(path string) (*Report, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // no report is the answer for a run that was killed
	}
	if err != nil {
		return nil, err
	}
	r := new(Report)
	if err := json.Unmarshal(text, r); err != nil {
		return nil, fmt.Errorf("read the report %s: %w", path, err)
	}
	slices.Sort(r.Snapshots)
	r.Snapshots = slices.Compact(r.Snapshots)
	return r, nil
}
