package index

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"runtime"

	"github.com/edsrzf/mmap-go"

	"holdfast/repository/blob"
	"holdfast/repository/id"
)

// segment is an open segment file. It is immutable and safe for concurrent
// use.
//
// The mapping ends when the segment is closed or becomes unreachable, so every
// method that reads it keeps the segment alive until it is done, and hands
// out copies only.
type segment struct {
	header
	path   string
	data   mmap.MMap
	unmap  runtime.Cleanup
	fanout []byte
	marks  []byte
	rows   []byte
	files  []id.ID
}

// openSegment checks and maps a segment file. A file that is not sound gives
// errSegment.
func openSegment(path string) (*segment, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open index segment: %w", err)
	}
	defer f.Close() //nolint:errcheck // read only; the mapping outlives it
	return mapSegment(f)
}

// mapSegment is openSegment for an open file, which may be closed afterwards.
//
// The check reads through a buffer rather than the mapping: the pages
// of a file that is too short would end the process, and pages that are only
// checked would count as this process's memory.
func mapSegment(f *os.File) (*segment, error) {
	s := &segment{path: f.Name()}
	if err := s.readHeader(f); err != nil {
		return nil, err
	}
	if err := s.checkBody(f); err != nil {
		return nil, err
	}
	var err error
	if s.data, err = mmap.MapRegion(f, int(s.size()), mmap.RDONLY, 0, 0); err != nil {
		return nil, fmt.Errorf("map index segment: %w", err)
	}
	s.unmap = runtime.AddCleanup(s, func(m mmap.MMap) { _ = m.Unmap() }, s.data)
	s.fanout = s.data[s.fanoutAt():s.marksAt()]
	s.marks = s.data[s.marksAt():s.rowsAt()]
	s.rows = s.data[s.rowsAt():s.filesAt()]
	if err := s.checkTables(); err != nil {
		s.close()
		return nil, err
	}
	s.readFiles()
	return s, nil
}

// close ends the mapping at once. No method may run or be called any more.
func (s *segment) close() {
	s.unmap.Stop()
	_ = s.data.Unmap() // fails only for what is not mapped
	s.data, s.fanout, s.marks, s.rows, s.entries = nil, nil, nil, nil, 0
}

func (s *segment) readHeader(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("open index segment: %w", err)
	}
	if !info.Mode().IsRegular() || info.Size() < headerSize {
		return fmt.Errorf("%w: no regular file, or too short", errSegment)
	}
	var p [headerSize]byte
	if _, err := f.ReadAt(p[:], 0); err != nil {
		return fmt.Errorf("read index segment: %w", err)
	}
	if err := s.decode(p[:]); err != nil {
		return err
	}
	if info.Size() != s.size() {
		return fmt.Errorf("%w: %d bytes instead of %d", errSegment, info.Size(), s.size())
	}
	return nil
}

// checkBody compares the checksum of everything behind the header, and looks
// at the pack row of each entry on the way.
func (s *segment) checkBody(f *os.File) error {
	const entriesAtOnce = 4096
	buf := make([]byte, min(s.size()-headerSize, entriesAtOnce*entrySize))
	sum := uint32(0)
	for at := int64(headerSize); at < s.size(); {
		p := buf[:min(int64(len(buf)), s.size()-at)]
		if at < s.fanoutAt() {
			p = p[:min(int64(len(p)), s.fanoutAt()-at)]
		}
		if _, err := f.ReadAt(p, at); err != nil {
			return fmt.Errorf("read index segment: %w", err)
		}
		sum = crc32.Update(sum, castagnoli, p)
		if at < s.fanoutAt() && !s.checkRows(p) {
			return fmt.Errorf("%w: entry without pack", errSegment)
		}
		at += int64(len(p))
	}
	if sum != s.body {
		return fmt.Errorf("%w: checksum differs", errSegment)
	}
	return nil
}

// checkRows tells whether all of these entries name a row of the pack table.
func (s *segment) checkRows(entries []byte) bool {
	for ; len(entries) >= entrySize; entries = entries[entrySize:] {
		if uint64(binary.LittleEndian.Uint32(entries[id.Size:])>>1) >= s.header.rows {
			return false
		}
	}
	return true
}

