package archive

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"holdfast/repository"
	"holdfast/repository/blob"
	"holdfast/repository/id"
	"holdfast/repository/snapshot"
	"holdfast/repository/tree"
)

// ImportOptions tell how archives become snapshots.
type ImportOptions struct {
	Identities Identities
	Writer     repository.WriterOptions
	// Snapshots are those of the repository, loaded before its index.
	Snapshots []*snapshot.Snapshot
	Progress  *Progress
}

// Imported is what one archive became.
type Imported struct {
	Archive  string
	Snapshot *snapshot.Snapshot
	// Known tells that the repository had the snapshot already.
	Known bool
}

// Import makes the archives of a chain, as Chain gives it, snapshots again:
// one for each, with the time, host, paths and tags it had, and with all that
// the archive kept. The caller holds a shared lock and has loaded the
// snapshots, then the index. A snapshot is saved once its archive was read to
// its end and every hash was right. What the repository has already is not
// stored again, and an archive of a snapshot that it has is not even read.
func Import(ctx context.Context, r *repository.Repository, chain []Placed, o ImportOptions, done func(Imported)) error {
	var before id.ID
	for _, at := range chain {
		s, err := importOne(ctx, r, at, before, o)
		if err != nil {
			return fmt.Errorf("archive %s: %w", at.Name, err)
		}
		before = s.Tree
		if known := sameSnapshot(s, o.Snapshots); known != nil {
			done(Imported{at.Name, known, true})
			continue
		}
		if err := r.SaveSnapshot(ctx, s); err != nil {
			return fmt.Errorf("save snapshot: %w", err)
		}
		done(Imported{at.Name, s, false})
	}
	return nil
}

// sameSnapshot finds a snapshot that says the same of the same files.
func sameSnapshot(s *snapshot.Snapshot, others []*snapshot.Snapshot) *snapshot.Snapshot {
	for _, o := range others {
		if o.Tree == s.Tree && o.Time.Equal(s.Time) && o.Hostname == s.Hostname && slices.Equal(o.Paths, s.Paths) && slices.Equal(o.Tags, s.Tags) {
			return o
		}
	}
	return nil
}

// importOne stores what is in one archive, laid over the tree of its parent.
func importOne(ctx context.Context, r *repository.Repository, at Placed, before id.ID, o ImportOptions) (*snapshot.Snapshot, error) {
	if _, err := checkFiles(ctx, at); err != nil {
		return nil, err
	}
	in, err := open(ctx, at, o.Identities, o.Progress)
	if err != nil {
		return nil, err
	}
	defer in.close()
	if s := sameSnapshot(in.snapshot, o.Snapshots); s != nil {
		return s, nil // nothing more of the archive has to be read
	}
	method, err := r.CutMethod("")
	if err != nil {
		return nil, err
	}
	w, err := r.NewWriter(ctx, o.Writer)
	if err != nil {
		return nil, err
	}
	b := &build{repo: r, writer: w, in: in, progress: o.Progress, linked: make(map[string][]id.ID)}
	b.chunks = repository.NewChunkReader(method, &b.buffers)
	defer b.chunks.Release()
	root, err := b.run(ctx, before)
	if err == nil {
		err = in.finish()
	}
	if err == nil {
		err = w.Flush(ctx)
	}
	if err := errors.Join(err, w.Close()); err != nil {
		return nil, err
	}
	s := in.snapshot.Edited()
	s.Tree, s.Parent = root, nil
	return s, nil
}

// build makes trees of the entries of a tar, which come in the order of the
// trees: a folder, then what it holds, by name.
type build struct {
	repo     *repository.Repository
	writer   *repository.Writer
	in       *stream
	progress *Progress
	chunks   *repository.ChunkReader
	buffers  buffers
	group    *errgroup.Group
	// linked holds the content of files with several names, by the first.
	linked map[string][]id.ID
	// deleted are the paths that went away since the parent.
	deleted map[string]struct{}
	// open are the folders on the way, the root first.
	open []*level
}

