package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"holdfast/internal/snapfs"
	"holdfast/repository"
	"holdfast/repository/blob"
	"holdfast/repository/id"
	"holdfast/repository/snapshot"
	"holdfast/repository/tree"
)

// objectMessage tells of a path that needs a blob or a tree, in restic's
// words.
type objectMessage struct {
	ObjectType string    `json:"object_type"` // "blob" or "tree"
	ID         string    `json:"id"`
	Path       string    `json:"path"`
	ParentTree string    `json:"parent_tree,omitempty"`
	Snapshot   string    `json:"snapshot"`
	Time       time.Time `json:"time"`
}

// findObjects prints the paths that need the blobs, trees or packs with the
// given IDs.
func (c *command) findObjects(ctx context.Context, r *repository.Repository, f *findFlags, list []*snapshot.Snapshot, args []string, out *lines) error {
	wanted, err := f.wantedBlobs(ctx, r, args)
	if err != nil {
		return err
	}
	p := &objectPrinter{c: c, out: out}
	s := &search{c: c, r: r, barren: snapfs.NewBlobSet(r), visit: func(parent id.ID, path string, n *tree.Node) (finding, error) {
		hit, err := p.node(wanted, parent, path, n)
		return finding{hit: hit}, err
	}}
	for _, sn := range list {
		p.current = sn
		if root := treeBlob(sn.Tree); wanted[root] {
			if err := p.print(root, "/", id.ID{}); err != nil {
				return err
			}
		}
		if err := s.snapshot(ctx, sn); err != nil {
			return err
		}
	}
	if err := p.end(); err != nil {
		return err
	}
	if f.showPack {
		if err := p.packs(r, wanted); err != nil {
			return err
		}
	}
	return s.judge()
}

func treeBlob(i id.ID) blob.Handle { return blob.Handle{ID: i, Type: blob.Tree} }

// wantedBlobs returns the blobs that the arguments mean.
func (f *findFlags) wantedBlobs(ctx context.Context, r *repository.Repository, args []string) (map[blob.Handle]bool, error) {
	if f.pack {
		return blobsOfPacks(ctx, r, args)
	}
	kind := blob.Data
	if f.tree {
		kind = blob.Tree
	}
	wanted := make(map[blob.Handle]bool)
	var prefixes []string
	for _, arg := range args {
		// A whole ID is searched for even if no index lists it: that is when
		// one wants to know who needs it.
		if i, err := id.Parse(arg); err == nil {
			wanted[blob.Handle{ID: i, Type: kind}] = true
		} else if err := checkPrefix(arg); err != nil {
			return nil, err
		} else {
			prefixes = append(prefixes, arg)
		}
	}
	found := make(map[string]bool)
	if len(prefixes) > 0 {
		for b := range r.Index().All() {
			if b.Type != kind {
				continue
			}
			if prefix := prefixOf(b.ID, prefixes); prefix != "" {
				wanted[b.Handle], found[prefix] = true, true
			}
		}
	}
	return wanted, missingPrefixes(kind.String()+" blob", prefixes, found)
}

// checkPrefix refuses what no ID can begin with.
func checkPrefix(s string) error {
	if s == "" || len(s) > 2*id.Size || strings.Trim(s, "0123456789abcdef") != "" {
		return fmt.Errorf("%s is no ID, nor the beginning of one: want up to %d digits 0-9 and a-f", printable(s), 2*id.Size)
	}
	return nil
}

func prefixOf(i id.ID, prefixes []string) string {
	s := i.String()
	n := slices.IndexFunc(prefixes, func(p string) bool { return strings.HasPrefix(s, p) })
	if n < 0 {
		return ""
	}
	return prefixes[n]
}

func missingPrefixes(what string, prefixes []string, found map[string]bool) error {
	for _, p := range prefixes {
		if !found[p] {
			return fmt.Errorf("no %s has an ID that begins with %s", what, p)
		}
	}
	return nil
}