// checkTables makes sure that no subscript read from the fan-out or the pack
// table leads out of the file.
func (s *segment) checkTables() error {
	last := uint32(0)
	for p := s.fanout; len(p) > 0; p = p[fanoutSize:] {
		n := binary.LittleEndian.Uint32(p)
		if n < last {
			return fmt.Errorf("%w: fan-out decreases", errSegment)
		}
		last = n
	}
	if uint64(last) != s.entries {
		return fmt.Errorf("%w: fan-out misses entries", errSegment)
	}
	for p := s.rows; len(p) > 0; p = p[rowSize:] {
		if uint64(binary.LittleEndian.Uint32(p[id.Size:])) >= s.header.files {
			return fmt.Errorf("%w: pack without index file", errSegment)
		}
	}
	return nil
}

func (s *segment) readFiles() {
	p := s.data[s.filesAt():s.size()]
	s.files = make([]id.ID, s.header.files)
	for i := range s.files {
		copy(s.files[i][:], p[i*fileRowSize:])
	}
}

// len returns the number of entries.
func (s *segment) len() int { return int(s.entries) }

// find returns the number of the first entry of a blob.
func (s *segment) find(h blob.Handle) (int, bool) {
	defer runtime.KeepAlive(s)
	b := bucket(prefix(h.ID[:]), s.fanoutBits) * fanoutSize
	low := int(binary.LittleEndian.Uint32(s.fanout[b:]))
	end := int(binary.LittleEndian.Uint32(s.fanout[b+fanoutSize:]))
	mark := markOf(&h.ID)
	for i := low; i < end; i++ {
		if binary.LittleEndian.Uint16(s.marks[i*markSize:]) == mark && s.holds(i, h) {
			return i, true
		}
	}
	return 0, false
}

// markOf returns how an ID ends, as a number.
func markOf(i *id.ID) uint16 { return binary.LittleEndian.Uint16(i[id.Size-markSize:]) }

func (s *segment) raw(i int) []byte {
	at := headerSize + i*entrySize
	return s.data[at : at+entrySize : at+entrySize]
}

// holds tells whether entry i is one of blob h.
func (s *segment) holds(i int, h blob.Handle) bool {
	p := s.raw(i)
	same := blob.Type(p[id.Size]&1) == h.Type && bytes.Equal(p[:id.Size], h.ID[:])
	runtime.KeepAlive(s)
	return same
}

// at returns entry i.
func (s *segment) at(i int) (e entry) {
	e.decode(s.raw(i))
	runtime.KeepAlive(s)
	return e
}

// rowOf returns the pack row of entry i.
func (s *segment) rowOf(i int) uint32 {
	row := binary.LittleEndian.Uint32(s.raw(i)[id.Size:]) >> 1
	runtime.KeepAlive(s)
	return row
}

// pack returns what a row of the pack table says.
func (s *segment) pack(row uint32) (pack id.ID, file uint32) {
	p := s.rows[int(row)*rowSize:]
	copy(pack[:], p)
	file = binary.LittleEndian.Uint32(p[id.Size:])
	runtime.KeepAlive(s)
	return pack, file
}

// packs returns the number of rows of the pack table.
func (s *segment) packs() uint32 { return uint32(len(s.rows) / rowSize) }

// passedEntries is after how many entries, going through all of them, those
// behind are let go: 768 KiB.
const passedEntries = 16 << 10

// passed is called after each step of going through all entries, with the
// number of those passed. It keeps the pages that were needed once from
// counting as this process's memory.
func (s *segment) passed(n int) {
	if n%passedEntries == 0 {
		letGo(s.data, headerSize+(n-passedEntries)*entrySize, headerSize+n*entrySize)
		runtime.KeepAlive(s)
	}
}

// rest lets go of all pages.
func (s *segment) rest() {
	letGo(s.data, 0, len(s.data))
	runtime.KeepAlive(s)
}

// blob returns entry i with the ID of its pack.
func (s *segment) blob(i int) blob.Blob {
	e := s.at(i)
	pack, _ := s.pack(e.row())
	return blob.Blob{
		Handle:   blob.Handle{ID: e.id, Type: blob.Type(e.packType & 1)},
		Location: blob.Location{Pack: pack, Offset: e.offset, Length: e.length, PlainLength: e.plain},
	}
}
