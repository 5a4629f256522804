package snapfs

import (
	"context"
	"errors"
	"io/fs"

	"holdfast/repository/id"
	"holdfast/repository/tree"
)

// A WalkFunc is told of one entry of a snapshot. The node is valid during
// the call; what it points to stays.
//
// With err set the entry is bad, or its folder could not be read whole: then
// n is the folder. If the function returns nil the walk goes on with the
// rest. fs.SkipDir leaves out the folder's content, fs.SkipAll ends the walk
// without an error, any other error ends it.
type WalkFunc func(path string, n *tree.Node, err error) error

// Walk calls visit for everything below a folder, depth first and in the
// order of the trees: a folder before what it holds. The folder itself is not
// visited. path is where the folder is; the paths given to visit begin with
// it.
func (f *FS) Walk(ctx context.Context, path string, folder *tree.Node, visit WalkFunc) error {
	subtree, err := subtreeOf(folder)
	if err != nil {
		return err
	}
	at := *folder
	err = f.walk(ctx, path, &at, subtree, visit)
	if errors.Is(err, fs.SkipAll) || errors.Is(err, fs.SkipDir) {
		return nil
	}
	return err
}

func (f *FS) walk(ctx context.Context, path string, folder *tree.Node, subtree id.ID, visit WalkFunc) error {
	for n, err := range f.Nodes(ctx, subtree) {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if n == nil {
			return visit(path, folder, err)
		}
		at := Join(path, n.Name)
		if err != nil {
			if err := visit(at, n, err); err != nil {
				return err
			}
			continue
		}
		if err := f.walkEntry(ctx, at, n, visit); err != nil {
			return err
		}
	}
	return nil
}

// walkEntry visits one entry and what is below it.
func (f *FS) walkEntry(ctx context.Context, path string, n *tree.Node, visit WalkFunc) error {
	err := visit(path, n, nil)
	if n.Type != tree.Dir || err != nil {
		if n.Type == tree.Dir && errors.Is(err, fs.SkipDir) {
			return nil
		}
		return err
	}
	folder := *n
	err = f.walk(ctx, path, &folder, *folder.Subtree, visit)
	if errors.Is(err, fs.SkipDir) {
		return nil
	}
	return err
}

// Join returns the path of an entry of a folder.
func Join(folder, name string) string {
	if folder == "" || folder[len(folder)-1] == '/' {
		return folder + name
	}
	return folder + "/" + name
}
