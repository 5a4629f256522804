package history

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// ErrReadOnly is what Append returns where nothing may be written.
var ErrReadOnly = errors.New("the history is open for reading only")

// append writes values to the end: all of them or none.
func (h *store[T]) append(all []T) error {
	lines := make([][]byte, 0, len(all))
	for i := range all {
		line, err := encode(&all[i])
		if err != nil {
			return err
		}
		lines = append(lines, line)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.write(bytes.Join(lines, nil)); err != nil {
		return err
	}
	for i, line := range lines {
		plan, at := h.kind.about(&all[i])
		h.open.note(plan, at, len(line))
		h.remember(plan, line)
	}
	if err := h.sealIfDue(); err != nil {
		// All is written. What could not be sealed is tried again later.
		h.opts.Log.Warn("a segment of the history was not sealed", "error", err)
	}
	return nil
}

// write puts lines to the end of the open segment: all of it or nothing.
func (h *store[T]) write(line []byte) error {
	if h.file == nil {
		return ErrReadOnly
	}
	at := h.open.onDisk
	_, err := h.file.WriteAt(line, at)
	if err == nil {
		err = h.file.Sync()
	}
	if err != nil { // the next line overwrites what this leaves, too
		return errors.Join(err, h.file.Truncate(at))
	}
	h.open.onDisk += int64(len(line))
	return nil
}

// openLast goes on with the newest segment, or begins one, and seals those
// before it that a crash kept from it.
func (h *store[T]) openLast() error {
	if n := len(h.sealed); n > 0 && !h.sealed[n-1].isSealed() {
		h.open = h.sealed[n-1]
		h.sealed = h.sealed[:n-1]
	} else {
		h.open = newSegment(h.opts.Dir, h.nextNumber(), openSuffix)
	}
	h.fillTails()
	if h.opts.ReadOnly {
		return nil
	}
	for n, s := range h.sealed {
		if s.isSealed() {
			continue
		}
		sealed, err := s.seal()
		if err != nil {
			return err
		}
		h.sealed[n] = sealed
	}
	f, err := os.OpenFile(h.open.path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	h.file = f
	if h.open.onDisk == 0 {
		return syncDir(h.opts.Dir)
	}
	return h.cutTorn()
}

func (h *store[T]) nextNumber() int {
	if n := len(h.sealed); n > 0 {
		return h.sealed[n-1].number + 1
	}
	return 1
}

// cutTorn removes what comes after the last newline: the rest of a write that
// a crash cut short, of a run that Append has not returned for.
func (h *store[T]) cutTorn() error {
	text, err := readOpen(h.open.path, h.open.onDisk)
	if err != nil {
		return err
	}
	h.open.onDisk = int64(bytes.LastIndexByte(text, '\n') + 1)
	return h.file.Truncate(h.open.onDisk)
}

// sealIfDue compresses the open segment when it is large or long enough, and
// removes what is over the bounds.
func (h *store[T]) sealIfDue() error {
	if h.open.onDisk < segmentBytes && h.open.Last.Sub(h.open.First) < segmentSpan {
		return nil
	}
	return errors.Join(h.next(), h.removeOld())
}

// next seals the open segment and begins another.
func (h *store[T]) next() error {
	next := newSegment(h.opts.Dir, h.open.number+1, openSuffix)
	f, err := os.OpenFile(next.path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	if err := syncDir(h.opts.Dir); err != nil {
		return errors.Join(err, f.Close())
	}
	old, oldFile := h.open, h.file
	h.sealed, h.open, h.file = append(h.sealed, old), next, f
	sealed, err := old.seal()
	if err != nil { // it stays as it is until the next Open
		return errors.Join(err, oldFile.Close())
	}
	h.sealed[len(h.sealed)-1] = sealed
	return oldFile.Close()
}

// seal compresses a segment that gets no more lines, and returns it as it is
// then. The long form goes last.
func (s *segment) seal() (*segment, error) {
	sealed := *s
	sealed.path = sealedPath(s.path)
	if err := compress(s.path, sealed.path, &sealed.onDisk); err != nil {
		return nil, err
	}
	if err := sealed.saveSummary(); err != nil {
		return nil, err
	}
	return &sealed, removeIfThere(s.path)
}

func compress(from, to string, size *int64) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	return replaceFile(to, func(out io.Writer) error {
		counted := &counter{to: out}
		z, err := zstd.NewWriter(counted, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedBetterCompression))
		if err != nil {
			return err
		}
		_, err = io.Copy(z, in)
		err = errors.Join(err, z.Close())
		*size = counted.bytes
		return err
	})
}

type counter struct {
	to    io.Writer
	bytes int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.to.Write(p)
	c.bytes += int64(n)
	return n, err
}

// removeOld removes the oldest segments while there are too many bytes, and
// those whose runs are all too old.
func (h *store[T]) removeOld() error {
	total := h.open.onDisk
	for _, s := range h.sealed {
		total += s.onDisk
	}
	oldest := h.opts.Now().Add(-h.opts.MaxAge)
	for len(h.sealed) > 0 && (total > h.opts.MaxBytes || h.sealed[0].Last.Before(oldest)) {
		s := h.sealed[0]
		if err := errors.Join(removeIfThere(s.path), removeIfThere(summaryPath(s.path))); err != nil {
			return err
		}
		total -= s.onDisk
		h.sealed = h.sealed[1:]
	}
	return nil
}

func summaryPath(segment string) string {
	dir, name := filepath.Split(segment)
	number, _, _ := strings.Cut(name, ".")
	return filepath.Join(dir, number+summarySuffix)
}

// A summary can always be made anew; version tells those of other programs.
type summary struct {
	Version int `json:"version"`
	*segment
}

const summaryVersion = 1

func (s *segment) loadSummary() error {
	text, err := os.ReadFile(summaryPath(s.path))
	if err != nil {
		return err
	}
	read := summary{segment: &segment{}}
	if err := json.Unmarshal(text, &read); err != nil {
		return err
	}
	if read.Version != summaryVersion || read.Plans == nil {
		return errors.New("a summary of another version")
	}
	read.number, read.path, read.onDisk = s.number, s.path, s.onDisk
	*s = *read.segment
	return nil
}

func (s *segment) saveSummary() error {
	text, err := json.Marshal(summary{summaryVersion, s})
	if err != nil {
		return err
	}
	return replaceFile(summaryPath(s.path), func(out io.Writer) error {
		_, err := out.Write(text)
		return err
	})
}

// replaceFile writes a file so that there is all of it or nothing, whatever
// ends in between.
func replaceFile(path string, write func(io.Writer) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), "tmp-*")
	if err != nil {
		return err
	}
	err = errors.Join(write(f), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, removeIfThere(f.Name()))
	}
	return syncDir(filepath.Dir(path))
}
