package snapfs

import (
	"context"
	"fmt"
	"io"
	"sort"

	"holdfast/repository"
	"holdfast/repository/blob"
	"holdfast/repository/id"
	"holdfast/repository/tree"
)

// File is the content of a regular file in a snapshot. It may be read from
// many goroutines at once and need not be closed. It takes 40 bytes of memory
// for each blob of the file.
type File struct {
	fs    *FS
	name  string
	blobs []id.ID
	// ends[k] is where blob k ends in the file.
	ends []int64
}

// OpenFile returns the content of a regular file. The error wraps ErrNotFile
// for any other node, and repository.ErrNotIndexed if the repository lacks a
// part of the content.
func (f *FS) OpenFile(n *tree.Node) (*File, error) {
	if n.Type != tree.File {
		return nil, fmt.Errorf("open %q: %w", n.Name, ErrNotFile)
	}
	file := &File{fs: f, name: n.Name, blobs: n.Content, ends: make([]int64, len(n.Content))}
	var end int64
	for k, i := range n.Content {
		h := blob.Handle{ID: i, Type: blob.Data}
		l, ok := f.repo.Index().Lookup(h)
		if !ok {
			return nil, fmt.Errorf("open %q: %s: %w", n.Name, h, repository.ErrNotIndexed)
		}
		end += int64(l.DataLength())
		file.ends[k] = end
	}
	return file, nil
}

// Size returns the length of the content in bytes. The node's Size is what
// the backup saw; in a sound snapshot the two are equal.
func (f *File) Size() int64 {
	if len(f.ends) == 0 {
		return 0
	}
	return f.ends[len(f.ends)-1]
}

// ReadAt reads as io.ReaderAt does. Blobs are kept for the next calls.
func (f *File) ReadAt(ctx context.Context, p []byte, offset int64) (int, error) {
	if offset < 0 {
		return 0, fmt.Errorf("read %q: negative offset %d", f.name, offset)
	}
	k := sort.Search(len(f.ends), func(k int) bool { return f.ends[k] > offset })
	n := 0
	for ; n < len(p) && k < len(f.blobs); k++ {
		plain, err := f.fs.blobs.get(ctx, blob.Handle{ID: f.blobs[k], Type: blob.Data})
		if err != nil {
			return n, fmt.Errorf("read %q: %w", f.name, err)
		}
		start := int64(0)
		if k > 0 {
			start = f.ends[k-1]
		}
		if int64(len(plain)) != f.ends[k]-start {
			return n, fmt.Errorf("read %q: the index gives data %s a wrong length", f.name, f.blobs[k].Short())
		}
		n += copy(p[n:], plain[offset+int64(n)-start:])
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// Reader returns f as an io.ReaderAt, an io.ReadSeeker and an io.WriterTo
// whose work ends with ctx.
func (f *File) Reader(ctx context.Context) *io.SectionReader {
	return io.NewSectionReader(readerAt{ctx, f}, 0, f.Size())
}

// readerAt binds a File to a context, for interfaces that know none.
type readerAt struct {
	ctx  context.Context //nolint:containedctx // io.ReaderAt takes none
	file *File
}

func (r readerAt) ReadAt(p []byte, offset int64) (int, error) {
	return r.file.ReadAt(r.ctx, p, offset)
}

// Span returns which blobs hold the bytes from one place in the file to
// another, blobs[first:end], and how many bytes of the first come before them.
func (f *File) Span(from, to int64) (first, end int, before int64) {
	first = sort.Search(len(f.ends), func(k int) bool { return f.ends[k] > from })
	end = sort.Search(len(f.ends), func(k int) bool { return f.ends[k] >= to })
	if first == len(f.ends) || from >= to {
		return first, first, 0
	}
	start := int64(0)
	if first > 0 {
		start = f.ends[first-1]
	}
	return first, end + 1, from - start
}