// level is a folder that is being built.
type level struct {
	path string // of its entries, with a slash at the end; "" for the root
	node *tree.Node
	made *tree.Builder
	// old is the parent's tree of the folder, of which the entries up to the
	// last one made are dealt with; nil if there is none.
	old *tree.Scanner
	// ahead tells that old stands at an entry that is not dealt with.
	ahead bool
}

func (b *build) run(ctx context.Context, before id.ID) (id.ID, error) {
	var gctx context.Context
	b.group, gctx = errgroup.WithContext(ctx)
	b.group.SetLimit(runtime.GOMAXPROCS(0) + 1)
	root, err := b.entries(gctx, before)
	if werr := b.group.Wait(); werr != nil {
		return id.ID{}, werr
	}
	return root, err
}

func (b *build) entries(ctx context.Context, before id.ID) (id.ID, error) {
	if err := b.enter(ctx, "", nil, before); err != nil {
		return id.ID{}, err
	}
	first := true
	for {
		h, err := b.in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return id.ID{}, err
		}
		if first && b.in.m.Parent != nil {
			if err := b.readDeletions(h); err != nil {
				return id.ID{}, err
			}
			first = false
			continue
		}
		if err := b.entry(ctx, h); err != nil {
			return id.ID{}, fmt.Errorf("%q: %w", h.Name, err)
		}
	}
	for len(b.open) > 1 {
		if err := b.leave(ctx); err != nil {
			return id.ID{}, err
		}
	}
	return b.finish(ctx)
}

// maxDeletions bounds the list of deletions in memory.
const maxDeletions = 1 << 30

func (b *build) readDeletions(h *tar.Header) error {
	if h.Name != DeletionsName || h.Size > maxDeletions {
		return fmt.Errorf("%w: it does not begin with the list of deletions", ErrDamaged)
	}
	list, err := io.ReadAll(b.in)
	if err != nil {
		return b.in.damage(err)
	}
	b.deleted = make(map[string]struct{})
	for p := range strings.SplitSeq(string(list), "\x00") {
		b.deleted[p] = struct{}{}
	}
	return nil
}

// errShape says that a tar is not one that Export wrote.
func errShape(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrDamaged, fmt.Sprintf(format, args...))
}

// entry adds one entry of the tar to its folder.
func (b *build) entry(ctx context.Context, h *tar.Header) error {
	name := strings.TrimSuffix(h.Name, "/")
	n, err := nodeOf(h)
	if err != nil {
		return err
	}
	dir, base := path.Split(name)
	if n.Name != base {
		return errShape("its record is that of %q", n.Name)
	}
	for len(b.open) > 1 && b.top().path != dir {
		if err := b.leave(ctx); err != nil {
			return err
		}
	}
	if b.top().path != dir {
		return errShape("it comes before its folder")
	}
	replaced, err := b.catchUp(base)
	if err != nil {
		return err
	}
	if n.Type == tree.Dir {
		var before id.ID
		if _, gone := b.deleted[name]; !gone && replaced != nil && replaced.Type == tree.Dir && replaced.Subtree != nil {
			before = *replaced.Subtree
		}
		return b.enter(ctx, name+"/", n, before)
	}
	if n.Type == tree.File {
		if n.Content, err = b.content(ctx, h, name, n); err != nil {
			return err
		}
	}
	return b.top().made.Add(n)
}

// nodeOf returns the node that stands in a header, without content. It is
// that of the entry, or the entry is refused.
func nodeOf(h *tar.Header) (*tree.Node, error) {
	text, ok := h.PAXRecords[nodeRecord]
	if !ok {
		return nil, errShape("it has no record of holdfast's")
	}
	s := tree.NewScanner([]byte(`{"nodes":[` + text + `]}`))
	if !s.Next() {
		return nil, errShape("its record cannot be read: %v", s.Err())
	}
	n := *s.Node()
	if s.Next() || s.Err() != nil {
		return nil, errShape("its record is not that of one entry")
	}
	n.Content, n.Subtree = nil, nil
	types := map[byte][]tree.Type{
		tar.TypeReg: {tree.File}, tar.TypeDir: {tree.Dir}, tar.TypeSymlink: {tree.Symlink},
		tar.TypeBlock: {tree.Device}, tar.TypeChar: {tree.CharDevice}, tar.TypeFifo: {tree.Fifo},
		tar.TypeLink: {tree.File, tree.Symlink, tree.Device, tree.CharDevice, tree.Fifo},
	}
	if !slices.Contains(types[h.Typeflag], n.Type) {
		return nil, errShape("its record is that of a %s", n.Type)
	}
	return &n, nil
}

