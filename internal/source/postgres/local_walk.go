package postgres

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"holdfast/internal/source"
	"holdfast/repository/tree"
)

// walk goes through the data directory and the tablespaces, one name after the
// other.
type walk struct {
	l       *Local
	parents []source.Dir // above what is walked; they stay open
	stack   []*walkedFolder
	first   *source.Arrival
	links   []Tablespace // not walked yet
	later   []laterFolder
}

// walkedFolder is a folder that is open.
type walkedFolder struct {
	dir   source.Dir
	name  string // in the data directory: "" for itself
	place string // on this host
	names []string
	at    int
	// database tells that it holds the relations of one; initForks are those
	// of its unlogged ones.
	database  bool
	initForks map[string]bool
	earlier   map[string]*tree.Node
}

func newWalk(ctx context.Context, l *Local) (*walk, error) {
	w := &walk{l: l}
	node, err := w.enter(ctx, "", l.o.DataDirectory)
	if err != nil {
		w.close()
		return nil, fmt.Errorf("open the data directory: %w", err)
	}
	l.session.owner = *node
	w.first = &source.Arrival{Path: l.o.Root, Node: *node}
	return w, nil
}

// close gives up what is open.
func (w *walk) close() {
	for _, f := range slices.Backward(w.stack) {
		f.dir.Close() //nolint:errcheck // it was only read
	}
	for _, d := range slices.Backward(w.parents) {
		d.Close() //nolint:errcheck // as above
	}
	w.stack, w.parents = nil, nil
}

// enter opens a folder of this host, which may be named by way of symlinks,
// and begins to walk it. It returns its node.
func (w *walk) enter(ctx context.Context, name, place string) (*tree.Node, error) {
	real, err := filepath.EvalSymlinks(place)
	if err != nil {
		return nil, err
	}
	src, err := w.l.o.Open(real)
	if err != nil {
		return nil, err
	}
	dir, err := src.Open(ctx)
	if err != nil {
		return nil, err
	}
	rest := strings.Trim(filepath.ToSlash(strings.TrimPrefix(real, filepath.VolumeName(real))), "/")
	var node *tree.Node
	for part := range strings.SplitSeq(rest, "/") {
		w.parents = append(w.parents, dir)
		e, err := dir.Stat(part)
		if err != nil {
			return nil, err
		}
		if node, err = dir.Node(e); node == nil {
			return nil, err
		}
		if dir, err = dir.Sub(e); err != nil {
			return nil, err
		}
	}
	return node, w.push(ctx, dir, name, real)
}

// push begins to walk an open folder.
func (w *walk) push(ctx context.Context, dir source.Dir, name, place string) error {
	f := &walkedFolder{dir: dir, name: name, place: place, database: isDatabase(name)}
	w.stack = append(w.stack, f)
	var err error
	if f.names, err = dir.Names(ctx); err != nil {
		return vanishedIsFine(err)
	}
	if f.database {
		f.initForks = initForks(f.names)
	}
	return f.lookUp(ctx, w.l)
}

// lookUp finds what an earlier backup recorded of a folder. If that cannot be
// read, all in it is read again.
func (f *walkedFolder) lookUp(ctx context.Context, l *Local) error {
	if l.reuse == nil {
		return nil
	}
	var err error
	if f.earlier, err = l.reuse.earlier.Folder(ctx, f.name); err != nil && ctx.Err() == nil {
		l.warn("the earlier backup cannot be read, so the files of %s are read again: %v", f.place, err)
		return nil
	}
	return err
}

