package index

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"holdfast/repository/id"
)

const (
	// runReadSize is the buffer in bytes for reading back one run.
	runReadSize = 16 << 10
	// rowsInMemory is how many bytes of pack rows stay in memory before they
	// go to a file: enough for an index file of restic's.
	rowsInMemory = 1 << 20
)

func sortEntries(entries []entry) {
	slices.SortFunc(entries, func(a, b entry) int { return compareEntries(&a, &b) })
}

// runFile stores sorted runs, one after the other, in a scratch file.
type runFile struct {
	folder folder
	file   *scratch
	// lengths of the runs, in bytes.
	lengths []int64
	size    int64
}

// write appends a sorted run.
func (r *runFile) write(entries []entry) error {
	if r.file == nil {
		file, err := r.folder.scratch()
		if err != nil {
			return err
		}
		r.file = &file
	}
	w := bufio.NewWriterSize(r.file, writeSize)
	var line [entrySize]byte
	for i := range entries {
		entries[i].encode(line[:])
		if _, err := w.Write(line[:]); err != nil {
			return fmt.Errorf("write index run: %w", err)
		}
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("write index run: %w", err)
	}
	length := int64(len(entries)) * entrySize
	r.lengths = append(r.lengths, length)
	r.size += length
	return nil
}

// sources returns the runs, ready to be merged.
func (r *runFile) sources() []source {
	var sources []source
	at := int64(0)
	for _, length := range r.lengths {
		sources = append(sources, newFileSource(io.NewSectionReader(r.file, at, length)))
		at += length
	}
	return sources
}

func (r *runFile) discard() {
	if r.file != nil {
		r.file.discard()
	}
}

// rowTable collects the pack table of a segment: in memory while it is small,
// in a scratch file from then on.
type rowTable struct {
	folder folder
	n      uint32
	buf    []byte
	file   *scratch
}

func (t *rowTable) add(pack id.ID, file uint32) error {
	if t.n >= maxRows-1 {
		return errors.New("build index: too many packs")
	}
	t.n++
	t.buf = append(t.buf, pack[:]...)
	t.buf = binary.LittleEndian.AppendUint32(t.buf, file)
	if len(t.buf) < rowsInMemory {
		return nil
	}
	return t.flush()
}

func (t *rowTable) flush() error {
	if t.file == nil {
		file, err := t.folder.scratch()
		if err != nil {
			return err
		}
		t.file = &file
	}
	if _, err := t.file.Write(t.buf); err != nil {
		return fmt.Errorf("write index rows: %w", err)
	}
	t.buf = t.buf[:0]
	return nil
}

// copyTo writes the whole table to w.
func (t *rowTable) copyTo(w io.Writer) error {
	if t.file != nil {
		stored := int64(t.n)*rowSize - int64(len(t.buf))
		if _, err := io.Copy(w, io.NewSectionReader(t.file, 0, stored)); err != nil {
			return err
		}
	}
	_, err := w.Write(t.buf)
	return err
}

func (t *rowTable) discard() {
	if t.file != nil {
		t.file.discard()
	}
}

// markFile collects the marks of a segment, in a scratch file.
type markFile struct {
	file scratch
	w    *bufio.Writer
}

func newMarkFile(f folder) (*markFile, error) {
	file, err := f.scratch()
	if err != nil {
		return nil, err
	}
	return &markFile{file: file, w: bufio.NewWriterSize(file, runReadSize)}, nil
}

// add appends the mark of an entry. An error shows in copyTo.
func (m *markFile) add(i *id.ID) { m.w.Write(i[id.Size-markSize:]) } //nolint:errcheck // it stays with the writer

func (m *markFile) copyTo(w io.Writer) error {
	if err := m.w.Flush(); err != nil {
		return fmt.Errorf("write index marks: %w", err)
	}
	if _, err := m.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	_, err := io.Copy(w, m.file.File)
	return err
}

func (m *markFile) discard() { m.file.discard() }
