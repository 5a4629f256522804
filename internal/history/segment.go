package history

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"
)

// Names of files: the number of a segment, then what it is.
const (
	openSuffix    = ".jsonl"
	sealedSuffix  = ".jsonl.zst"
	summarySuffix = ".summary.json"
	numberDigits  = 10
)

// segment is one file of runs and the summary of what is in it.
type segment struct {
	number int
	path   string
	onDisk int64 // bytes, of the open one also where the next line goes

	// What is stored in a summary.
	Runs  int            `json:"runs"`  // or events
	Bytes int64          `json:"bytes"` // before compression
	First time.Time      `json:"first"` // the earliest and latest end of a run
	Last  time.Time      `json:"last"`
	Plans map[string]int `json:"plans"` // how many runs each has
}

func newSegment(dir string, number int, suffix string) *segment {
	name := fmt.Sprintf("%0*d%s", numberDigits, number, suffix)
	return &segment{number: number, path: filepath.Join(dir, name), Plans: make(map[string]int)}
}

func (s *segment) isSealed() bool { return strings.HasSuffix(s.path, sealedSuffix) }

// note takes a value into the summary.
func (s *segment) note(plan string, at time.Time, size int) {
	s.Runs++
	s.Bytes += int64(size)
	s.Plans[plan]++
	if s.First.IsZero() || at.Before(s.First) {
		s.First = at
	}
	if at.After(s.Last) {
		s.Last = at
	}
}

// lines returns the content of a segment in lines. What is being written to the
// open one at this very moment is no line yet. A segment that was removed
// meanwhile is empty.
func (s *segment) lines() ([][]byte, error) {
	text, err := s.read()
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if !s.isSealed() {
		text = text[:bytes.LastIndexByte(text, '\n')+1]
	}
	return bytes.SplitAfter(bytes.TrimSuffix(text, []byte("\n")), []byte("\n")), err
}

// read returns the whole content, and of one that is damaged what comes
// before the damage, with an error.
func (s *segment) read() ([]byte, error) {
	if !s.isSealed() {
		text, err := readOpen(s.path, s.onDisk)
		if !errors.Is(err, fs.ErrNotExist) {
			return text, err
		}
	}
	return readSealed(sealedPath(s.path), s.Bytes) // by now
}

func readOpen(path string, size int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, size))
}

func readSealed(path string, size int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	z, err := zstd.NewReader(bufio.NewReader(f), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(4*segmentBytes))
	if err != nil {
		return nil, err
	}
	defer z.Close()
	text := bytes.NewBuffer(make([]byte, 0, size+bytes.MinRead))
	_, err = text.ReadFrom(z)
	return text.Bytes(), err
}

// sealedPath is where a segment lies once it is sealed.
func sealedPath(path string) string {
	return strings.TrimSuffix(strings.TrimSuffix(path, sealedSuffix), openSuffix) + sealedSuffix
}

// findSegments finds what is in the folder. Where a crash left both forms of
// a segment the long one counts: it goes last.
func (h *store[T]) findSegments() error {
	entries, err := os.ReadDir(h.opts.Dir)
	if err != nil {
		return err
	}
	found := make(map[int]string) // the suffix of each number
	for _, entry := range entries {
		digits, suffix, _ := strings.Cut(entry.Name(), ".")
		number, err := strconv.Atoi(digits)
		suffix = "." + suffix
		if err != nil || len(digits) != numberDigits || suffix != openSuffix && suffix != sealedSuffix {
			continue
		}
		if suffix == openSuffix || found[number] == "" {
			found[number] = suffix
		}
	}
	for number, suffix := range found {
		s := newSegment(h.opts.Dir, number, suffix)
		if err := h.look(s); err != nil {
			return err
		}
		h.sealed = append(h.sealed, s)
	}
	slices.SortFunc(h.sealed, func(a, b *segment) int { return a.number - b.number })
	return nil
}

// look learns what is in a segment: from its summary, or else from itself.
func (h *store[T]) look(s *segment) error {
	info, err := os.Stat(s.path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && h.opts.ReadOnly: // sealed or removed just now
		return nil
	case err != nil:
		return err
	}
	s.onDisk = info.Size()
	if s.isSealed() && s.loadSummary() == nil {
		return nil
	}
	if err := h.summarize(s); err != nil {
		return err
	}
	if h.opts.ReadOnly || !s.isSealed() {
		return nil
	}
	return s.saveSummary()
}

// summarize reads a segment as far as it goes. Damage is logged, and is no
// error here.
func (h *store[T]) summarize(s *segment) error {
	s.Runs, s.Bytes, s.Plans = 0, 0, make(map[string]int)
	lines, err := s.lines()
	damaged := err != nil
	for n, line := range lines {
		v, err := decode[T](line)
		if err != nil {
			damaged = damaged || len(line) > 0 && n < len(lines)-1
			continue
		}
		plan, at := h.kind.about(v)
		s.note(plan, at, len(line))
	}
	if damaged {
		h.opts.Log.Warn(ErrDamaged.Error(), "segment", filepath.Base(s.path))
	}
	return nil
}

// fillTails takes the newest runs into the tails. Of each it decodes only
// whose it is.
func (h *store[T]) fillTails() {
	if h.kind.tail == 0 {
		return
	}
	newest := h.sealed[max(0, len(h.sealed)-tailSegments):]
	for _, s := range append(slices.Clone(newest), h.open) {
		lines, _ := s.lines() // Select reports damage
		for _, line := range lines {
			var of struct {
				Plan string `json:"plan"`
			}
			text, err := content(line)
			if err == nil && json.Unmarshal(text, &of) == nil {
				h.remember(of.Plan, line)
			}
		}
	}
}

// remember makes a line the newest of a plan's tail.
func (h *store[T]) remember(plan string, line []byte) {
	tail := h.tails[plan]
	switch {
	case h.kind.tail == 0:
		return
	case len(tail) == h.kind.tail:
		copy(tail, tail[1:])
		tail = tail[:h.kind.tail-1]
	}
	h.tails[plan] = append(tail, bytes.Clone(line)) // not a part of the segment
}

func removeIfThere(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
