package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"holdfast/repository"
	"holdfast/repository/snapshot"
	"holdfast/repository/tree"
)

// lsFlags are the flags of `holdfast ls`.
type lsFlags struct {
	chosen    selectFlags
	format    nodeFormat
	recursive bool
	sort      string
	reverse   bool
	ncdu      bool
}

func newLs(c *command) *cobra.Command {
	var f lsFlags
	cmd := &cobra.Command{
		Use:   "ls [flags] SNAPSHOT[:FOLDER] [DIR...]",
		Short: "List the files in a snapshot",
		Long: `List the files and folders in a snapshot: all of them, or the given folders and
what is right in them; with --recursive also what is further below.

SNAPSHOT is an ID or the beginning of one, "latest", or "latest~1" for the one
before; --host, --tag and --path say the latest of which. With :FOLDER, paths
begin at that folder.

Names that a terminal would not show as they are appear quoted; --json has them
all. Sorting keeps the whole list in memory; the order of the snapshot does not.

With --ncdu, the list is in the format of ncdu, which shows what takes how much
space: everything below the given folders.`,
		Example: `  holdfast ls latest
  holdfast ls -l latest /home/ann /etc
  holdfast ls latest:/var/www --recursive --sort size --reverse -l --human-readable
  holdfast ls --ncdu latest | ncdu -f -
  holdfast ls --json 3f9a0c11 | jq -r 'select(.type=="file") | .path'`,
		Args: wantArgs(1, -1, "a snapshot, and perhaps folders in it"),
		RunE: func(cmd *cobra.Command, args []string) error { return c.runLs(cmd.Context(), &f, args[0], args[1:]) },
	}
	fl := cmd.Flags()
	c.registerAsOf(fl)
	c.registerFallback(fl)
	f.chosen.register(fl, "H")
	fl.BoolVarP(&f.format.long, "long", "l", false, "show mode, owner, group, size and time too")
	fl.BoolVar(&f.format.humanReadable, "human-readable", false, "show sizes in units such as MiB")
	fl.BoolVar(&f.recursive, "recursive", false, "list everything below the given folders")
	fl.StringVarP(&f.sort, "sort", "s", "name", "`order`: name, size, time (or mtime), atime, ctime or extension")
	fl.BoolVar(&f.reverse, "reverse", false, "reverse the order")
	fl.BoolVar(&f.ncdu, "ncdu", false, "print what ncdu reads with -f")
	for _, other := range []string{"long", "human-readable", "sort", "reverse"} {
		cmd.MarkFlagsMutuallyExclusive("ncdu", other)
	}
	return cmd
}

func (c *command) runLs(ctx context.Context, f *lsFlags, ref string, dirs []string) error {
	if f.ncdu && c.ui.json {
		return errors.New("--ncdu prints JSON of its own: leave out --json")
	}
	order, err := nodeOrder(f.sort)
	if err != nil {
		return err
	}
	for n, dir := range dirs {
		if !strings.HasPrefix(dir, "/") {
			return fmt.Errorf("folder %q: paths in a snapshot begin with /", dir)
		}
		dirs[n] = path.Clean(dir)
	}
	return c.reading(ctx, func(ctx context.Context, r *repository.Repository, list []*snapshot.Snapshot) error {
		at, err := c.locate(ctx, r, list, f.chosen.filter(), ref)
		if err != nil {
			return err
		}
		for _, dir := range dirs {
			if _, err := at.lookup(ctx, dir); err != nil {
				return err
			}
		}
		l := &lister{c: c, out: c.lines(), flags: f, dirs: dirs, order: order}
		if f.ncdu {
			l.tree = &ncduList{out: l.out}
		}
		return l.out.end(l.list(ctx, at))
	})
}

// lister prints the nodes of a snapshot.
type lister struct {
	c     *command
	out   *lines
	flags *lsFlags
	dirs  []string
	// order is nil for that of the snapshot.
	order func(a, b *listed) int
	kept  []listed
	bad   int
	// tree prints the list as ncdu wants it, if that is asked for.
	tree *ncduList
}

// listed is a node that waits for being sorted.
type listed struct {
	path string
	node tree.Node
}

// list prints the snapshot, then its nodes.
func (l *lister) list(ctx context.Context, at located) error {
	if err := l.header(at); err != nil {
		return err
	}
	if err := at.fs.Walk(ctx, "/", at.fs.Root(), l.visit); err != nil {
		return err
	}
	if err := l.sorted(); err != nil {
		return err
	}
	if l.tree != nil {
		if err := l.tree.end(); err != nil {
			return err
		}
	}
	if l.bad > 0 {
		return unreadable(l.bad)
	}
	return nil
}