// vanishedIsFine lets pass that something is gone: the log says so, and its
// replay makes the same of it.
func vanishedIsFine(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// next returns the next file or folder; nil after the last.
func (w *walk) next(ctx context.Context) (*source.Arrival, error) {
	if first := w.first; first != nil {
		w.first = nil
		// The folder was opened before it was known what to compare with.
		return first, w.stack[0].lookUp(ctx, w.l)
	}
	for {
		if len(w.stack) == 0 {
			a, err := w.nextTablespace(ctx)
			if a != nil || err != nil {
				return a, err
			}
			more, err := w.nextLater(ctx)
			if more {
				continue
			}
			w.close()
			return nil, err
		}
		f := w.stack[len(w.stack)-1]
		if f.at == len(f.names) {
			f.dir.Close() //nolint:errcheck // it was only read
			w.stack = w.stack[:len(w.stack)-1]
			continue
		}
		name := f.names[f.at]
		f.at++
		a, err := w.visit(ctx, f, name)
		if a != nil || err != nil {
			return a, err
		}
	}
}

// nextTablespace begins to walk the next tablespace.
func (w *walk) nextTablespace(ctx context.Context) (*source.Arrival, error) {
	for len(w.links) > 0 {
		space := w.links[0]
		w.links = w.links[1:]
		version := fmt.Sprintf("PG_%d_%s", w.l.session.major, w.l.session.catalog)
		name := path.Join(tablespaceFolder, space.OID, version)
		node, err := w.enter(ctx, name, filepath.Join(space.Location, version))
		if errors.Is(err, fs.ErrNotExist) {
			err = w.l.session.dropped(ctx, space.OID, err)
		}
		if err != nil {
			return nil, fmt.Errorf("open tablespace %s: %w", space.Location, err)
		}
		if node != nil {
			return w.arrival(name, node), nil
		}
	}
	return nil, nil //nolint:nilnil // as step says
}

func (w *walk) arrival(name string, node *tree.Node) *source.Arrival {
	return &source.Arrival{Path: path.Join(w.l.o.Root, name), Node: *node}
}

// visit deals with one name of a folder. It returns nil for what is left out.
func (w *walk) visit(ctx context.Context, f *walkedFolder, base string) (*source.Arrival, error) {
	name := path.Join(f.name, base)
	if f.leavesOut(base) || name == "global/pg_control" {
		return nil, nil //nolint:nilnil // as documented
	}
	e, err := f.dir.Stat(base)
	if err != nil {
		return nil, vanishedIsFine(err)
	}
	switch t := e.Type(); {
	case name == logFolder: // which may be a symlink
		return w.logFolder(), nil
	case t == tree.Dir:
		return w.folder(ctx, f, name, e)
	case t == tree.File:
		return w.file(ctx, f, name, e)
	case t == tree.Symlink && f.name == tablespaceFolder && isNumber(base):
		return nil, w.tablespace(f, e)
	case t == tree.Symlink && cannotLack(name):
		return nil, errBehindSymlink(f.dir.PathOf(base))
	default:
		w.l.warn("%s is left out: it is neither a file nor a folder", f.dir.PathOf(base))
		return nil, nil //nolint:nilnil // as documented
	}
}

func errBehindSymlink(path string) error {
	return fmt.Errorf("%s is a symlink, and no base backup goes where it leads: the restored server would lack what is there; use a tablespace to have it elsewhere", path)
}

// cannotLack tells whether something of the data directory is, or leads to, what a
// restored server cannot do without: databases, and what became of transactions.
func cannotLack(name string) bool {
	top, _, _ := strings.Cut(name, "/")
	return slices.Contains([]string{"base", "global", "pg_xact", "pg_multixact", "pg_twophase"}, top) || isDatabase(path.Dir(name)) || isDatabase(name)
}

// logFolder is where a data directory has its log.
const logFolder = "pg_wal"

// logFolder arranges for the folder of the log, and empty ones in it.
func (w *walk) logFolder() *source.Arrival {
	node := w.l.session.owner
	node.Mode, node.Inode, node.ExtendedAttributes = os.ModeDir|0o700, 0, nil
	below := []string{path.Join(logFolder, "archive_status")}
	if w.l.session.major >= 17 {
		below = append(below, path.Join(logFolder, "summaries"))
	}
	for _, name := range below {
		w.l.steps = slices.Insert(w.l.steps, 1, yieldOnce(w.arrival(name, &node)))
	}
	return w.arrival(logFolder, &node)
}

// emptied are folders whose content is of no use to another server, or made
// anew when it starts (excludeDirContents of src/backend/backup/basebackup.c).
var emptied = [...]string{"pg_stat_tmp", replicationSlots, "pg_dynshmem", "pg_notify", "pg_serial", "pg_snapshots", "pg_subtrans"}

func (w *walk) folder(ctx context.Context, f *walkedFolder, name string, e source.Entry) (*source.Arrival, error) {
	node, err := f.dir.Node(e)
	if node == nil {
		return nil, vanishedIsFine(err)
	}
	if slices.Contains(emptied[:], name) {
		return w.arrival(name, node), nil
	}
	dir, err := f.dir.Sub(e)
	if err != nil {
		return nil, vanishedIsFine(err)
	}
	if err := w.push(ctx, dir, name, filepath.Join(f.place, e.Name)); err != nil {
		return nil, err
	}
	return w.arrival(name, node), nil
}

// tablespace notes one outside of the data directory.
func (w *walk) tablespace(f *walkedFolder, e source.Entry) error {
	node, err := f.dir.Node(e)
	if node == nil || node.LinkTarget == "" {
		return vanishedIsFine(err)
	}
	place := node.LinkTarget
	if !filepath.IsAbs(place) {
		place = filepath.Join(f.place, place)
	}
	space := Tablespace{OID: e.Name, Location: place}
	w.links = append(w.links, space)
	w.l.Tablespaces = append(w.l.Tablespaces, space)
	return nil
}

// file arranges for a file to be read, or taken over from an earlier backup.
func (w *walk) file(ctx context.Context, f *walkedFolder, name string, e source.Entry) (*source.Arrival, error) {
	was := f.earlier[e.Name]
	if held := w.l.reuse.held(name, &e, was); held != nil {
		node, err := f.dir.Node(e)
		if node == nil {
			return nil, vanishedIsFine(err)
		}
		w.l.add(held.summed(name, &e))
		a := w.arrival(name, node)
		a.Held, a.Known = was.Content, true
		return a, nil
	}
	file, err := f.dir.Open(e)
	if err != nil {
		return nil, vanishedIsFine(err)
	}
	if w.l.unsettled(file.Entry()) {
		w.putOff(f, e.Name)
		return nil, file.Close()
	}
	node, err := file.Node()
	if node == nil {
		return nil, errors.Join(vanishedIsFine(err), file.Close())
	}
	a := w.arrival(name, node)
	content := w.l.content(ctx, name, filepath.Join(f.place, e.Name), file)
	a.Content, a.CutBytes, a.Known = content, cutOf(name, content.left), was != nil
	// What belongs to no relation may be cut short while it is read.
	a.SizeUnknown = !content.relation
	return a, nil
}

// leftOut are files that mean nothing to another server, or are made by the
// backup itself (excludeFiles of src/backend/backup/basebackup.c).
var leftOut = [...]string{
	"postgresql.auto.conf.tmp", "current_logfiles.tmp", "backup_label", "tablespace_map", manifestName,
	"postmaster.pid", "postmaster.opts", ".DS_Store",
}

// leavesOut tells by its name that a file or folder is not backed up, as
// pg_basebackup decides it: temporary ones, and the content of relations that
// are not logged.
func (f *walkedFolder) leavesOut(base string) bool {
	switch {
	case strings.HasPrefix(base, "pgsql_tmp"), strings.HasPrefix(base, "pg_internal.init"), slices.Contains(leftOut[:], base):
		return true
	case !f.database:
		return false
	case isTemporary(base):
		return true
	}
	number, fork, ok := relationFile(base)
	return ok && fork != initFork && f.initForks[number]
}

// initFork is what an unlogged relation is reset to. It is all that is backed
// up of one.
const initFork = "init"

func initForks(names []string) map[string]bool {
	var found map[string]bool
	for _, name := range names {
		if number, fork, ok := relationFile(name); ok && fork == initFork {
			if found == nil {
				found = map[string]bool{}
			}
			found[number] = true
		}
	}
	return found
}

// relationFile takes the name of a relation's file apart: its number, and its
// fork ("" for the main one). The number of the segment is left out.
func relationFile(base string) (number, fork string, ok bool) {
	base, segment, segmented := strings.Cut(base, ".")
	number, fork, forked := strings.Cut(base, "_")
	switch {
	case !isNumber(number), segmented && !isNumber(segment):
		return "", "", false
	case forked && fork != "fsm" && fork != "vm" && fork != initFork:
		return "", "", false
	}
	return number, fork, true
}

// isTemporary tells a temporary relation: t, the session, _, and the rest of a
// relation's name.
func isTemporary(base string) bool {
	rest, ok := strings.CutPrefix(base, "t")
	session, relation, cut := strings.Cut(rest, "_")
	if !ok || !cut || !isNumber(session) {
		return false
	}
	_, _, ok = relationFile(relation)
	return ok
}

func isNumber(text string) bool {
	_, err := strconv.ParseUint(text, 10, 32)
	return err == nil
}

// isDatabase tells whether a folder of the data directory holds the relations
// of a database.
func isDatabase(name string) bool {
	parent, last := path.Split(name)
	if !isNumber(last) {
		return false
	}
	return parent == "base/" || strings.HasPrefix(parent, tablespaceFolder+"/") && strings.Count(parent, "/") == 3
}
