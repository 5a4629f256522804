package backup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"holdfast/internal/source"
	"holdfast/repository"
	"holdfast/repository/blob"
	"holdfast/repository/id"
	"holdfast/repository/snapshot"
	"holdfast/repository/tree"
)

// RunArrivals makes a backup of a source whose files arrive in an order of
// their own. What the repository has already is not stored again. The source
// knows what is unchanged, so Type and Parent of the options are recorded as
// they are; without a type the snapshot is a full one. Memory takes some 500
// bytes for each file and 32 for each of its blobs: 100 MiB for a cluster of
// 1 TiB.
//
// complete, if set, is called when all has arrived and is durable, before the
// snapshot is saved; it may change the snapshot, and an error of it means that
// there is none.
func RunArrivals(ctx context.Context, r *repository.Repository, src source.Arrivals, o Options, complete func(*snapshot.Snapshot) error) (*Receipt, error) {
	start := time.Now()
	if o.Progress == nil {
		o.Progress = new(Progress)
	}
	receipt := &Receipt{Type: cmp.Or(o.Type, snapshot.Full), Parent: o.Parent}
	target, err := newTarget(ctx, r, o, receipt)
	if err != nil {
		return nil, err
	}
	a := &archiver{options: o, repo: r, target: target, progress: o.Progress}
	in := &arrivals{a: a, root: newArrivedFolder(), start: start, readers: map[int][]*repository.ChunkReader{}}
	tree, err := in.archive(ctx, src)
	if err != nil {
		return nil, errors.Join(err, target.abandon())
	}
	a.buffers.drop()
	if err := target.finish(); err != nil {
		return nil, err
	}
	if complete != nil {
		s := a.options.Snapshot.Clone()
		if err := complete(s); err != nil {
			return nil, err
		}
		a.options.Snapshot = *s
	}
	if err := a.saveSnapshot(ctx, tree, settled(src, start), receipt); err != nil {
		return nil, err
	}
	receipt.Duration = time.Since(start)
	return receipt, nil
}

// settled returns from when on the times of files tell a later backup that they
// are as this one found them.
func settled(src source.Arrivals, start time.Time) time.Time {
	if s, ok := src.(source.Settling); ok {
		if since := s.Settled(); !since.IsZero() {
			return since
		}
	}
	return start
}

// arrivals stores what arrives.
type arrivals struct {
	a     *archiver
	root  *arrivedFolder
	start time.Time

	method  repository.CutMethod
	mu      sync.Mutex
	readers map[int][]*repository.ChunkReader // those not in use, by the size of fixed chunks
	pairs   *pairs                            // of the chunks of all files
}

// arrivedFolder is a directory whose names are not all known yet.
type arrivedFolder struct {
	node    *tree.Node // nil for one that nothing told of
	files   map[string]*arrivedFile
	folders map[string]*arrivedFolder
}

func newArrivedFolder() *arrivedFolder {
	return &arrivedFolder{files: map[string]*arrivedFile{}, folders: map[string]*arrivedFolder{}}
}

// arrivedFile is a file or anything else that is no directory. Its blobs are
// stored side by side.
type arrivedFile struct {
	node tree.Node
	item Item

	// composed tells that the content was not read from the source as it is.
	composed bool
	// was is the content that an earlier backup has; nil for not known.
	was []id.ID

	mu      sync.Mutex
	content []id.ID
}

// archive stores everything and returns the ID of the root tree.
func (in *arrivals) archive(ctx context.Context, src source.Arrivals) (id.ID, error) {
	var err error
	if in.method, err = in.a.repo.CutMethod(""); err != nil {
		return id.ID{}, err
	}
	readers := 1
	if s, ok := src.(source.SideBySide); ok {
		readers = s.Readers()
	}
	in.a.buffers = newBuffers(workers() + readers - 1)
	in.a.places = newPlaces(workers() + readers)
	if err := in.readAll(ctx, src, readers); err != nil {
		return id.ID{}, err
	}
	return in.storeFolder(ctx, in.root)
}