func (l *lister) header(at located) error {
	s := at.snapshot
	if l.tree != nil {
		return l.tree.begin(s)
	}
	if l.c.ui.json {
		s = s.Clone()
		s.Tree = *at.fs.Root().Subtree // that of the folder, as restic has it
		return l.out.json(lsSnapshotMessage{snapshotMessage{s}})
	}
	if l.c.ui.quiet {
		return nil
	}
	return l.out.printf("snapshot %s of %s on %s, made %s:\n", s.ID.Short(), printable(strings.Join(s.Paths, ", ")), printable(s.Hostname), s.Time.Local().Format(timeFormat))
}

// lsSnapshotMessage is the first line of ls, in restic's words.
type lsSnapshotMessage struct{ snapshotMessage }

// MarshalJSON adds the kind of the message.
func (m lsSnapshotMessage) MarshalJSON() ([]byte, error) {
	return appendFields(m.snapshotMessage, struct {
		MessageType string `json:"message_type"`
		StructType  string `json:"struct_type"`
	}{"snapshot", "snapshot"})
}

// visit takes one node of the walk, which goes on into the folders that are
// asked for or lead there.
func (l *lister) visit(path string, n *tree.Node, err error) error {
	if err != nil {
		l.bad++
		l.c.ui.warn("ls", printable(path), err)
		return nil
	}
	within := l.within(path)
	if l.tree != nil && (within || n.Type == tree.Dir && l.leadsOn(path)) {
		return l.tree.add(path, n)
	}
	if within {
		if err := l.take(path, n); err != nil {
			return err
		}
	}
	if n.Type == tree.Dir && !(within && l.flags.recursive) && !l.leadsOn(path) {
		return fs.SkipDir
	}
	return nil
}

// within tells whether a path is one of the folders or below one.
func (l *lister) within(path string) bool {
	return len(l.dirs) == 0 || slices.ContainsFunc(l.dirs, func(dir string) bool { return isBelow(path, dir) })
}

// leadsOn tells whether a path is one of the folders or on the way there.
func (l *lister) leadsOn(path string) bool {
	return len(l.dirs) == 0 || slices.ContainsFunc(l.dirs, func(dir string) bool { return isBelow(dir, path) })
}

// isBelow tells whether path is folder or something below it.
func isBelow(path, folder string) bool {
	rest, ok := strings.CutPrefix(path, strings.TrimSuffix(folder, "/"))
	return ok && (rest == "" || rest[0] == '/')
}

// take prints a node, or keeps it for sorting.
func (l *lister) take(path string, n *tree.Node) error {
	if l.order == nil && !l.flags.reverse {
		return l.print(path, n)
	}
	kept := *n
	kept.Content, kept.ExtendedAttributes, kept.GenericAttributes = nil, nil, nil // not shown
	l.kept = append(l.kept, listed{path, kept})
	return nil
}

func (l *lister) print(path string, n *tree.Node) error {
	if l.c.ui.json {
		return l.out.json(newNodeMessage(path, n))
	}
	return l.out.printf("%s\n", l.flags.format.format(path, n))
}

// sorted prints the nodes that were kept.
func (l *lister) sorted() error {
	if l.order != nil {
		slices.SortStableFunc(l.kept, func(a, b listed) int { return cmp.Or(l.order(&a, &b), cmp.Compare(a.path, b.path)) })
	}
	if l.flags.reverse {
		slices.Reverse(l.kept)
	}
	for n := range l.kept {
		if err := l.print(l.kept[n].path, &l.kept[n].node); err != nil {
			return err
		}
	}
	return nil
}

// nodeOrder returns the order of the given name, nil for that of names, which
// snapshots have already.
func nodeOrder(name string) (func(a, b *listed) int, error) {
	switch name {
	case "name":
		return nil, nil //nolint:nilnil // see above
	case "size":
		return func(a, b *listed) int { return cmp.Compare(a.node.Size, b.node.Size) }, nil
	case "time", "mtime":
		return func(a, b *listed) int { return a.node.ModTime.Compare(b.node.ModTime) }, nil
	case "atime":
		return func(a, b *listed) int { return a.node.AccessTime.Compare(b.node.AccessTime) }, nil
	case "ctime":
		return func(a, b *listed) int { return a.node.ChangeTime.Compare(b.node.ChangeTime) }, nil
	case "extension":
		return func(a, b *listed) int { return cmp.Compare(path.Ext(a.path), path.Ext(b.path)) }, nil
	}
	return nil, errors.New("unknown order " + printable(name) + ": want name, size, time, atime, ctime or extension")
}