// blobsOfPacks returns the blobs of packs, which the index tells or, if it
// does not list a pack, the pack itself.
func blobsOfPacks(ctx context.Context, r *repository.Repository, prefixes []string) (map[blob.Handle]bool, error) {
	for _, p := range prefixes {
		if err := checkPrefix(p); err != nil {
			return nil, err
		}
	}
	wanted, found := make(map[blob.Handle]bool), make(map[string]bool)
	take := func(pack id.ID, blobs []blob.Blob) error {
		found[prefixOf(pack, prefixes)] = true
		for _, b := range blobs {
			wanted[b.Handle] = true
		}
		return nil
	}
	err := r.Index().ByPack(ctx, func(pack id.ID) bool { return prefixOf(pack, prefixes) != "" }, take)
	if err != nil || len(found) == len(prefixes) {
		return wanted, err
	}
	err = r.ListFiles(ctx, repository.PackFile, func(pack id.ID, sizeBytes int64) error {
		if p := prefixOf(pack, prefixes); p == "" || found[p] {
			return nil
		}
		blobs, err := r.ReadPackHeader(ctx, pack, sizeBytes)
		return errors.Join(err, take(pack, blobs))
	})
	return wanted, errors.Join(err, missingPrefixes("pack", prefixes, found))
}

// objectPrinter prints who needs a blob or a tree.
type objectPrinter struct {
	c       *command
	out     *lines
	current *snapshot.Snapshot
	printed int
}

// node prints what of the wanted a node names.
func (p *objectPrinter) node(wanted map[blob.Handle]bool, parent id.ID, path string, n *tree.Node) (hit bool, err error) {
	if n.Type == tree.Dir {
		h := treeBlob(*n.Subtree)
		if !wanted[h] {
			return false, nil
		}
		return true, p.print(h, path, id.ID{})
	}
	for k, i := range n.Content {
		h := blob.Handle{ID: i, Type: blob.Data}
		if !wanted[h] || slices.Contains(n.Content[:k], i) {
			continue
		}
		hit = true
		if err := p.print(h, path, parent); err != nil {
			return hit, err
		}
	}
	return hit, nil
}

func (p *objectPrinter) print(h blob.Handle, path string, parent id.ID) error {
	kind := "blob"
	if h.Type == blob.Tree {
		kind = "tree"
	}
	p.printed++
	if p.c.ui.json {
		return p.json(kind, h, path, parent)
	}
	return p.out.printf("%s %s: %s in snapshot %s, made %s\n", kind, h.ID, printable(path),
		p.current.ID.Short(), p.current.Time.Local().Format(timeFormat))
}

func (p *objectPrinter) json(kind string, h blob.Handle, path string, parent id.ID) error {
	m := objectMessage{ObjectType: kind, ID: h.ID.String(), Path: path, Snapshot: p.current.ID.String(), Time: p.current.Time}
	if !parent.IsZero() {
		m.ParentTree = parent.String()
	}
	separator := ","
	if p.printed == 1 {
		separator = "["
	}
	if err := p.out.printf("%s", separator); err != nil {
		return err
	}
	return p.out.json(m)
}

// end ends the list.
func (p *objectPrinter) end() error {
	switch {
	case p.c.ui.json && p.printed == 0:
		return p.out.printf("[]\n")
	case p.c.ui.json:
		return p.out.printf("]\n")
	case p.printed == 0 && !p.c.ui.quiet:
		return p.out.printf("no snapshot needs it\n")
	}
	return nil
}

// packs tells people in which packs the wanted blobs are.
func (p *objectPrinter) packs(r *repository.Repository, wanted map[blob.Handle]bool) error {
	if p.c.ui.json {
		return nil // the list is complete, and restic says no more there
	}
	for h := range wanted {
		places := r.Index().LookupAll(nil, h)
		if len(places) == 0 {
			if err := p.out.printf("%s is in no pack that the index lists\n", h); err != nil {
				return err
			}
		}
		for _, l := range places {
			if err := p.out.printf("%s is in pack %s (offset %d, %d bytes)\n", h, l.Pack, l.Offset, l.Length); err != nil {
				return err
			}
		}
	}
	return nil
}
