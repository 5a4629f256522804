package browse

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io/fs"
	"path"
	"strings"

	"holdfast/internal/api"
	"holdfast/internal/pattern"
	"holdfast/internal/snapfs"
	"holdfast/repository/blob"
	"holdfast/repository/id"
	"holdfast/repository/snapshot"
	"holdfast/repository/tree"
)

// Find searches snapshots, the newest first, and tells each version of what it
// finds once. It ends without an error when q.Limit was found.
func (b *Browser) Find(ctx context.Context, q api.FindQuery, found func(api.Found) error) error {
	matches, err := wantedOf(q)
	if err != nil {
		return err
	}
	if err := b.searches.Acquire(ctx, 1); err != nil {
		return err
	}
	defer b.searches.Release(1)
	return b.readingTrees(ctx, q.Repository, func(v *view, _ *api.Instead) error {
		d := b.describer(ctx, v)
		s := &search{
			v: v, wanted: matches, seen: make(map[uint64]struct{}), seed: maphash.MakeSeed(), left: pageSize(q.Limit), found: found,
		}
		if matches.anywhere {
			s.barren = snapfs.NewBlobSet(v.repo)
		}
		for _, sn := range d.choose(q.SnapshotQuery) {
			if err := s.snapshot(ctx, sn, d.describe(sn)); err != nil {
				if err == fs.SkipAll { //nolint:errorlint // it is one's own
					return nil
				}
				return err
			}
		}
		return nil
	})
}

// wanted says what is searched for.
type wanted struct {
	// matches tells whether a node is wanted, and whether something below it
	// may be.
	matches func(path, name string) (hit, below bool)
	// anywhere tells that what matches in a folder does not depend on where
	// the folder is.
	anywhere bool
}

// wantedOf is what a query is for: one path, or a pattern.
func wantedOf(q api.FindQuery) (wanted, error) {
	if q.Path == "" {
		return parseWanted(q.Pattern)
	}
	raw, err := api.PathOf(q.Path)
	if err != nil {
		return wanted{}, err
	}
	raw = path.Clean("/" + raw)
	return wanted{matches: func(at, _ string) (hit, below bool) {
		return at == raw, strings.HasPrefix(raw, at+"/")
	}}, nil
}

// parseWanted reads a pattern: a glob if it has a wildcard or a slash, else a
// part of a name.
func parseWanted(text string) (wanted, error) {
	raw, err := api.PathOf(text)
	if strings.ContainsAny(text, "*?[") { // there, a backslash is the pattern's own
		raw, err = text, nil
	}
	switch {
	case err != nil:
		return wanted{}, err
	case strings.TrimSpace(raw) == "":
		return wanted{}, fmt.Errorf("%w: nothing is searched for: give a part of a name, or a pattern such as *.odt", api.ErrInvalid)
	case !strings.ContainsAny(raw, "*?[/"):
		has := nameMatcher(text)
		return wanted{func(_, name string) (bool, bool) { return has(name), true }, true}, nil
	}
	list, err := pattern.ParseFold([]string{raw})
	if err != nil {
		return wanted{}, fmt.Errorf("%w: %w", api.ErrInvalid, err)
	}
	return wanted{
		// What matches a folder matches all that is in it, which is not told.
		matches: func(path, _ string) (bool, bool) {
			hit := list.Match(path)
			return hit, !hit && list.ChildMayMatch(path)
		},
		anywhere: !strings.Contains(raw, "/") && !strings.Contains(raw, "**") && !strings.HasPrefix(raw, "!"),
	}, nil
}

// maxSeen bounds what is remembered of a search: some 40 bytes each. Beyond it
// the same is told twice.
const maxSeen = 1 << 19

// search goes through snapshots. Folders that it has gone through at the same
// place are not read again, nor those in which there is nothing.
type search struct {
	v      *view
	wanted wanted
	// barren holds the trees in and below which there is nothing. It is nil if
	// that depends on where the tree is.
	barren *snapfs.BlobSet
	// seen holds hashes of folders at their paths, and of versions.
	seen map[uint64]struct{}
	seed maphash.Seed
	// left is how much may still be told; fs.SkipAll ends the search.
	left  int
	found func(api.Found) error

	snap api.Snapshot
}

