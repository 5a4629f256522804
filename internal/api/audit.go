package api

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

const (
	// auditBytes is how large a file of the audit log grows, auditFiles how
	// many there are at most: some hundred thousand acts.
	auditBytes = 8 << 20
	auditFiles = 8
	auditOpen  = "audit.jsonl"
	// maxNote bounds what an entry says of one thing.
	maxNote = 500
)

// AuditEntry is one act of somebody, or a try that was refused.
type AuditEntry struct {
	Time time.Time `json:"time"`
	// By is the name of the token, "" for a stranger; Role what it may do.
	By   string `json:"by,omitempty"`
	Role Role   `json:"role,omitempty"`
	// From is the address it came from.
	From string `json:"from,omitempty"`
	// Act is what was asked for: an operation of the API, or login, logout,
	// refused.
	Act    string `json:"act,omitempty"`
	Method string `json:"method,omitempty"`
	Path   string `json:"path,omitempty"`
	// Status is that of the answer.
	Status int `json:"status,omitempty"`
	// About are names that tell what it was about. No secrets.
	About map[string]string `json:"about,omitempty"`
}

// audit writes who did what to a file, a line for each, and keeps the newest
// files. It is safe for concurrent use.
type audit struct {
	dir string
	log *slog.Logger

	mu   sync.Mutex
	file *os.File // nil until the first entry
	size int64
}

// write adds an entry. The act is not undone if that fails: who must restore
// while the disk is full may.
func (a *audit) write(e AuditEntry) {
	a.log.Info("asked", "act", e.Act, "by", e.By, "from", e.From, "method", e.Method, "path", e.Path, "status", e.Status)
	line, err := json.Marshal(e)
	if err == nil {
		a.mu.Lock()
		err = a.append(append(line, '\n'))
		a.mu.Unlock()
	}
	if err != nil {
		a.log.Error("the audit log lacks an act", "error", err, "act", e.Act, "by", e.By, "path", e.Path)
	}
}

func (a *audit) append(line []byte) error {
	if a.file != nil && a.size+int64(len(line)) > auditBytes {
		if err := a.rotate(); err != nil {
			a.log.Warn("the audit log grows past its bound", "error", err)
		}
	}
	if err := a.open(); err != nil {
		return err
	}
	_, err := a.file.WriteAt(line, a.size)
	if err == nil {
		err = a.file.Sync()
	}
	if err != nil {
		return errors.Join(err, a.file.Truncate(a.size))
	}
	a.size += int64(len(line))
	return nil
}

// open opens the newest file. What a crash left of a line is ended.
func (a *audit) open() error {
	if a.file != nil {
		return nil
	}
	if err := os.MkdirAll(a.dir, 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(a.dir, auditOpen), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	size, err := f.Seek(0, 2)
	if err != nil {
		return errors.Join(err, f.Close())
	}
	last := []byte{'\n'}
	if size > 0 {
		_, err = f.ReadAt(last, size-1)
	}
	if err == nil && last[0] != '\n' {
		_, err = f.WriteAt([]byte{'\n'}, size)
		size++
	}
	if err != nil {
		return errors.Join(err, f.Close())
	}
	a.file, a.size = f, size
	return nil
}

// rotate sets the newest file aside under a number and removes the oldest.
func (a *audit) rotate() error {
	files, err := a.aside()
	if err != nil {
		return err
	}
	for len(files) >= auditFiles-1 {
		if err := os.Remove(files[0]); err != nil {
			return err
		}
		files = files[1:]
	}
	next := 1
	if len(files) > 0 {
		if _, err := fmt.Sscanf(filepath.Base(files[len(files)-1]), "audit-%d.jsonl", &next); err != nil {
			return err
		}
		next++
	}
	err = a.file.Close()
	a.file = nil
	return errors.Join(err, os.Rename(filepath.Join(a.dir, auditOpen), filepath.Join(a.dir, fmt.Sprintf("audit-%010d.jsonl", next))))
}

// aside returns the files that were set aside, the oldest first.
func (a *audit) aside() ([]string, error) {
	files, err := filepath.Glob(filepath.Join(a.dir, "audit-??????????.jsonl"))
	slices.Sort(files)
	return files, err
}

func (a *audit) close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.file == nil {
		return nil
	}
	err := a.file.Close()
	a.file = nil
	return err
}

// newest returns at most limit entries since an instant, the newest first. A
// line that a crash cut short is left out.
func (a *audit) newest(since time.Time, limit int) ([]AuditEntry, error) {
	files, err := a.aside()
	if err != nil {
		return nil, err
	}
	files = append(files, filepath.Join(a.dir, auditOpen))
	found := []AuditEntry{}
	for _, file := range slices.Backward(files) {
		entries, err := readAudit(file)
		if err != nil {
			return nil, fmt.Errorf("read the audit log: %w", err)
		}
		for _, e := range slices.Backward(entries) {
			if len(found) == limit || e.Time.Before(since) {
				return found, nil
			}
			found = append(found, e)
		}
	}
	return found, nil
}

func readAudit(file string) ([]AuditEntry, error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var all []AuditEntry
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e AuditEntry
		if json.Unmarshal(lines.Bytes(), &e) == nil && !e.Time.IsZero() {
			all = append(all, e)
		}
	}
	return all, lines.Err()
}

// clip bounds what an entry says.
func clip(s string) string {
	if len(s) > maxNote {
		return s[:maxNote] + "..."
	}
	return s
}
