package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"holdfast/internal/postgres"
	"holdfast/internal/size"
	"holdfast/internal/source"
)

// dumpFolder is a database that was dumped into a scratch folder, by several
// jobs, to be read from there.
type dumpFolder struct {
	db    *postgres.DumpedDatabase
	path  string // the scratch folder; the dump is in it
	files []string
	open  *os.File
}

// dumpIn is the name of the dump in its scratch folder: pg_dump makes it.
const dumpIn = "dump"

// intoFolder dumps a database into a scratch folder and returns its first
// file.
func (d *Dumps) intoFolder(ctx context.Context, db *postgres.DumpedDatabase, args []string) (*source.Arrival, error) {
	if err := d.room(ctx, db); err != nil {
		return nil, err
	}
	path, err := os.MkdirTemp(d.o.Scratch, "holdfast-dump-")
	if err != nil {
		return nil, fmt.Errorf("make a scratch folder: %w", err)
	}
	d.folder = &dumpFolder{db: db, path: path}
	args = append(args, "--format=directory", "--jobs="+strconv.Itoa(d.o.Jobs), "--file="+filepath.Join(path, dumpIn))
	if _, err := d.client.Feed(ctx, nil, "pg_dump", args...); err != nil {
		return nil, fmt.Errorf("dump %s: %w", db.File, err)
	}
	entries, err := os.ReadDir(filepath.Join(path, dumpIn))
	if err != nil {
		return nil, fmt.Errorf("dump %s: the program ended well, but there is no dump: %w", db.File, err)
	}
	for _, e := range entries {
		d.folder.files = append(d.folder.files, e.Name())
	}
	db.Directory = true
	first, err := d.folder.next(d.o.Root)
	if first == nil && err == nil {
		err = fmt.Errorf("dump %s: the program ended well, but the dump is empty", db.File)
	}
	return first, err
}

// room makes sure that the tables of a database have room in the scratch
// folder. What they become as text may be more or less.
func (d *Dumps) room(ctx context.Context, db *postgres.DumpedDatabase) error {
	if d.o.Room == nil {
		return nil
	}
	conn, err := d.connect(ctx, db.Name)
	if err != nil {
		return fmt.Errorf("dump database %s: %w", db.Name, err)
	}
	defer conn.Close(ctx) //nolint:errcheck // a question was asked and answered
	row, err := one(ctx, conn, "SELECT coalesce(sum(pg_table_size(oid)), 0) FROM pg_class WHERE relkind = 'r' AND oid >= 16384")
	if err != nil {
		return fmt.Errorf("dump database %s: %w", db.Name, err)
	}
	need, err := strconv.ParseUint(row[0], 10, 64)
	if err != nil {
		return fmt.Errorf("dump database %s: %w", db.Name, err)
	}
	free, err := d.o.Room()
	if err != nil {
		return err
	}
	if need > free {
		return fmt.Errorf("database %s takes about %s of scratch space in the directory format, and %s has %s; name a folder with more room by TMPDIR, or use format: custom, which takes none",
			db.Name, size.FormatBytes(need), d.o.Scratch, size.FormatBytes(free))
	}
	return nil
}

// next returns the next file; nil after the last.
func (f *dumpFolder) next(root string) (*source.Arrival, error) {
	if err := f.close(); err != nil {
		return nil, err
	}
	if len(f.files) == 0 {
		return nil, nil //nolint:nilnil // documented above
	}
	name := f.files[0]
	f.files = f.files[1:]
	var err error
	if f.open, err = os.Open(filepath.Join(f.path, dumpIn, name)); err != nil {
		return nil, fmt.Errorf("dump %s: %w", f.db.File, err)
	}
	info, err := f.open.Stat()
	if err != nil {
		return nil, fmt.Errorf("dump %s: %w", f.db.File, err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("dump %s: %s is no file", f.db.File, name)
	}
	node := dumpNode()
	node.Size = uint64(info.Size()) //nolint:gosec // never negative
	f.db.Bytes += info.Size()
	// It is closed here, when it has been read.
	return &source.Arrival{Path: root + "/" + f.db.File + "/" + name, Node: node, Content: struct{ io.Reader }{f.open}}, nil
}

// close closes the file that was read, and frees its space.
func (f *dumpFolder) close() error {
	if f.open == nil {
		return nil
	}
	name := f.open.Name()
	err := errors.Join(f.open.Close(), os.Remove(name))
	f.open = nil
	if err != nil {
		return fmt.Errorf("dump %s: %w", f.db.File, err)
	}
	return nil
}

// remove removes what is left in scratch.
func (f *dumpFolder) remove() error {
	if f == nil {
		return nil
	}
	if err := errors.Join(f.close(), os.RemoveAll(f.path)); err != nil {
		return fmt.Errorf("remove the scratch folder of a dump: %w", err)
	}
	return nil
}