func (s *search) snapshot(ctx context.Context, sn *snapshot.Snapshot, described api.Snapshot) error {
	s.snap = described
	_, err := s.folder(ctx, "/", sn.Tree)
	return err
}

// folder searches a folder and tells whether something is in it. What cannot be
// read counts as something.
func (s *search) folder(ctx context.Context, path string, folder id.ID) (some bool, err error) {
	h := blob.Handle{ID: folder, Type: blob.Tree}
	if s.barren != nil && s.barren.Has(h) {
		return false, nil
	}
	if !s.isNew(path, folder[:]) {
		return true, nil
	}
	some, hits, below, err := s.entries(ctx, path, folder)
	if err != nil {
		return false, err
	}
	for _, f := range hits {
		if err := s.tell(f); err != nil {
			return some, err
		}
	}
	for _, b := range below {
		found, err := s.folder(ctx, snapfs.Join(path, b.name), b.tree)
		some = some || found
		if err != nil {
			return some, err
		}
	}
	if !some && s.barren != nil {
		s.barren.Add(h)
	}
	return some, nil
}

// subfolder is a folder in another one.
type subfolder struct {
	name string
	tree id.ID
}

// entries tells whether something is in a folder, and returns what of it was
// not told yet, and the folders that may hold more. Nothing is told meanwhile:
// others wait for the memory.
func (s *search) entries(ctx context.Context, path string, folder id.ID) (some bool, hits []api.Found, below []subfolder, err error) {
	for n, err := range s.v.nodes(ctx, folder) {
		switch {
		case ctx.Err() != nil:
			return some, nil, nil, context.Cause(ctx)
		case err != nil && n == nil && !isDamage(err) && !isTooLarge(err):
			return some, nil, nil, s.v.explain(path, err)
		case err != nil:
			some = true
			at := path
			if n != nil {
				at = snapfs.Join(path, n.Name)
			}
			hits = append(hits, api.Found{Snapshot: s.snap, Damage: &api.Damage{Path: api.PathText(at), What: api.PathText(err.Error())}})
			continue
		}
		at := snapfs.Join(path, n.Name)
		hit, more := s.wanted.matches(at, n.Name)
		some = some || hit
		if hit && len(hits) <= s.left && s.isNew(at, version(n)) {
			hits = append(hits, api.Found{Snapshot: s.snap, Entry: entryOf(path, n)})
		}
		if n.Type == tree.Dir && more {
			below = append(below, subfolder{strings.Clone(n.Name), *n.Subtree})
		}
	}
	return some, hits, below, nil
}

func isTooLarge(err error) bool {
	_, ok := errors.AsType[*api.HereError](err)
	return ok
}

func (s *search) tell(f api.Found) error {
	if s.left == 0 {
		return fs.SkipAll
	}
	s.left--
	return s.found(f)
}

// isNew tells whether something at a path is met for the first time.
func (s *search) isNew(path string, what []byte) bool {
	var h maphash.Hash
	h.SetSeed(s.seed)
	h.WriteString(path) //nolint:errcheck // a hash never fails
	h.WriteByte(0)      //nolint:errcheck // see above
	h.Write(what)       //nolint:errcheck // see above
	sum := h.Sum64()
	if _, ok := s.seen[sum]; ok {
		return false
	}
	if len(s.seen) < maxSeen {
		s.seen[sum] = struct{}{}
	}
	return true
}

// version returns what differs between versions of a file that people care
// for: its content, or what it is, and when it was changed.
func version(n *tree.Node) []byte {
	b := fmt.Appendf(nil, "%s %d %d %s\n", n.Type, n.Size, n.ModTime.UnixNano(), n.LinkTarget)
	if n.Type == tree.Dir { // a folder is told once: what is in it changes all the time
		return []byte("folder")
	}
	for k := range n.Content {
		b = append(b, n.Content[k][:]...)
	}
	return b
}

// entryOf describes a node of a folder.
func entryOf(folder string, n *tree.Node) api.Entry {
	l := &listing{}
	l.add(n, make(map[owner]uint32))
	return l.entry(folder, &l.rows[0])
}
