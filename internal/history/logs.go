package history

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
	"time"
)

const (
	logSuffix = ".log"
	// headBytes and tailBytes bound one log: its beginning, and its end, where
	// the reason of a failure stands. What is between them is left out.
	headBytes = 256 << 10
	tailBytes = 256 << 10

	defaultLogs     = 10_000
	defaultLogBytes = 512 << 20
)

// LogOptions say how to open the logs of runs.
type LogOptions struct {
	// Dir is their own folder, made if it is not there.
	Dir string
	// MaxLogs and MaxBytes bound what is kept, the newest; 0 for ten thousand
	// logs and half a gigabyte.
	MaxLogs  int
	MaxBytes int64
}

// Logs keeps what runs print, a file for each run. It is safe for concurrent
// use.
type Logs struct {
	opts LogOptions

	mu    sync.Mutex
	kept  []logFile // oldest first
	bytes int64
}

type logFile struct {
	name string
	size int64
	time time.Time
}

// OpenLogs opens a folder of logs.
func OpenLogs(opts LogOptions) (*Logs, error) {
	if opts.MaxLogs == 0 {
		opts.MaxLogs = defaultLogs
	}
	if opts.MaxBytes == 0 {
		opts.MaxBytes = defaultLogBytes
	}
	l := &Logs{opts: opts}
	if err := l.find(); err != nil {
		return nil, fmt.Errorf("open the logs in %s: %w", opts.Dir, err)
	}
	return l, nil
}

func (l *Logs) find() error {
	if err := os.MkdirAll(l.opts.Dir, 0o700); err != nil {
		return err
	}
	entries, err := os.ReadDir(l.opts.Dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil || !info.Mode().IsRegular() || filepath.Ext(entry.Name()) != logSuffix {
			continue
		}
		l.kept = append(l.kept, logFile{entry.Name(), info.Size(), info.ModTime()})
		l.bytes += info.Size()
	}
	slices.SortStableFunc(l.kept, func(a, b logFile) int { return a.time.Compare(b.time) })
	return l.trim()
}

// trim removes the oldest logs while there are too many.
func (l *Logs) trim() error {
	for len(l.kept) > 0 && (len(l.kept) > l.opts.MaxLogs || l.bytes > l.opts.MaxBytes) {
		if err := removeIfThere(filepath.Join(l.opts.Dir, l.kept[0].name)); err != nil {
			return err
		}
		l.bytes -= l.kept[0].size
		l.kept = l.kept[1:]
	}
	return nil
}

var logID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$`)

func (l *Logs) path(id string) (string, error) {
	if !logID.MatchString(id) {
		return "", fmt.Errorf("%q cannot name a log", id)
	}
	return filepath.Join(l.opts.Dir, id+logSuffix), nil
}

// Create begins the log of a run, over one of the same ID.
func (l *Logs) Create(id string) (*LogWriter, error) {
	path, err := l.path(id)
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("begin the log of run %s: %w", id, err)
	}
	return &LogWriter{logs: l, file: f}, nil
}

// Open returns a log for reading; fs.ErrNotExist if there is none, or none any
// more.
func (l *Logs) Open(id string) (io.ReadCloser, error) {
	path, err := l.path(id)
	if err != nil {
		return nil, err
	}
	return os.Open(path)
}

func (l *Logs) add(f logFile) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.kept = append(l.kept, f)
	l.bytes += f.size
	return l.trim()
}

// LogWriter writes one log. A full disk costs lines of the log and never the
// run: Write does not fail, Close tells. It is safe for concurrent use.
type LogWriter struct {
	logs *Logs

	mu      sync.Mutex
	file    *os.File
	head    int
	tail    []byte // what came after the head, its end
	dropped int64
	failed  error
}

// Write implements io.Writer.
func (w *LogWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	rest := p
	if n := min(len(rest), headBytes-w.head); n > 0 {
		_, err := w.file.Write(rest[:n])
		w.failed = errors.Join(w.failed, err)
		w.head += n
		rest = rest[n:]
	}
	w.tail = append(w.tail, rest...)
	if over := len(w.tail) - tailBytes; over > tailBytes/4 { // not at every line
		w.tail = append(w.tail[:0], w.tail[over:]...)
		w.dropped += int64(over)
	}
	return len(p), nil
}

// Close writes the end of the log and returns what went wrong with any of it.
func (w *LogWriter) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.file == nil {
		return fs.ErrClosed
	}
	if w.dropped > 0 {
		_, err := fmt.Fprintf(w.file, "\n... %d bytes are left out here ...\n", w.dropped)
		w.failed = errors.Join(w.failed, err)
	}
	_, err := w.file.Write(w.tail)
	info, statErr := w.file.Stat()
	w.failed = errors.Join(w.failed, err, statErr, w.file.Close())
	if statErr == nil {
		w.failed = errors.Join(w.failed, w.logs.add(logFile{info.Name(), info.Size(), info.ModTime()}))
	}
	w.file, w.tail = nil, nil
	return w.failed
}
