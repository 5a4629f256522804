package backup

import (
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
// their own. All of it is read, so the snapshot is a full one; what the
// repository has already is not stored again. Memory takes some 500 bytes for
// each file and 32 for each of its blobs: 100 MiB for a cluster of 1 TiB.
//
// complete, if set, is called when all has arrived and is durable, before the
// snapshot is saved; it may change the snapshot, and an error of it means that
// there is none.
func RunArrivals(ctx context.Context, r *repository.Repository, src source.Arrivals, o Options, complete func(*snapshot.Snapshot) error) (*Receipt, error) {
	start := time.Now()
	if o.Progress == nil {
		o.Progress = new(Progress)
	}
	receipt := &Receipt{Type: snapshot.Full}
	target, err := newTarget(ctx, r, o, receipt)
	if err != nil {
		return nil, err
	}
	a := &archiver{options: o, repo: r, target: target, progress: o.Progress}
	in := &arrivals{a: a, root: newArrivedFolder(), start: start}
	tree, err := in.archive(ctx, src)
	if err != nil {
		return nil, errors.Join(err, target.abandon())
	}
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
	if err := a.saveSnapshot(ctx, tree, start, receipt); err != nil {
		return nil, err
	}
	receipt.Duration = time.Since(start)
	return receipt, nil
}

// arrivals stores what arrives.
type arrivals struct {
	a     *archiver
	root  *arrivedFolder
	start time.Time
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

	mu      sync.Mutex
	content []id.ID
}

// archive stores everything and returns the ID of the root tree.
func (in *arrivals) archive(ctx context.Context, src source.Arrivals) (id.ID, error) {
	method, err := in.a.repo.CutMethod("")
	if err != nil {
		return id.ID{}, err
	}
	in.a.buffers = newBuffers(workers())
	in.a.chunks = make(chan struct{}, workers()+1)
	g, gctx := errgroup.WithContext(ctx)
	err = in.receive(gctx, g, src, method)
	if err := errors.Join(g.Wait(), err); err != nil {
		return id.ID{}, err
	}
	return in.storeFolder(ctx, in.root)
}

// receive takes all arrivals. Chunks are stored by g while more is read.
func (in *arrivals) receive(ctx context.Context, g *errgroup.Group, src source.Arrivals, method repository.CutMethod) error {
	readers := map[int]*repository.ChunkReader{} // by the size of fixed chunks
	for {
		arrival, err := src.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if arrival.Node.Type == tree.Dir {
			in.folder(arrival.Path).node = &arrival.Node
			continue
		}
		f, err := in.file(arrival)
		if err != nil {
			return err
		}
		if arrival.Node.Type != tree.File {
			continue
		}
		reader := readers[arrival.CutBytes]
		if reader == nil {
			reader = repository.NewChunkReader(methodOf(arrival, method), in.a.buffers)
			readers[arrival.CutBytes] = reader
		}
		if err := in.content(ctx, g, arrival, f, reader); err != nil {
			return fmt.Errorf("%s: %w", arrival.Path, err)
		}
	}
}

func methodOf(arrival *source.Arrival, method repository.CutMethod) repository.CutMethod {
	if arrival.CutBytes > 0 {
		return repository.FixedCut(arrival.CutBytes)
	}
	return method
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
	parent.files[name] = f
	return f, nil
}

// content has the chunks of a file stored.
func (in *arrivals) content(ctx context.Context, g *errgroup.Group, arrival *source.Arrival, f *arrivedFile, chunks *repository.ChunkReader) error {
	hint := int64(-1)
	if !arrival.SizeUnknown {
		hint = int64(arrival.Node.Size) //nolint:gosec // no file is larger
	}
	chunks.Reset(arrival.Content, hint)
	f.content = []id.ID{}
	size := uint64(0)
	for {
		select {
		case in.a.chunks <- struct{}{}:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		chunk, err := chunks.Next()
		if err != nil {
			<-in.a.chunks
			if !errors.Is(err, io.EOF) {
				return err
			}
			break
		}
		size += uint64(len(chunk))
		at := f.place()
		g.Go(func() error { return in.store(ctx, f, at, chunk) })
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

func (in *arrivals) store(ctx context.Context, f *arrivedFile, at int, chunk []byte) error {
	defer func() { <-in.a.chunks }()
	saved, err := in.a.saveChunk(ctx, chunk)
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
