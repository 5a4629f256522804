package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"holdfast/repository/tree"
)

// Stream is a source of one file whose content is read once, from a program
// or standard input.
type Stream struct {
	// Path is where the file stands in the snapshot, "/" between directories.
	Path string
	// Content is read to its end and closed.
	Content io.ReadCloser
	// ModTime becomes the time of the file and of the directories above it.
	ModTime time.Time
	UID     uint32
	GID     uint32
}

var _ Source = (*Stream)(nil)

const (
	streamFileMode = 0o644
	streamDirMode  = os.ModeDir | 0o755
)

// Open returns the top of the path to the file.
func (s *Stream) Open(context.Context) (Dir, error) {
	clean := strings.TrimPrefix(path.Clean("/"+s.Path), "/")
	if clean == "" {
		return nil, fmt.Errorf("stream has no file name in path %q", s.Path)
	}
	return &streamDir{stream: s, rest: strings.Split(clean, "/")}, nil
}

// streamDir is a directory with one name: the next of the path.
type streamDir struct {
	stream *Stream
	above  []string
	rest   []string // never empty; the last is the file
}

func (d *streamDir) Path() string { return "/" + path.Join(d.above...) }

func (d *streamDir) PathOf(name string) string { return path.Join(d.Path(), name) }

func (d *streamDir) Entry() Entry {
	if len(d.above) == 0 {
		return Entry{Mode: streamDirMode}
	}
	return d.stream.entry(d.above[len(d.above)-1], streamDirMode)
}

func (d *streamDir) Names(ctx context.Context) ([]string, error) {
	return []string{d.rest[0]}, ctx.Err()
}

func (d *streamDir) Stat(name string) (Entry, error) {
	if name != d.rest[0] {
		return Entry{}, &fs.PathError{Op: "stat", Path: name, Err: fs.ErrNotExist}
	}
	if len(d.rest) > 1 {
		return d.stream.entry(name, streamDirMode), nil
	}
	return d.stream.entry(name, streamFileMode), nil
}

func (d *streamDir) Sub(e Entry) (Dir, error) {
	if len(d.rest) == 1 || e.Name != d.rest[0] {
		return nil, &fs.PathError{Op: "open directory", Path: e.Name, Err: fs.ErrNotExist}
	}
	above := append(slices.Clip(d.above), e.Name)
	return &streamDir{stream: d.stream, above: above, rest: d.rest[1:]}, nil
}

func (d *streamDir) Open(e Entry) (File, error) {
	if len(d.rest) != 1 || e.Name != d.rest[0] {
		return nil, &fs.PathError{Op: "open", Path: e.Name, Err: fs.ErrNotExist}
	}
	if d.stream.Content == nil {
		return nil, errors.New("stream has no content")
	}
	return &streamFile{ReadCloser: d.stream.Content, entry: e}, nil
}

func (d *streamDir) Node(e Entry) (*tree.Node, error) { return streamNode(&e), nil }

func (d *streamDir) Close() error { return nil }

func (s *Stream) entry(name string, mode os.FileMode) Entry {
	at := TimeOf(s.ModTime)
	return Entry{
		Name: name, Mode: mode, UID: s.UID, GID: s.GID, Links: 1,
		ModTime: at, ChangeTime: at, AccessTime: at,
	}
}

// streamFile counts what is read: a stream's size is known at its end.
type streamFile struct {
	io.ReadCloser
	entry Entry
}

func (f *streamFile) Read(p []byte) (int, error) {
	n, err := f.ReadCloser.Read(p)
	f.entry.Size += int64(n)
	return n, err
}

// Entry returns the state of the file; its size is what was read so far.
func (f *streamFile) Entry() Entry { return f.entry }

func (f *streamFile) Node() (*tree.Node, error) { return streamNode(&f.entry), nil }

func (f *streamFile) Check() error { return nil }

func streamNode(e *Entry) *tree.Node {
	node := &tree.Node{
		Name: e.Name, Type: e.Type(), Mode: e.Mode, UID: e.UID, GID: e.GID,
		ModTime: e.ModTime.Time(), AccessTime: e.AccessTime.Time(), ChangeTime: e.ChangeTime.Time(),
	}
	if e.IsRegular() {
		node.Size, node.Links = uint64(e.Size), e.Links
	}
	return node
}
