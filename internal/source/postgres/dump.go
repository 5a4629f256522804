package postgres

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"holdfast/internal/postgres"
	"holdfast/internal/postgres/rowcount"
	"holdfast/internal/source"
	"holdfast/repository/tree"
)

// DumpOptions tell what is dumped.
type DumpOptions struct {
	// DSN says how the server is reached, as libpq has it.
	DSN string
	// Root is the folder of the snapshot that the dumps come into.
	Root string
	// Databases are those to dump; none means all that can be connected to.
	Databases []string
	// BinDir is the folder of pg_dump; "" looks for one that fits.
	BinDir string
	// Jobs dumps with so many connections at once, in the directory format,
	// which needs Scratch space for one database; 0 streams each by one.
	Jobs    int
	Scratch string
	// Room, if set, returns how many bytes may be written to Scratch.
	Room func() (uint64, error)
	// CountRows has the rows of all tables counted at the very moment that is
	// dumped.
	CountRows bool
	// LockWait is how long a table may be locked by others before the dump
	// fails; 0 is lockWait.
	LockWait time.Duration
	// Warn, if set, is told what the dump will lack.
	Warn func(message string)
}

// lockWait outlasts a long transaction, but not a forgotten one, which would
// keep every later dump from happening too.
const lockWait = 10 * time.Minute

// Dumps are the dumps of a server under way: a source whose files arrive as
// the programs print them, the globals first.
type Dumps struct {
	o      DumpOptions
	client postgres.Client
	list   *postgres.Dump
	// first is the database that is connected to for what concerns all.
	first string
	next  int // 0 for the globals, then the databases, then the list
	last  *dumped

	moment *heldMoment
	folder *dumpFolder // of a database that is dumped into one
	counts *rowcount.Counts
}

var _ source.Arrivals = (*Dumps)(nil)

// StartDumps looks at the server and makes sure that it can be dumped, before
// anything is.
func StartDumps(ctx context.Context, o DumpOptions) (*Dumps, error) {
	if o.LockWait == 0 {
		o.LockWait = lockWait
	}
	d := &Dumps{o: o, list: postgres.NewDump(), counts: rowcount.New()}
	var err error
	if d.client.Address, err = postgres.ParseAddress(o.DSN); err != nil {
		return nil, err
	}
	if err := d.look(ctx); err != nil {
		return nil, err
	}
	d.client.Bin, err = postgres.ClientPrograms(d.list.Major, o.BinDir)
	if err != nil {
		return nil, err
	}
	d.list.Program, err = d.client.Version("pg_dump")
	return d, err
}

// List tells what was dumped, once all has arrived.
func (d *Dumps) List() *postgres.Dump { return d.list }

// Rows is how many rows were counted, once all has arrived; 0 if none were.
func (d *Dumps) Rows() uint64 { return d.counts.Rows() }

// Close ends what still runs.
func (d *Dumps) Close() (err error) {
	if d.last != nil {
		err = d.last.out.Close()
	}
	d.moment.drop()
	return errors.Join(err, d.folder.remove())
}

// Next returns the next file.
func (d *Dumps) Next(ctx context.Context) (*source.Arrival, error) {
	if err := d.finishLast(); err != nil {
		return nil, err
	}
	if d.folder != nil {
		if a, err := d.folder.next(d.o.Root); a != nil || err != nil {
			return a, err
		}
		err := d.folder.remove()
		if d.folder = nil; err != nil {
			return nil, err
		}
	}
	if err := d.finishMoment(); err != nil {
		return nil, err
	}
	at := d.next
	d.next++
	switch databases := d.list.Databases; {
	case at == 0:
		return d.globals(ctx)
	case at <= len(databases):
		return d.database(ctx, &databases[at-1])
	case at == len(databases)+1:
		return d.describe(ctx)
	case at == len(databases)+2 && d.o.CountRows:
		return rowCountArrival(d.o.Root, d.counts)
	}
	return nil, io.EOF
}

// globals dumps the roles and tablespaces.
func (d *Dumps) globals(ctx context.Context) (*source.Arrival, error) {
	args := []string{"--globals-only", "--no-password", "--dbname=" + d.client.To(d.first), "--database=" + d.first}
	if !d.list.RolePasswords {
		args = append(args, "--no-role-passwords")
		if d.o.Warn != nil {
			d.o.Warn("the roles are dumped without their passwords, which this user may not read: roles that are restored cannot log in by password before they get new ones")
		}
	}
	return d.arrival(ctx, postgres.DumpGlobals, &dumped{tail: []byte(globalsEnd), size: new(int64)}, "pg_dumpall", args...)
}