func (in *arrivals) readAll(ctx context.Context, src source.Arrivals, readers int) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	g, gctx := errgroup.WithContext(ctx)
	in.pairs = &pairs{a: in.a, g: g}
	err := in.receive(gctx, g, src, readers)
	if cause := context.Cause(gctx); cause != nil {
		err = cause // the first failure, which may have made the source fail too
	}
	if err != nil {
		cancel(err)
	}
	return cmp.Or(err, g.Wait())
}

// receive takes all arrivals, and reads so many at once. Chunks are stored by
// g while more is read.
func (in *arrivals) receive(ctx context.Context, g *errgroup.Group, src source.Arrivals, readers int) error {
	reading := make(chan struct{}, readers)
	composer := newComposer(in, g)
	for {
		arrival, err := src.Next(ctx)
		if errors.Is(err, io.EOF) {
			if err := composer.flush(ctx); err != nil {
				return err
			}
			return in.finish(ctx, reading)
		}
		if err != nil {
			return err
		}
		if arrival.Node.Type == tree.Dir {
			in.folder(arrival.Path).node = &arrival.Node
			continue
		}
		f, err := in.file(arrival)
		if err == nil && arrival.AfterAll {
			err = composer.wait(ctx)
		}
		if err != nil {
			return err
		}
		switch {
		case arrival.Node.Type != tree.File:
			continue
		case arrival.Changes != nil:
			if err := composer.file(ctx, arrival, f); err != nil {
				return err
			}
			continue
		case arrival.Held != nil:
			if err := in.held(arrival, f); err != nil {
				return err
			}
			continue
		case readers == 1:
			if err := in.read(ctx, arrival, f); err != nil {
				return err
			}
			continue
		}
		select {
		case reading <- struct{}{}:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		g.Go(func() error {
			defer func() { <-reading }()
			return in.read(ctx, arrival, f)
		})
	}
}

// finish has the last chunk stored when all files are read. reading has a place
// for each that is.
func (in *arrivals) finish(ctx context.Context, reading chan struct{}) error {
	for range cap(reading) {
		select {
		case reading <- struct{}{}:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	in.pairs.flush()
	return nil
}

// held records a file that is as it was.
func (in *arrivals) held(arrival *source.Arrival, f *arrivedFile) error {
	for _, i := range arrival.Held {
		if !in.a.target.holds(blob.Handle{ID: i, Type: blob.Data}) {
			return fmt.Errorf("%w: %s is missing, which is in %s", source.ErrEarlier, blob.Handle{ID: i, Type: blob.Data}, arrival.Path)
		}
	}
	f.content, f.item.State, f.item.Size = arrival.Held, Unchanged, arrival.Node.Size
	in.a.progress.count(&f.item)
	return nil
}

// read has a file read to its end.
func (in *arrivals) read(ctx context.Context, arrival *source.Arrival, f *arrivedFile) error {
	chunks := in.chunkReader(arrival.CutBytes)
	err := in.content(ctx, arrival, f, chunks)
	if closer, ok := arrival.Content.(io.Closer); ok {
		err = errors.Join(err, closer.Close())
	}
	if err != nil {
		return fmt.Errorf("%s: %w", arrival.Path, err)
	}
	in.mu.Lock()
	in.readers[arrival.CutBytes] = append(in.readers[arrival.CutBytes], chunks)
	in.mu.Unlock()
	return nil
}

// chunkReader returns one that cuts every so many bytes, or by content.
func (in *arrivals) chunkReader(cutBytes int) *repository.ChunkReader {
	in.mu.Lock()
	defer in.mu.Unlock()
	if free := in.readers[cutBytes]; len(free) > 0 {
		in.readers[cutBytes] = free[:len(free)-1]
		return free[len(free)-1]
	}
	method := in.method
	if cutBytes > 0 {
		method = repository.FixedCut(cutBytes)
	}
	return repository.NewChunkReader(method, in.a.buffers)
}

// folder returns the folder of a path, which is made with all above it.
func (in *arrivals) folder(path string) *arrivedFolder {
	f := in.root
	for name := range strings.SplitSeq(path, "/") {
		below := f.folders[name]
		if below == nil {
			below = newArrivedFolder()
			f.folders[name] = below
		}
		f = below
	}
	return f
}

func (in *arrivals) file(arrival *source.Arrival) (*arrivedFile, error) {
	parent, name := in.root, arrival.Path
	if at := strings.LastIndexByte(arrival.Path, '/'); at >= 0 {
		parent, name = in.folder(arrival.Path[:at]), arrival.Path[at+1:]
	}
	if parent.files[name] != nil || parent.folders[name] != nil {
		return nil, fmt.Errorf("%s arrives twice", arrival.Path)
	}
	f := &arrivedFile{node: arrival.Node, item: Item{Type: arrival.Node.Type, State: New}}
	f.node.Name = name
	if arrival.Known {
		f.item.State, f.was = Changed, arrival.Was
	}
	parent.files[name] = f
	return f, nil
}

// content has the chunks of a file stored.
func (in *arrivals) content(ctx context.Context, arrival *source.Arrival, f *arrivedFile, chunks *repository.ChunkReader) error {
	hint := int64(-1)
	if !arrival.SizeUnknown {
		hint = int64(arrival.Node.Size) //nolint:gosec // no file is larger
	}
	chunks.Reset(arrival.Content, hint)
	f.content = []id.ID{}
	size := uint64(0)
	for {
		if err := in.a.places.take(ctx); err != nil {
			return err
		}
		chunk, err := chunks.Next()
		if err != nil {
			in.a.places.give()
			if !errors.Is(err, io.EOF) {
				return err
			}
			break
		}
		size += uint64(len(chunk))
		at := f.place()
		in.pairs.add(&pairChunk{chunk, func(i id.ID) error { return in.store(ctx, f, at, i, chunk) }})
	}
	if !arrival.SizeUnknown && size != arrival.Node.Size {
		return fmt.Errorf("%d bytes arrived instead of %d", size, arrival.Node.Size)
	}
	f.node.Size, f.item.Size = size, size
	in.a.progress.count(&f.item)
	return nil
}

// place makes room for one more blob and returns its number.
func (f *arrivedFile) place() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.content = append(f.content, id.ID{})
	return len(f.content) - 1
}

func (in *arrivals) store(ctx context.Context, f *arrivedFile, at int, i id.ID, chunk []byte) error {
	defer in.a.places.give()
	save := in.a.saveChunkAs
	if f.composed {
		save = in.a.storeChunkAs
	}
	saved, err := save(ctx, i, chunk)
	if err != nil {
		return err
	}
	f.mu.Lock()
	f.content[at] = saved.ID
	f.mu.Unlock()
	return nil
}

// storeFolder stores the trees of a folder and of all below it, and returns
// the ID of its own.
func (in *arrivals) storeFolder(ctx context.Context, f *arrivedFolder) (id.ID, error) {
	b := tree.NewBuilder()
	names := slices.Concat(slices.Collect(maps.Keys(f.files)), slices.Collect(maps.Keys(f.folders)))
	slices.Sort(names)
	for _, name := range names {
		node, err := in.node(ctx, f, name)
		if err == nil {
			err = b.Add(node)
		}
		if err != nil {
			return id.ID{}, fmt.Errorf("%s: %w", name, err)
		}
	}
	saved, err := in.a.target.save(ctx, blob.Tree, b.Bytes())
	if err == nil && !saved.Known {
		in.a.progress.TreeBlobs.Add(1)
	}
	return saved.ID, err
}

// node returns the finished node of a name.
func (in *arrivals) node(ctx context.Context, f *arrivedFolder, name string) (*tree.Node, error) {
	if file := f.files[name]; file != nil {
		if file.node.Type == tree.File {
			file.node.Content = file.content
			if file.was != nil && slices.Equal(file.was, file.content) {
				in.a.progress.unchangedAfterAll()
			}
		}
		return &file.node, nil
	}
	below := f.folders[name]
	subtree, err := in.storeFolder(ctx, below)
	if err != nil {
		return nil, err
	}
	in.a.progress.count(&Item{Type: tree.Dir, State: New})
	node := tree.Node{Type: tree.Dir, Mode: os.ModeDir | 0o755, ModTime: in.start, AccessTime: in.start, ChangeTime: in.start}
	if below.node != nil {
		node = *below.node
	}
	node.Name, node.Subtree = name, &subtree
	return &node, nil
}