// content stores the content of a file, or finds what was stored for its
// first name.
func (b *build) content(ctx context.Context, h *tar.Header, name string, n *tree.Node) ([]id.ID, error) {
	if h.Typeflag == tar.TypeLink {
		content, ok := b.linked[h.Linkname]
		if !ok {
			return nil, errShape("it is a link to %q, which did not come before", h.Linkname)
		}
		return content, nil
	}
	content := []id.ID{} // an empty file has an empty list, not none
	b.chunks.Reset(b.in, h.Size)
	for {
		chunk, err := b.chunks.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, b.in.damage(err)
		}
		content = append(content, id.Hash(chunk))
		b.group.Go(func() error {
			_, err := b.writer.Save(ctx, blob.Data, chunk)
			b.buffers.Put(chunk)
			return err
		})
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
	}
	if _, ok := hasLinks(n); ok {
		b.linked[name] = content
	}
	return content, nil
}

func (b *build) top() *level { return b.open[len(b.open)-1] }

// enter begins a folder; before is the parent's tree of it, or zero.
func (b *build) enter(ctx context.Context, path string, n *tree.Node, before id.ID) error {
	l := &level{path: path, node: n, made: tree.NewBuilder()}
	if !before.IsZero() {
		data, err := b.repo.LoadTree(ctx, before, nil)
		if err != nil {
			return err
		}
		l.old = tree.NewScanner(data)
		l.ahead = l.old.Next()
	}
	b.open = append(b.open, l)
	return nil
}

// catchUp takes over the entries of the parent's folder that come before a
// name and did not go away, and returns the one of that name, if any.
func (b *build) catchUp(name string) (*tree.Node, error) {
	l := b.top()
	for ; l.ahead && l.old.Node().Name < name; l.ahead = l.old.Next() {
		if err := b.takeOver(l); err != nil {
			return nil, err
		}
	}
	if !l.ahead || l.old.Node().Name != name {
		return nil, b.oldError(l)
	}
	n := *l.old.Node()
	l.ahead = l.old.Next()
	return &n, nil
}

func (b *build) oldError(l *level) error {
	if l.old == nil || l.ahead || l.old.Err() == nil {
		return nil
	}
	return fmt.Errorf("folder %q of the parent: %w", l.path, l.old.Err())
}

// takeOver adds the parent's entry as it is, unless it went away.
func (b *build) takeOver(l *level) error {
	name := l.old.Node().Name
	if _, gone := b.deleted[l.path+name]; gone {
		return nil
	}
	return l.made.AddRaw(name, l.old.Raw())
}

// leave ends a folder and adds it to the one it is in.
func (b *build) leave(ctx context.Context) error {
	n := b.top().node
	made, err := b.finish(ctx)
	if err != nil {
		return err
	}
	n.Subtree = &made
	return b.top().made.Add(n)
}

// finish stores the tree of the folder on top, and takes it off.
func (b *build) finish(ctx context.Context) (id.ID, error) {
	l := b.top()
	for ; l.ahead; l.ahead = l.old.Next() {
		if err := b.takeOver(l); err != nil {
			return id.ID{}, err
		}
	}
	if err := b.oldError(l); err != nil {
		return id.ID{}, err
	}
	saved, err := b.writer.Save(ctx, blob.Tree, l.made.Bytes())
	b.open = b.open[:len(b.open)-1]
	if b.progress != nil {
		b.progress.Entries.Add(1)
	}
	return saved.ID, err
}
