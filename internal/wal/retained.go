package wal

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"holdfast/internal/logarchive"
	"holdfast/internal/postgres"
)

// Retained bounds how much WAL a server keeps while it cannot be archived.
// Without it, its disk fills up and the server stops: no commit is lost, and
// none is possible. With it, WAL is let go: the server lives on, and the log
// has a gap until the next base backup.
type Retained struct {
	// MaxBytes is the bound; 0 lets nothing go.
	MaxBytes int64
	// LetGo is told what is let go. When it fails, nothing is.
	LetGo func(Loss) error
	// Losses, if set, are moved into the archives when these can be written to.
	Losses *Losses
	// Noted, if set, is told when they are: only now a base backup can be taken
	// for certain.
	Noted func(Loss)
}

// Loss is WAL that was let go.
type Loss struct {
	System   string       `json:"system"`
	Timeline uint32       `json:"timeline"`
	Start    postgres.LSN `json:"start"`
	End      postgres.LSN `json:"end"`
	// Name is the first segment's.
	Name string    `json:"name"`
	Time time.Time `json:"time"`
	Why  string    `json:"why"`
}

// patientFor is how long a segment may be on its way until it is let go when
// too much waits behind it: a store that answers has it by then.
const (
	patientFor    = 10 * time.Second
	retainedEvery = time.Second
)

// await returns when a file is archived, or is let go.
func (o PushOptions) await(ctx context.Context, path string, f *pushed) error {
	look := time.NewTicker(retainedEvery)
	defer look.Stop()
	for {
		select {
		case <-f.done:
			if f.err != nil && o.mustLetGo(path, f) {
				return o.letGo(f, f.err)
			}
			return f.err
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-look.C:
			if waited := time.Since(f.begun); waited > patientFor && o.mustLetGo(path, f) {
				return o.letGo(f, fmt.Errorf("not archived within %v", waited.Round(time.Second)))
			}
		}
	}
}

// GiveUp is what Push does when the archives cannot even be opened: it lets
// the file go if too much waits, and otherwise returns why it cannot.
func (r Retained) GiveUp(path string, why error) error {
	file, err := openFile(path)
	if err != nil {
		return why
	}
	defer file.Close() //nolint:errcheck // it was only read
	info, err := file.Stat()
	if err != nil {
		return why
	}
	f := &pushed{info: info, segment: file.segment}
	if !r.mustLetGo(path, f) {
		return why
	}
	return r.letGo(f, why)
}

// mustLetGo tells whether too much waits for a segment to be archived.
func (r Retained) mustLetGo(path string, f *pushed) bool {
	if r.MaxBytes <= 0 || f.segment.Kind != logarchive.Whole {
		return false
	}
	waiting, err := readySegments(path)
	return err == nil && int64(len(waiting))*f.info.Size() > r.MaxBytes
}

func (r Retained) letGo(f *pushed, why error) error {
	s := f.segment
	return r.LetGo(Loss{
		System: s.Stream, Timeline: s.Line, Start: postgres.LSN(s.Start), End: postgres.LSN(s.End), Name: s.Name,
		Time: time.Now().Truncate(time.Second), Why: why.Error(),
	})
}

// readySegments returns the names of the segments that the server waits to
// have archived, beside the file at path.
func readySegments(path string) ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(filepath.Dir(path), "archive_status"))
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries { // sorted
		name, ready := strings.CutSuffix(e.Name(), ".ready")
		if f, err := postgres.ParseFileName(name); ready && err == nil && f.Kind == postgres.SegmentFile {
			names = append(names, name)
		}
	}
	return names, nil
}
