package service

import (
	"fmt"
	"os"
	"sync"
)

// maxLogBytes bounds the log of a run. What does not fit in its first part
// goes round in the rest of it, so that the end, which tells why, is there.
const (
	maxLogHead = 512 << 10
	maxLogTail = 512 << 10
)

// runLog is the log of a run: all of it, or the beginning and the end.
type runLog struct {
	mu   sync.Mutex
	file *os.File
	size int64
	// rest is the newest part of what came after maxLogHead, lost what of that
	// is gone.
	rest []byte
	lost int64
	err  error
}

func openRunLog(path string) (*runLog, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the log of the run: %w", err)
	}
	return &runLog{file: f}, nil
}

// Write never fails, so that a full disk does not end the run; Close tells.
func (l *runLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := len(p)
	if room := maxLogHead - l.size; room > 0 {
		head := p[:min(int64(len(p)), room)]
		n, err := l.file.Write(head)
		l.size += int64(n)
		if err != nil && l.err == nil {
			l.err = err
		}
		p = p[len(head):]
	}
	l.rest = append(l.rest, p...)
	if over := len(l.rest) - 2*maxLogTail; over > 0 {
		l.cut()
	}
	return all, nil
}

// cut keeps the newest of what did not fit.
func (l *runLog) cut() {
	over := len(l.rest) - maxLogTail
	l.lost += int64(over)
	l.rest = append(l.rest[:0], l.rest[over:]...)
}

// Close writes the end.
func (l *runLog) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.rest) > maxLogTail {
		l.cut()
	}
	err := l.err
	if l.lost > 0 && err == nil {
		_, err = fmt.Fprintf(l.file, "\n… %d bytes are left out …\n", l.lost)
	}
	if err == nil {
		_, err = l.file.Write(l.rest)
	}
	if e := l.file.Close(); err == nil {
		err = e
	}
	return err
}
