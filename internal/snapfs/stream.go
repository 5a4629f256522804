package snapfs

import (
	"context"
	"fmt"
	"io"

	"golang.org/x/sync/errgroup"

	"holdfast/repository/blob"
	"holdfast/repository/id"
	"holdfast/repository/tree"
)

// readAhead is how many blobs are loaded at once for a file that is written
// out in order: enough to keep the processor busy and to hide the latency of
// a remote store, with at most 8 MiB each.
const readAhead = 4

// WriteFile writes the content of a regular file to w, in order. Blobs are
// loaded ahead of the writing and not kept.
func (f *FS) WriteFile(ctx context.Context, n *tree.Node, w io.Writer) error {
	if n.Type != tree.File {
		return fmt.Errorf("read %q: %w", n.Name, ErrNotFile)
	}
	g, gctx := errgroup.WithContext(ctx)
	buffers := make(chan []byte, readAhead)
	for range readAhead {
		buffers <- nil
	}
	// queue holds the blobs on their way, in the order of the file.
	queue := make(chan chan []byte, readAhead)
	g.Go(func() error {
		defer close(queue)
		return f.loadAhead(gctx, g, n.Content, buffers, queue)
	})
	g.Go(func() error { return writeQueue(gctx, w, queue, buffers) })
	if err := g.Wait(); err != nil {
		return fmt.Errorf("read %q: %w", n.Name, err)
	}
	return nil
}

// loadAhead starts to load blob after blob, each as soon as there is a buffer.
func (f *FS) loadAhead(ctx context.Context, g *errgroup.Group, blobs []id.ID, buffers chan []byte, queue chan<- chan []byte) error {
	for _, i := range blobs {
		var buffer []byte
		select {
		case buffer = <-buffers:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		loaded := make(chan []byte, 1)
		g.Go(func() error {
			plain, err := f.repo.LoadBlob(ctx, blob.Handle{ID: i, Type: blob.Data}, buffer)
			if err == nil {
				loaded <- plain
			}
			return err
		})
		queue <- loaded // has room: there are no more buffers than places
	}
	return nil
}

// writeQueue writes the blobs in order and gives their buffers back.
func writeQueue(ctx context.Context, w io.Writer, queue <-chan chan []byte, buffers chan<- []byte) error {
	for loaded := range queue {
		var plain []byte
		select {
		case plain = <-loaded:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if _, err := w.Write(plain); err != nil {
			return err
		}
		buffers <- plain
	}
	return nil
}
