//go:build !linux

package restore

import (
	"errors"
	"io"
	"io/fs"
	"os"

	"holdfast/internal/source"
)

// fileHandle is an open file of the target.
type fileHandle struct{ f *os.File }

var noFile fileHandle

// errSpecial says that this system has no such thing.
var errSpecial = errors.New("not supported on this system")

func (f fileHandle) close() error { return f.f.Close() }

func (f fileHandle) state() (state, error) {
	info, err := f.f.Stat()
	if err != nil {
		return state{}, err
	}
	return stateOf(info), nil
}

func (f fileHandle) truncate(size int64) error { return f.f.Truncate(size) }

// reserve makes room for a file's content where the system can; here it does
// not.
func (fileHandle) reserve(int64) (bool, error) { return false, nil }

// writeAt writes all of p.
func (f fileHandle) writeAt(p []byte, offset int64) error {
	_, err := f.f.WriteAt(p, offset)
	return err
}

// readAt fills p; an end before that is io.ErrUnexpectedEOF.
func (f fileHandle) readAt(p []byte, offset int64) error {
	_, err := f.f.ReadAt(p, offset)
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// readAhead has the system begin to read a part of the file where it can; here it
// does not.
func (fileHandle) readAhead(_, _ int64) {}

// stateOf returns what package os tells on every system.
func stateOf(info fs.FileInfo) state {
	s := state{
		kind: source.TypeOf(info.Mode()), mode: info.Mode() & modeBits,
		links: 1, size: info.Size(), mtime: source.TimeOf(info.ModTime()),
	}
	s.addSystem(info)
	return s
}

// thisProcess tells what this process may do. The umask is not known.
func thisProcess() process {
	p := process{umask: -1}
	if uid, gid := os.Geteuid(), os.Getegid(); uid >= 0 {
		p.uid, p.gid = uint32(uid), uint32(gid) //nolint:gosec // IDs are 32 bits
	}
	return p
}
