package browse

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"holdfast/internal/api"
	"holdfast/internal/snapfs/archive"
	"holdfast/repository/snapshot"
	"holdfast/repository/tree"
)

// Download writes a file, a part of one, or a folder as an archive. An error
// after begin was called means that what was written is not whole.
func (b *Browser) Download(ctx context.Context, q api.DownloadQuery, begin func(api.Content) io.Writer) error {
	at, err := cleanPath(q.Path)
	if err != nil {
		return err
	}
	places := int64(1)
	if q.Archive != "" { // it keeps the folders that it is in
		places = downloadsAtOnce / 2
	}
	if err := b.awaitDownload(ctx, places); err != nil {
		return err
	}
	defer b.downloads.Release(places)
	began := false
	return b.readingTrees(ctx, q.Repository, func(v *view, instead *api.Instead) error {
		s, err := v.find(q.Snapshot, instead)
		if err != nil {
			return err
		}
		start := func(c api.Content) io.Writer {
			began = true
			return begin(c)
		}
		if q.Archive != "" {
			err = v.sendArchive(ctx, s, at, q.Archive, start)
		} else {
			err = v.sendFile(ctx, s, at, q.Offset, q.Length, start)
		}
		if began { // it is not asked for again, and its kind tells nobody anything
			return err
		}
		return v.explain(at, err)
	})
}

// awaitDownload waits for places among the downloads, but not for long.
func (b *Browser) awaitDownload(ctx context.Context, places int64) error {
	soon, cancel := context.WithTimeout(ctx, b.limits.answerWithin)
	defer cancel()
	err := b.downloads.Acquire(soon, places)
	if err != nil && ctx.Err() == nil {
		err = fmt.Errorf("%w: other downloads go on, and more would take too much memory; try again when one has ended", api.ErrUnavailable)
	}
	return err
}

// node returns the whole node at a path: listings hold less.
func (v *view) node(ctx context.Context, s *snapshot.Snapshot, at string) (*tree.Node, error) {
	spot, err := v.walkTo(ctx, s, at)
	switch {
	case err != nil:
		return nil, err
	case len(spot.damage) > 0:
		return nil, &DamageError{v.place.name, spot.damage[0]}
	case spot.entry == nil:
		return v.fs.At(s.Tree).Root(), nil
	}
	for n, err := range v.nodes(ctx, *spot.parent) {
		if n != nil && n.Name == spot.name && err == nil {
			found := *n
			return &found, nil
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if n == nil && err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("%w: there is no %s in snapshot %s", api.ErrNotFound, api.PathText(at), s.ID.Short())
}

func (v *view) sendFile(ctx context.Context, s *snapshot.Snapshot, at string, offset, length int64, begin func(api.Content) io.Writer) error {
	n, err := v.node(ctx, s, at)
	if err != nil {
		return err
	}
	if n.Type == tree.Dir {
		return fmt.Errorf("%w: %s is a folder: ask for it as an archive, tar or zip", api.ErrInvalid, api.PathText(at))
	}
	fsys := v.fs.At(s.Tree)
	file, err := fsys.OpenFile(n)
	if err != nil {
		return err
	}
	size := file.Size()
	from := offset
	if offset < 0 {
		from = max(0, size+offset)
	}
	if from > size || length < 0 {
		return fmt.Errorf("%w: %s has %d bytes, and nothing at %d", api.ErrInvalid, api.PathText(at), size, offset)
	}
	to := size
	if length > 0 && length < size-from {
		to = from + length
	}
	content := contentOf(n)
	w := begin(api.Content{Name: n.Name, Size: size, Begin: from, End: to, Time: n.ModTime, Tag: hex.EncodeToString(content[:])})
	first, end, skip := file.Span(from, to)
	part := *n
	part.Content = n.Content[first:end]
	cut := &cutWriter{w: w, skip: skip, left: to - from}
	if err := fsys.WriteFile(ctx, &part, cut); err != nil {
		return err
	}
	if cut.left > 0 {
		return errShort
	}
	return nil
}

// cutWriter passes a part of a stream on.
type cutWriter struct {
	w          io.Writer
	skip, left int64
}

func (c *cutWriter) Write(p []byte) (int, error) {
	n := len(p)
	skipped := min(c.skip, int64(len(p)))
	c.skip -= skipped
	p = p[skipped:]
	p = p[:min(int64(len(p)), c.left)]
	c.left -= int64(len(p))
	if len(p) == 0 {
		return n, nil
	}
	if _, err := c.w.Write(p); err != nil {
		return 0, err
	}
	return n, nil
}

var errShort = errors.New("the file ends before it should: the repository is damaged")

func (v *view) sendArchive(ctx context.Context, s *snapshot.Snapshot, at, format string, begin func(api.Content) io.Writer) error {
	f, err := archive.ParseFormat(format)
	if err != nil {
		return fmt.Errorf("%w: %w", api.ErrInvalid, err)
	}
	n, err := v.node(ctx, s, at)
	if err != nil {
		return err
	}
	if n.Type != tree.Dir {
		return fmt.Errorf("%w: %s is no folder: ask for it as it is, without an archive", api.ErrInvalid, api.PathText(at))
	}
	fsys := v.fs.At(*n.Subtree)
	// What can be seen at once to be damaged is told before anything is sent.
	for _, err := range v.nodes(ctx, *n.Subtree) {
		if err != nil {
			return err
		}
	}
	name := archiveName(s, at)
	w := begin(api.Content{Name: name + "." + string(f), Size: -1, Time: s.Time})
	// Names in the archive begin with the folder, and not with all above it.
	return archive.Write(ctx, f, fsys, name, n, w, func(path string, err error) {
		v.place.b.o.Log.Warn("download", "repository", v.place.name, "snapshot", s.ID.Short(), "path", api.PathText(path), "error", err)
	})
}

// archiveName names the archive of a folder.
func archiveName(s *snapshot.Snapshot, at string) string {
	if at == "/" {
		return cmp.Or(strings.Trim(path.Base("/"+s.Hostname), "/"), "snapshot") + "-" + s.Time.UTC().Format("20060102-150405")
	}
	return path.Base(at)
}
