package browse

import (
	"context"
	"fmt"
	"strings"

	"holdfast/internal/api"
	"holdfast/repository/id"
	"holdfast/repository/snapshot"
	"holdfast/repository/tree"
)

// Entries returns a part of a folder. Of a path that is no folder, it returns
// what stands there.
func (b *Browser) Entries(ctx context.Context, q api.EntryQuery) (*api.EntryPage, error) {
	path, err := cleanPath(q.Path)
	if err != nil {
		return nil, err
	}
	var page *api.EntryPage
	err = b.again(ctx, q.Repository, func(v *view, instead *api.Instead) error {
		s, err := v.find(q.Snapshot, instead)
		if err != nil {
			return err
		}
		page = &api.EntryPage{
			Snapshot: b.describer(ctx, v).describe(s), Path: api.PathText(path), Entries: []api.Entry{}, Offset: max(0, q.Offset), Instead: instead, Down: v.place.down(),
		}
		at, err := v.walkTo(ctx, s, path)
		if err != nil {
			return err
		}
		page.Damage = at.damage
		if at.entry != nil {
			page.Entry = at.entry
		}
		if at.folder == nil {
			return nil
		}
		return v.fill(ctx, page, *at.folder, path, q)
	})
	if err != nil {
		return nil, err
	}
	return page, nil
}

// cleanPath reads a path as pages and clients write it. It is never one of this
// machine: what is not in the snapshot does not exist.
func cleanPath(text string) (string, error) {
	raw, err := api.PathOf(text)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for name := range strings.SplitSeq(raw, "/") {
		if name == "" {
			continue
		}
		if err := tree.ValidateName(name); err != nil {
			return "", fmt.Errorf("%w: path %q: %w", api.ErrInvalid, text, err)
		}
		b.WriteString("/" + name)
	}
	if b.Len() == 0 {
		return "/", nil
	}
	return b.String(), nil
}

// spot is what a path leads to.
type spot struct {
	// folder is its tree, nil for anything but a folder that can be found.
	folder *id.ID
	// parent is the tree that the entry stands in; entry is nil for the root.
	parent *id.ID
	name   string
	entry  *api.Entry
	damage []api.Damage
}

// walkTo follows a clean path. Where a folder on the way is damaged and hides
// the rest, that is told as damage and no error.
func (v *view) walkTo(ctx context.Context, s *snapshot.Snapshot, path string) (spot, error) {
	root := s.Tree
	at := spot{folder: &root}
	above := "/"
	for name := range strings.SplitSeq(strings.Trim(path, "/"), "/") {
		if name == "" {
			continue
		}
		if at.folder == nil {
			return spot{}, fmt.Errorf("%w: %s is a %s, and has nothing in it", api.ErrNotFound, api.PathText(above), at.entry.Kind)
		}
		l, err := v.listing(ctx, *at.folder)
		if err != nil {
			return spot{}, v.explain(above, err)
		}
		r, found := l.child(name)
		if !found && len(l.damage) > 0 {
			return spot{damage: l.damageBelow(above)}, nil
		}
		if !found {
			return spot{}, fmt.Errorf("%w: there is no %s in snapshot %s", api.ErrNotFound, api.PathText(path), s.ID.Short())
		}
		e := l.entry(above, r)
		at = spot{parent: at.folder, name: name, entry: &e}
		if r.kind == kindFolder {
			folder := l.subtrees[r.extra]
			at.folder = &folder
		}
		above = strings.TrimSuffix(above, "/") + "/" + name
	}
	return at, nil
}

// damageBelow returns the damage of the folder with whole paths.
func (l *listing) damageBelow(path string) []api.Damage {
	var list []api.Damage
	for _, d := range l.damage {
		at := path
		if d.Path != "" {
			at = strings.TrimSuffix(path, "/") + "/" + d.Path
		}
		list = append(list, api.Damage{Path: api.PathText(at), What: api.PathText(d.What)})
	}
	return list
}

// fill puts a part of a folder on a page.
func (v *view) fill(ctx context.Context, page *api.EntryPage, folder id.ID, path string, q api.EntryQuery) error {
	l, err := v.listing(ctx, folder)
	if err != nil {
		return v.explain(path, err)
	}
	order, err := l.order(q.Sort)
	if err != nil {
		return err
	}
	page.All = len(l.rows)
	page.Damage = append(page.Damage, l.damageBelow(path)...)
	if l.instead != nil && page.Instead == nil {
		page.Instead = l.instead
	}
	matches := nameMatcher(q.Search)
	limit := pageSize(q.Limit)
	for _, n := range order {
		r := &l.rows[n]
		if !matches(l.name(r)) {
			continue
		}
		page.Total++
		if page.Total > page.Offset && len(page.Entries) < limit {
			page.Entries = append(page.Entries, l.entry(path, r))
		}
	}
	return nil
}

// nameMatcher returns what tells whether a name has a part, in any case. The
// part may be as it stands in the name, or as a page shows it.
func nameMatcher(part string) func(name string) bool {
	if part == "" {
		return func(string) bool { return true }
	}
	part = strings.ToLower(part)
	return func(name string) bool {
		if strings.Contains(strings.ToLower(name), part) {
			return true
		}
		text := api.PathText(name)
		return text != name && strings.Contains(strings.ToLower(text), part)
	}
}
