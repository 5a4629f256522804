package files

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// planned is a directory or root in the tree that a list of paths makes.
//
// The layout is restic's. Absolute paths keep all their components; of
// relative ones the leading ".." are dropped, so ../a/b becomes a/b. Paths
// of only such components ("." "/" "..") stand for the names in them. Two
// paths that start with the same name in different places get it as name,
// name-1, name-2 in the order given.
type planned struct {
	// leaf is the path backed up here, "" if only roots below are.
	leaf string
	// info is the path of the directory this stands for, if there are roots
	// below; its metadata is recorded.
	info string
	// from is the directory the first component was found in.
	from string
	// listed marks a leaf that stands for a name found in a listed directory:
	// the rules of that directory hold for it.
	listed bool
	// implied marks a leaf that is one because it is in a root.
	implied bool
	below   map[string]*planned
}

// planRoots returns the tree that paths make. list lists a directory.
func planRoots(paths []string, list func(path string) ([]string, error)) (*planned, error) {
	roots, err := cleanRoots(paths)
	if err != nil {
		return nil, err
	}
	if len(roots) == 1 && len(components(roots[0])) == 0 {
		return &planned{leaf: roots[0]}, nil
	}
	top := &planned{}
	for _, root := range roots {
		if len(components(root)) > 0 {
			err = top.addRoot(root, false)
		} else {
			err = top.addNames(root, list)
		}
		if err != nil {
			return nil, err
		}
	}
	top.implyLeaves()
	return top, nil
}

// implyLeaves makes what leads from one root to another inside it a root
// too: all that is in the outer root is backed up.
func (p *planned) implyLeaves() {
	for name, child := range p.below {
		if p.leaf != "" && child.leaf == "" {
			child.leaf, child.implied = filepath.Join(p.leaf, name), true
		}
		child.implyLeaves()
	}
}

// cleanRoots cleans paths and drops repeated ones.
func cleanRoots(paths []string) ([]string, error) {
	var roots []string
	seen := make(map[string]bool, len(paths))
	for _, path := range paths {
		if path == "" {
			return nil, fmt.Errorf("back up path %q: it is empty", path)
		}
		if filepath.VolumeName(path) == path { // "C:" means "C:\"
			path += string(filepath.Separator)
		}
		if path = filepath.Clean(path); !seen[path] {
			seen[path] = true
			roots = append(roots, path)
		}
	}
	return roots, nil
}

// components returns the names that a clean path adds to the tree.
func components(path string) []string {
	volume := filepath.VolumeName(path)
	rest := strings.Split(path[len(volume):], string(filepath.Separator))
	var names []string
	for _, name := range rest {
		if name != "" && name != "." && name != ".." {
			names = append(names, name)
		}
	}
	if volume != "" && len(names) > 0 {
		names = slices.Insert(names, 0, strings.TrimSuffix(volume, ":"))
	}
	return names
}

// origin returns the directory in which the first component of a clean path
// is found: the root, ".", or as many ".." as the path starts with.
func origin(path string) string {
	if filepath.IsAbs(path) {
		return filepath.VolumeName(path) + string(filepath.Separator)
	}
	from := "."
	for name := range strings.SplitSeq(path, string(filepath.Separator)) {
		if name == ".." {
			from = filepath.Join(from, "..")
		}
	}
	return from
}

// addNames adds what is in a directory that has no name of its own.
func (top *planned) addNames(dir string, list func(path string) ([]string, error)) error {
	names, err := list(dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := top.addRoot(filepath.Join(dir, name), true); err != nil {
			return err
		}
	}
	return nil
}

// addRoot adds one clean path, whose first component may have to be renamed.
func (top *planned) addRoot(path string, listed bool) error {
	names, from := components(path), origin(path)
	name := names[0]
	for i := 1; ; i++ {
		other, taken := top.below[name]
		if !taken || other.from == from {
			break
		}
		name = fmt.Sprintf("%s-%d", names[0], i)
	}
	at := top.child(name)
	at.from = from
	info := filepath.Join(from, names[0])
	if filepath.VolumeName(path) != "" {
		info = from // the first component is the volume itself
	}
	for _, name := range names[1:] {
		at.info = info
		at = at.child(name)
		info = filepath.Join(info, name)
	}
	at.leaf, at.listed = path, listed && at.below == nil
	return nil
}

func (p *planned) child(name string) *planned {
	if p.below == nil {
		p.below = make(map[string]*planned)
	}
	if p.below[name] == nil {
		p.below[name] = &planned{}
	}
	return p.below[name]
}
