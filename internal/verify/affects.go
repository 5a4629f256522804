package verify

import (
	"context"
	"math/bits"
	"path"
	"slices"

	"holdfast/repository"
	"holdfast/repository/blob"
	"holdfast/repository/id"
	"holdfast/repository/snapshot"
	"holdfast/repository/tree"
)

// trackedProblems is how many problems are followed each by itself. The last
// stands for all that come later.
const trackedProblems = 256

// mask is a set of problems.
type mask [trackedProblems / 64]uint64

func (m *mask) add(problem int) {
	if problem == overflow || problem >= trackedProblems {
		problem = trackedProblems - 1
	}
	m[problem/64] |= 1 << (problem % 64)
}

func (m *mask) join(o mask) {
	for n := range m {
		m[n] |= o[n]
	}
}

func (m *mask) isEmpty() bool { return *m == mask{} }

// each calls visit for every problem of the set.
func (m *mask) each(visit func(problem int)) {
	for n, word := range m {
		for ; word != 0; word &= word - 1 {
			visit(n*64 + bits.TrailingZeros64(word))
		}
	}
}

// walk goes through all snapshots, each tree once, to find what of the damage
// they reach.
type walk struct {
	c     *checker
	trees *treeReader
	// lost marks the positions of blobs of which some copy is lost, visited
	// those of the trees that were seen.
	lost, visited []uint64
	// hit holds the trees in or below which there is damage.
	hit map[int]mask
	// missing holds the problem of each blob that no index lists.
	missing map[blob.Handle]int
	// indexes are the damaged index files: what is missing may be in them.
	indexes mask

	snapshot *snapshot.Snapshot
	affects  [trackedProblems]Affects
	// latest is the path that each problem hit last: a file that lacks several
	// blobs counts once.
	latest [trackedProblems]string
	data   []byte
}

// findAffected walks the snapshots, newest first, if anything was found that
// may concern them.
func (c *checker) findAffected(ctx context.Context, report *Report) error {
	for _, s := range c.snapshots {
		if !c.r.Index().Has(treeHandle(s.Tree)) {
			c.suspect.Store(true)
		}
	}
	if !c.suspect.Load() {
		return nil
	}
	w := &walk{c: c, trees: newTreeReader(c.r.Index()), hit: make(map[int]mask), missing: make(map[blob.Handle]int)}
	if err := w.prepare(ctx); err != nil {
		return err
	}
	for _, s := range slices.Backward(c.snapshots) {
		w.snapshot, w.latest = s, [trackedProblems]string{}
		hit, err := w.tree(ctx, s.Tree, "/")
		if err != nil {
			return err
		}
		if !hit.isEmpty() {
			report.DamagedSnapshots = append(report.DamagedSnapshots, s.ID)
		}
		hit.each(func(problem int) { w.affects[problem].addSnapshot(s.ID) })
	}
	slices.Reverse(report.DamagedSnapshots)
	w.finish()
	return nil
}

// prepare marks the lost blobs.
func (w *walk) prepare(ctx context.Context) error {
	words := (w.c.r.Index().Len() + 63) / 64
	w.lost, w.visited = make([]uint64, words), make([]uint64, words)
	for n, p := range w.c.problems.list {
		if p.File == repository.IndexFile {
			w.indexes.add(n)
		}
	}
	damaged := func(pack id.ID) bool { return w.c.damage[pack] != nil }
	return w.c.r.Index().ByPack(ctx, damaged, func(pack id.ID, blobs []blob.Blob) error {
		d := w.c.damage[pack]
		for _, b := range blobs {
			if position, ok := w.c.r.Index().Position(b.Handle); ok && d.lost(b.Offset) {
				set(w.lost, position)
			}
		}
		return nil
	})
}

func set(bits []uint64, n int)      { bits[n/64] |= 1 << (n % 64) }
func has(bits []uint64, n int) bool { return bits[n/64]>>(n%64)&1 != 0 }

// entry is a node of a tree that is in memory no more.
type entry struct {
	name    string
	subtree id.ID
}

// tree returns the problems in and below a tree, and records the paths they
// hit when it is seen for the first time.
func (w *walk) tree(ctx context.Context, i id.ID, at string) (mask, error) {
	h := treeHandle(i)
	position, ok := w.c.r.Index().Position(h)
	if !ok {
		return w.tell(w.missed(h), at), nil
	}
	if has(w.visited, position) {
		return w.hit[position], nil
	}
	set(w.visited, position)
	hit := w.lostMask(h, position)
	if !hit.isEmpty() {
		w.hit[position] = w.tell(hit, at)
		return hit, nil
	}
	folders, hit, err := w.look(ctx, h, at)
	if err != nil {
		return hit, err
	}
	for _, f := range folders {
		below, err := w.tree(ctx, f.subtree, path.Join(at, f.name))
		if err != nil {
			return hit, err
		}
		hit.join(below)
	}
	if !hit.isEmpty() {
		w.hit[position] = hit
	}
	return hit, nil
}

