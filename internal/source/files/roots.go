package files

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"holdfast/internal/source"
	"holdfast/repository/tree"
)

// rootsDir is a directory on the way to the roots. It holds those that the
// user named and what leads to them; if it is a root itself, it also holds
// all else that is in it.
type rootsDir struct {
	src  *Source
	plan *planned
	// entry is the directory's state; of the top nothing is known.
	entry source.Entry
	// real is the directory when it is a root too, otherwise nil.
	real *dir

	mu sync.Mutex
	// parents holds the directories that roots are in, nearly always one.
	parents map[string]*dir
}

var _ source.Dir = (*rootsDir)(nil)

func (d *rootsDir) Path() string {
	if d.plan.info != "" {
		return d.plan.info
	}
	return string(filepath.Separator)
}

// PathOf returns the path of a root, or of what leads to one, as it was given.
func (d *rootsDir) PathOf(name string) string {
	switch child := d.plan.below[name]; {
	case child == nil:
		return joinPath(d.Path(), name)
	case child.leaf != "":
		return child.leaf
	default:
		return child.info
	}
}

func (d *rootsDir) Entry() source.Entry { return d.entry }

func (d *rootsDir) Names(ctx context.Context) ([]string, error) {
	names := slices.Sorted(maps.Keys(d.plan.below))
	names = slices.DeleteFunc(names, d.excludedByName)
	if d.real == nil {
		return names, ctx.Err()
	}
	all, err := d.real.Names(ctx)
	if err != nil {
		return nil, err
	}
	all = append(all, names...)
	slices.Sort(all)
	return slices.Compact(all), nil
}

// excludedByName applies the patterns to a root. What only leads to roots is
// not subject to them.
func (d *rootsDir) excludedByName(name string) bool {
	child := d.plan.below[name]
	if child.below != nil {
		return false
	}
	path, err := filepath.Abs(child.leaf)
	if err != nil || !d.src.rules.matches(path) {
		return false
	}
	d.src.excluded(child.leaf, whyPattern)
	return true
}

// The methods below do the same: what leads to roots is seen here, a root
// by the directory it is in, and other names by the real directory.

func (d *rootsDir) Stat(name string) (source.Entry, error) {
	child := d.plan.below[name]
	if child != nil && child.below != nil {
		return statLeading(name, child)
	}
	parent, real, err := d.locate(name)
	if err != nil {
		return source.Entry{Name: name}, err
	}
	e, err := parent.Stat(real)
	e.Name = name
	return e, err
}

func (d *rootsDir) Open(e source.Entry) (source.File, error) {
	parent, real, err := d.locate(e.Name)
	if err != nil {
		return nil, err
	}
	f, err := parent.open(real, e.UID)
	if err != nil {
		return nil, err
	}
	f.entry.Name = e.Name
	return f, nil
}

func (d *rootsDir) Sub(e source.Entry) (source.Dir, error) {
	child := d.plan.below[e.Name]
	if child != nil && child.below != nil {
		return d.leading(e.Name, child)
	}
	parent, real, err := d.locate(e.Name)
	if err != nil {
		return nil, err
	}
	sub, err := parent.sub(real)
	if err != nil {
		return nil, err
	}
	sub.name = e.Name
	return sub, nil
}

func (d *rootsDir) Node(e source.Entry) (*tree.Node, error) {
	child := d.plan.below[e.Name]
	if child != nil && child.below != nil {
		return d.leadingNode(&e, child)
	}
	parent, real, err := d.locate(e.Name)
	if err != nil {
		return nil, err
	}
	name := e.Name
	e.Name = real
	node, err := parent.Node(e)
	if node != nil {
		node.Name = name
	}
	return node, err
}

func (d *rootsDir) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, parent := range d.parents {
		parent.Close()
	}
	clear(d.parents)
	if d.real != nil {
		return d.real.Close()
	}
	return nil
}

// locate returns the directory that holds what is called name here, and
// what it is called there.
func (d *rootsDir) locate(name string) (*dir, string, error) {
	child := d.plan.below[name]
	if child == nil {
		if d.real == nil {
			return nil, "", pathError("find", name, fs.ErrNotExist)
		}
		return d.real, name, nil
	}
	parent, err := d.parent(filepath.Dir(child.leaf), child.listed)
	return parent, filepath.Base(child.leaf), err
}

// parent returns the open directory at path. The rules of one that was
// listed hold for what is in it; one that was only passed has none.
func (d *rootsDir) parent(path string, listed bool) (*dir, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	key := path
	if listed {
		key += string(filepath.Separator)
	}
	if parent := d.parents[key]; parent != nil {
		return parent, nil
	}
	open := d.src.openParent
	if listed {
		open = func(path string) (*dir, error) { return d.src.openRoot(path, "") }
	}
	parent, err := open(path)
	if err == nil {
		d.parents[key] = parent
	}
	return parent, err
}

// statLeading returns the state of a directory that leads to roots. It may
// be reached through a symlink, since the user wrote the path through it.
func statLeading(name string, child *planned) (source.Entry, error) {
	e, err := statPath(child.info)
	e.Name = name
	if err != nil {
		return e, pathError("stat", child.info, err)
	}
	if !e.IsDir() {
		return e, fmt.Errorf("back up what is in %s: it is no directory", child.info)
	}
	return e, nil
}

func (d *rootsDir) leading(name string, child *planned) (source.Dir, error) {
	e, err := statLeading(name, child)
	if err != nil {
		return nil, err
	}
	sub := &rootsDir{src: d.src, plan: child, entry: e, parents: make(map[string]*dir)}
	if child.leaf == "" {
		return sub, nil
	}
	if sub.real, err = d.src.openRoot(child.leaf, name); err != nil {
		return nil, err
	}
	if child.implied && d.real != nil {
		sub.real.stayOn(d.real.device)
	}
	return sub, nil
}

func (d *rootsDir) leadingNode(e *source.Entry, child *planned) (*tree.Node, error) {
	if !e.IsDir() {
		return nil, fmt.Errorf("record %s: it is no directory: %w", child.info, os.ErrInvalid)
	}
	node := d.src.node(e)
	var err error
	if node.ExtendedAttributes, err = d.src.sys.attributesAbove(child.info); err != nil {
		return node, pathError("read metadata of", child.info, err)
	}
	return node, nil
}