// database dumps one database.
func (d *Dumps) database(ctx context.Context, db *postgres.DumpedDatabase) (*source.Arrival, error) {
	if err := d.lookInto(ctx, db); err != nil {
		return nil, fmt.Errorf("dump database %s: %w", db.Name, err)
	}
	snapshot, err := d.hold(ctx, db)
	if err != nil {
		return nil, fmt.Errorf("dump database %s: %w", db.Name, err)
	}
	// Not compressed: what did not change since the last dump is then found
	// in the repository, which compresses.
	args := []string{
		"--compress=0", "--no-password", fmt.Sprintf("--lock-wait-timeout=%d", d.o.LockWait.Milliseconds()),
		"--snapshot=" + snapshot, "--dbname=" + d.client.To(db.Name),
	}
	if d.o.Jobs > 0 {
		return d.intoFolder(ctx, db, args)
	}
	return d.arrival(ctx, db.File, &dumped{head: []byte(archiveHead), size: &db.Bytes}, "pg_dump", append(args, "--format=custom")...)
}

func (d *Dumps) arrival(ctx context.Context, file string, read *dumped, program string, args ...string) (*source.Arrival, error) {
	out, err := d.client.Start(ctx, program, args...)
	if err != nil {
		return nil, fmt.Errorf("dump %s: %w", file, err)
	}
	read.out, read.file = out, file
	d.last = read
	return &source.Arrival{Path: d.o.Root + "/" + file, Node: dumpNode(), Content: read, SizeUnknown: true}, nil
}

// describe hands over the list.
func (d *Dumps) describe(ctx context.Context) (*source.Arrival, error) {
	var err error
	if d.list.Ended, err = d.now(ctx); err != nil {
		return nil, err
	}
	text, err := json.MarshalIndent(d.list, "", "  ")
	if err != nil {
		return nil, err
	}
	text = append(text, '\n')
	node := dumpNode()
	node.Size = uint64(len(text))
	return &source.Arrival{Path: d.o.Root + "/" + postgres.DumpList, Node: node, Content: bytes.NewReader(text)}, nil
}

// dumpNode is what is recorded of a file: readable by its owner alone, as it
// has all that is in the database.
func dumpNode() tree.Node {
	now := time.Now()
	return tree.Node{
		Type: tree.File, Mode: 0o600, ModTime: now, AccessTime: now, ChangeTime: now, Links: 1,
		UID: uint32(max(0, os.Getuid())), GID: uint32(max(0, os.Getgid())), //nolint:gosec // IDs are small
	}
}

// finishLast makes sure that the file before has been read to its end, and
// that its program ended well.
func (d *Dumps) finishLast() error {
	if d.last == nil {
		return nil
	}
	_, err := io.Copy(io.Discard, d.last)
	d.last = nil
	return err
}

const (
	// archiveHead begins a dump in the custom format, and globalsEnd stands
	// at the end of the globals. Programs that failed without saying so have
	// been seen.
	archiveHead = "PGDMP"
	globalsEnd  = "PostgreSQL database cluster dump complete"
	// tailBytes is where at the end of the globals that is looked for: other
	// lines may follow.
	tailBytes = 500
)

// dumped is a file that arrives.
type dumped struct {
	out        *postgres.Output
	file       string
	head, tail []byte // what it must begin with, or have near its end
	size       *int64
	seen       []byte // the beginning, or the end
	err        error
}

func (f *dumped) Read(p []byte) (int, error) {
	if f.err != nil {
		return 0, f.err
	}
	n, err := f.out.Read(p)
	*f.size += int64(n)
	f.look(p[:n])
	switch {
	case errors.Is(err, io.EOF):
		f.err = f.judge()
	case err != nil:
		f.err = fmt.Errorf("dump %s: %w", f.file, err)
	}
	return n, f.err
}

func (f *dumped) look(p []byte) {
	if f.head != nil {
		f.seen = append(f.seen, p[:min(len(p), len(f.head)-len(f.seen))]...)
		return
	}
	f.seen = append(f.seen, p...)
	f.seen = append(f.seen[:0], f.seen[max(0, len(f.seen)-tailBytes):]...)
}

// judge returns io.EOF if the file is whole as far as can be seen.
func (f *dumped) judge() error {
	if !bytes.Equal(f.seen, f.head) && f.head != nil || !bytes.Contains(f.seen, f.tail) {
		return fmt.Errorf("dump %s: the program ended well, but printed no whole dump (%d bytes)", f.file, *f.size)
	}
	return io.EOF
}
