package upkeep

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"holdfast/repository"
	"holdfast/repository/id"
	"holdfast/storage"
)

// retentionRecord remembers, in the cache of the repository, until when
// objects are locked. It is a hint: without it every object is asked about.
//
// The file is text. The first line is recordTitle with the mode; then come
// "snapshot ID" for each snapshot whose needs were known when it was written,
// and "object END KEY" or "idle END KEY", with the end of the retention in
// seconds since 1970, 0 for none known. Idle is a pack that no snapshot needed.
type retentionRecord struct {
	// fresh tells that there was no record.
	fresh bool

	path string // "" keeps nothing
	mode storage.RetentionMode

	mu      sync.Mutex
	entries map[string]*retentionEntry
	covered map[id.ID]bool // true: seen in this run
}

type retentionEntry struct {
	until time.Time
	idle  bool
	seen  bool
}

const recordTitle = "holdfast record of retentions 1 "

// openRetentionRecord reads the record. With an error it is empty.
func openRetentionRecord(r *repository.Repository, mode storage.RetentionMode) (*retentionRecord, error) {
	rec := &retentionRecord{fresh: true, mode: mode, entries: map[string]*retentionEntry{}, covered: map[id.ID]bool{}}
	dir, err := r.CacheDir()
	if err != nil || dir == "" {
		return rec, err
	}
	// Copies of one repository share its ID and are different places.
	place := sha256.Sum256([]byte(r.Location()))
	rec.path = filepath.Join(dir, "retentions-"+hex.EncodeToString(place[:8]))
	err = rec.load()
	if errors.Is(err, fs.ErrNotExist) {
		return rec, nil
	}
	if err != nil {
		clear(rec.entries)
		clear(rec.covered)
		return rec, err
	}
	rec.fresh = false
	return rec, nil
}

func (r *retentionRecord) load() error {
	f, err := os.Open(r.path)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // it was only read
	lines := bufio.NewScanner(f)
	if !lines.Scan() || lines.Text() != recordTitle+string(r.mode) {
		return errors.Join(lines.Err(), fs.ErrNotExist) // of another mode, or version: begin anew
	}
	for lines.Scan() {
		if err := r.line(lines.Text()); err != nil {
			return fmt.Errorf("%s: %w", r.path, err)
		}
	}
	return lines.Err()
}

func (r *retentionRecord) line(s string) error {
	kind, rest, _ := strings.Cut(s, " ")
	if kind == "snapshot" {
		i, err := id.Parse(rest)
		r.covered[i] = false
		return err
	}
	end, key, ok := strings.Cut(rest, " ")
	seconds, err := strconv.ParseInt(end, 10, 64)
	if err != nil || !ok || kind != "object" && kind != "idle" {
		return fmt.Errorf("line %q makes no sense", s)
	}
	r.entries[key] = &retentionEntry{until: time.Unix(seconds, 0), idle: kind == "idle"}
	return nil
}

// see returns what is known of an object that is there.
func (r *retentionRecord) see(key string) (retentionEntry, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e, ok := r.entries[key]
	if !ok {
		return retentionEntry{}, false
	}
	e.seen = true
	return *e, true
}

func (r *retentionRecord) has(key string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, ok := r.entries[key]
	return ok
}

func (r *retentionRecord) wasIdle(key string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.entries[key] != nil && r.entries[key].idle
}

// set notes until when an object is locked.
func (r *retentionRecord) set(key string, until time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.entries[key] = &retentionEntry{until: until, seen: true}
}

// idle notes whether no snapshot needs a pack.
func (r *retentionRecord) idle(key string, idle bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.entries[key]
	if e == nil && !idle {
		return // nothing is known of it until it was asked for
	}
	if e == nil {
		e = &retentionEntry{until: time.Unix(0, 0)}
		r.entries[key] = e
	}
	e.seen, e.idle = true, idle
}

// cover notes that the needs of a snapshot are known, and tells whether they
// were before.
func (r *retentionRecord) cover(i id.ID) bool {
	_, before := r.covered[i]
	r.covered[i] = true
	return before
}

// finish forgets the objects and snapshots that are gone.
func (r *retentionRecord) finish() {
	for key, e := range r.entries {
		if !e.seen {
			delete(r.entries, key)
		}
	}
	for i, seen := range r.covered {
		if !seen {
			delete(r.covered, i)
		}
	}
}

// save writes the record in one step.
func (r *retentionRecord) save() error {
	if r.path == "" {
		return nil
	}
	f, err := os.CreateTemp(filepath.Dir(r.path), "tmp-")
	if err != nil {
		return err
	}
	err = errors.Join(r.write(f), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), r.path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

func (r *retentionRecord) write(f *os.File) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	w := bufio.NewWriter(f)
	fmt.Fprintf(w, "%s%s\n", recordTitle, r.mode) //nolint:errcheck // Flush tells
	for i := range r.covered {
		fmt.Fprintf(w, "snapshot %s\n", i) //nolint:errcheck // see above
	}
	for key, e := range r.entries {
		kind := "object"
		if e.idle {
			kind = "idle"
		}
		fmt.Fprintf(w, "%s %d %s\n", kind, e.until.Unix(), key) //nolint:errcheck // see above
	}
	return w.Flush()
}