// look loads a tree and returns its folders, and the problems of its files.
func (w *walk) look(ctx context.Context, h blob.Handle, at string) (folders []entry, hit mask, err error) {
	if err := context.Cause(ctx); err != nil {
		return nil, hit, err
	}
	w.data, err = w.c.r.LoadTree(ctx, h.ID, w.data)
	if err != nil {
		return nil, w.unloadable(ctx, h, at, err), context.Cause(ctx)
	}
	found := func(f finding) {
		if f.kind == MissingBlob && f.missing.Type == blob.Tree {
			return // w.tree will say so
		}
		m := w.judge(h, f, path.Join(at, f.name))
		hit.join(m)
	}
	w.trees.inspect(w.data, found, func(n *tree.Node) {
		if n.Type == tree.Dir && n.Subtree != nil && !n.Subtree.IsZero() {
			folders = append(folders, entry{n.Name, *n.Subtree})
		}
		if n.Type == tree.File {
			hit.join(w.tell(w.lostContent(n), path.Join(at, n.Name)))
		}
	})
	return folders, hit, nil
}

// unloadable records a tree that could be read a while ago.
func (w *walk) unloadable(ctx context.Context, h blob.Handle, at string, err error) (hit mask) {
	if ctx.Err() != nil {
		return hit
	}
	kind := UnreadableFile
	if repository.IsCorrupt(err) {
		kind = DamagedFile
	}
	l, _ := w.c.r.Index().Lookup(h)
	hit.add(w.c.found(Problem{Kind: kind, File: repository.PackFile, ID: l.Pack, Detail: reason(err), Blobs: []blob.Handle{h}, BlobCount: 1}))
	return w.tell(hit, at)
}

// judge records what was found in a tree.
func (w *walk) judge(h blob.Handle, f finding, at string) (hit mask) {
	if f.kind == MissingBlob {
		return w.tell(w.missed(f.missing), at)
	}
	p := Problem{Kind: f.kind, File: repository.PackFile, Blobs: []blob.Handle{h}, Detail: f.detail}
	if l, ok := w.c.r.Index().Lookup(h); ok {
		p.ID = l.Pack
	}
	if f.kind.IsHint() {
		p.Affects.addPath(w.snapshot.ID, at)
		w.c.found(p)
		return hit
	}
	hit.add(w.c.found(p))
	return w.tell(hit, at)
}

// missed returns the problems of a blob that no index lists.
func (w *walk) missed(h blob.Handle) mask {
	hit := w.indexes
	problem, known := w.missing[h]
	if !known {
		problem = w.c.found(Problem{Kind: MissingBlob, File: repository.IndexFile, Blobs: []blob.Handle{h}, BlobCount: 1})
		if problem != overflow { // or there would be no end to them
			w.missing[h] = problem
		}
	}
	hit.add(problem)
	return hit
}

// lostContent returns the problems of the blobs of a file.
func (w *walk) lostContent(n *tree.Node) (hit mask) {
	for _, i := range n.Content {
		h := blob.Handle{ID: i, Type: blob.Data}
		if position, ok := w.c.r.Index().Position(h); ok {
			hit.join(w.lostMask(h, position))
		}
	}
	return hit
}

// lostMask returns the problems of a blob no copy of which is whole.
func (w *walk) lostMask(h blob.Handle, position int) (hit mask) {
	if !has(w.lost, position) {
		return hit
	}
	for _, l := range w.c.r.Index().LookupAll(nil, h) {
		d := w.c.damage[l.Pack]
		if d == nil || !d.lost(l.Offset) {
			return mask{}
		}
		hit.add(d.problem)
	}
	return hit
}

// tell records that a path is hit.
func (w *walk) tell(hit mask, at string) mask {
	hit.each(func(problem int) {
		if w.latest[problem] != at {
			w.latest[problem] = at
			w.affects[problem].addPath(w.snapshot.ID, at)
		}
	})
	return hit
}

// finish hands what was found to the problems.
func (w *walk) finish() {
	const last = trackedProblems - 1
	list := w.c.problems.list
	for n := range list[:min(len(list), last)] {
		if !list[n].Kind.IsHint() && list[n].File != repository.SnapshotFile {
			list[n].Affects = w.affects[n]
		}
	}
	w.affects[last].Shared = true
	for n := last; n < len(list); n++ {
		if !list[n].Kind.IsHint() {
			list[n].Affects = w.affects[last]
		}
	}
}

func (a *Affects) addSnapshot(i id.ID) {
	a.SnapshotCount++
	if len(a.Snapshots) < maxSnapshotsNamed {
		a.Snapshots = append(a.Snapshots, i)
	}
}

func (a *Affects) addPath(snapshot id.ID, at string) {
	a.PathCount++
	if len(a.Paths) < maxPathsNamed {
		a.Paths = append(a.Paths, Path{Snapshot: snapshot, Path: at})
	}
}
