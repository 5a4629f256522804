package wal

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"holdfast/internal/logarchive"
	"holdfast/storage"
)

// Losses are notes of log that was let go, in a file of this host until the
// archives have them.
type Losses struct {
	path string
	mu   sync.Mutex
}

// NewLosses keeps notes in a file, which is made when there is something to
// note.
func NewLosses(path string) *Losses { return &Losses{path: path} }

// Add notes what is let go, durably.
func (l *Losses) Add(loss Loss) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	line, err := json.Marshal(loss)
	if err != nil {
		return fmt.Errorf("note that log is let go: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(l.path), 0o700); err != nil {
		return fmt.Errorf("note that log is let go: %w", err)
	}
	f, err := os.OpenFile(l.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("note that log is let go: %w", err)
	}
	_, err = f.Write(append(line, '\n'))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("note that log is let go: %w", err)
	}
	return nil
}

// All returns what is noted and not in the archives yet. A line that was cut
// off by a crash is left out: the log it speaks of was not let go.
func (l *Losses) All() ([]Loss, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.read()
}

func (l *Losses) read() ([]Loss, error) {
	content, err := os.ReadFile(l.path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("notes of log that was let go: %w", err)
	}
	var all []Loss
	lines := bufio.NewScanner(bytes.NewReader(content))
	for lines.Scan() {
		var loss Loss
		if json.Unmarshal(lines.Bytes(), &loss) == nil {
			all = append(all, loss)
		}
	}
	return joinLosses(all), lines.Err()
}

// joinLosses makes one of those that follow one another.
func joinLosses(all []Loss) []Loss {
	var joined []Loss
	for _, loss := range all {
		if n := len(joined); n > 0 {
			last := &joined[n-1]
			if last.System == loss.System && last.Timeline == loss.Timeline && loss.Start <= last.End && loss.Start >= last.Start {
				last.End = max(last.End, loss.End)
				continue
			}
		}
		joined = append(joined, loss)
	}
	return joined
}

// save moves the notes into the archives, and tells noted, if set, of each. When
// that fails they stay, and the next one tries again.
func (l *Losses) save(ctx context.Context, a Archives, noted func(Loss)) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	all, err := l.read()
	if err != nil || len(all) == 0 {
		return err
	}
	for _, loss := range all {
		content, err := json.Marshal(loss)
		if err != nil {
			return fmt.Errorf("note that log was let go: %w", err)
		}
		if err := a.archiveFile(ctx, logarchive.Segment{
			Stream: loss.System, Line: loss.Timeline, Kind: logarchive.Lost, Name: loss.Name,
			Start: logarchive.Position(loss.Start), End: logarchive.Position(loss.End),
		}, content); err != nil && !errors.Is(err, storage.ErrConflict) { // noted before, in other words
			return err
		}
	}
	if err := os.Remove(l.path); err != nil {
		return fmt.Errorf("notes of log that was let go: %w", err)
	}
	if noted != nil {
		for _, loss := range all {
			noted(loss)
		}
	}
	return nil
}
