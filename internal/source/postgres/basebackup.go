// Package postgres is the source that is a PostgreSQL cluster: base backups
// over the replication protocol, with nothing but a connection string.
package postgres

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"path"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"holdfast/internal/postgres"
	"holdfast/internal/source"
	"holdfast/repository/tree"
)

// Options tell how a base backup is taken.
type Options struct {
	// DSN says how the server is reached, as libpq has it. The user needs
	// the REPLICATION attribute.
	DSN string
	// Root is the folder of the snapshot that becomes the data directory.
	Root string
	// Label names the backup on the server.
	Label string
	// WithWAL takes along the WAL the backup needs, so that it can be restored
	// without a log archive, to its own end only.
	WithWAL bool
	// SpreadCheckpoint lets the server take its time for the checkpoint that
	// a backup begins with.
	SpreadCheckpoint bool
	// MaxKBPerSecond limits how fast the server sends; 0 does not.
	MaxKBPerSecond int
	// Earlier, if set, is a backup that the server is asked for the changes
	// since. See Backup.Full.
	Earlier Earlier
	// Warn, if set, is told what the server warns of, such as damaged pages.
	Warn func(message string)
}

// Backup is a base backup under way: a source whose files arrive as the
// server sends them.
type Backup struct {
	o    Options
	conn *pgconn.PgConn

	Facts
	// Full says why the backup is a full one though Options.Earlier was set; ""
	// if it is not.
	Full string

	changes *changes // nil for a full backup
	lacks   string   // what the server has left out that a restored one needs

	stream   stream
	archive  string // the one being read: "" for the data directory, or an OID
	tar      *tar.Reader
	seen     map[string]fileSum
	table    *crc32.Table
	last     *summedReader
	manifest bytes.Buffer
	owner    tree.Node // of the files, for the manifest, which comes without one
}

// Facts are what a base backup says of itself, whichever way it is taken. All
// of it is known once everything has arrived.
type Facts struct {
	// System identifies the cluster.
	System string
	// Start and End are the WAL that the backup needs, on Timeline. End is
	// known when everything has arrived.
	Timeline   uint32
	Start, End postgres.LSN
	// TotalBytes estimates all there is to read.
	TotalBytes uint64
	// Tablespaces are those outside of the data directory.
	Tablespaces []Tablespace
	// Damaged tells that there are pages that do not match their checksums.
	// The backup has them as they are.
	Damaged bool
}

// About returns what is known of the backup so far.
func (f *Facts) About() *Facts { return f }

// Tablespace is one outside of the data directory.
type Tablespace struct {
	OID      string
	Location string
}

var _ source.Arrivals = (*Backup)(nil)

// minVersion is the first server version with the protocol spoken here.
const minVersion = 15

// Probe tells whether a base backup could be begun: the server answers, and
// lets this user replicate. A source that has its password elsewhere is asked
// with that.
func Probe(ctx context.Context, dsn string) error {
	conn, err := connect(ctx, dsn, nil)
	if err != nil {
		return err
	}
	return conn.Close(ctx)
}

func connect(ctx context.Context, dsn string, notice func(*pgconn.Notice)) (*pgconn.PgConn, error) {
	return postgres.Replicate(ctx, dsn, "holdfast backup", notice)
}

// notice hears what the server warns of.
func (b *Backup) notice(n *pgconn.Notice) {
	if name := leftOutBy(n); cannotLack(name) {
		b.lacks = name
	}
	if b.o.Warn != nil {
		b.o.Warn(n.Message)
	}
}

// leftOutBy returns what of the data directory a server says that it leaves out, as
// it does with symlinks (sendDir of src/backend/backup/basebackup.c). The words are
// of any language.
func leftOutBy(n *pgconn.Notice) string {
	_, name, _ := strings.Cut(n.Message, "./")
	if n.Routine != "sendDir" {
		return ""
	}
	return strings.TrimRight(name, "\"'«»“”‘’")
}

// Start begins a base backup.
func Start(ctx context.Context, o Options) (*Backup, error) {
	if o.Earlier != nil {
		return startChanged(ctx, o)
	}
	return start(ctx, o)
}

func start(ctx context.Context, o Options) (*Backup, error) {
	b := &Backup{o: o, seen: map[string]fileSum{}, table: crc32.MakeTable(crc32.Castagnoli)}
	var err error
	if b.conn, err = connect(ctx, o.DSN, b.notice); err != nil {
		return nil, err
	}
	if err := b.begin(ctx); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return b, nil
}

// Close gives the connection up.
func (b *Backup) Close() error { return b.conn.Close(context.Background()) }

func (b *Backup) begin(ctx context.Context) error {
	if version := b.conn.ParameterStatus("server_version"); majorOf(version) < minVersion {
		return fmt.Errorf("the server is PostgreSQL %s; base backups need %d or later", version, minVersion)
	}
	results, err := b.conn.Exec(ctx, "IDENTIFY_SYSTEM").ReadAll()
	if err != nil || len(results) != 1 || len(results[0].Rows) != 1 {
		return fmt.Errorf("ask the server who it is: %w", err)
	}
	b.System = string(results[0].Rows[0][0])
	if b.o.Earlier != nil {
		if err := b.askForChanges(ctx, string(results[0].Rows[0][1])); err != nil {
			return err
		}
	}
	if b.o.WithWAL { // a segment at the least, which the server does not count
		b.TotalBytes = postgres.DefaultSegmentBytes
	}
	b.conn.Frontend().SendQuery(&pgproto3.Query{String: b.command()})
	if err := b.conn.Frontend().Flush(); err != nil {
		return fmt.Errorf("begin base backup: %w", err)
	}
	b.stream = stream{ctx: ctx, conn: b.conn}
	err = b.readHead()
	if err != nil && b.changes != nil {
		err = refusalOf(err)
	}
	if err != nil {
		return fmt.Errorf("begin base backup: %w", err)
	}
	return nil
}

// majorOf returns the number that a version such as "17beta1" begins with.
func majorOf(version string) int {
	n := 0
	for _, c := range version {
		if c < '0' || c > '9' {
			break
		}
		n = 10*n + int(c-'0')
	}
	return n
}

func (b *Backup) command() string {
	label := strings.ReplaceAll(b.o.Label, "'", "''")
	if label == "" {
		label = "holdfast"
	}
	checkpoint := "fast"
	if b.o.SpreadCheckpoint {
		checkpoint = "spread"
	}
	sql := fmt.Sprintf("BASE_BACKUP (LABEL '%s', PROGRESS true, CHECKPOINT '%s', WAL %t, WAIT false, TABLESPACE_MAP true, MANIFEST 'yes', MANIFEST_CHECKSUMS 'CRC32C'",
		label, checkpoint, b.o.WithWAL)
	if b.o.MaxKBPerSecond > 0 {
		sql += fmt.Sprintf(", MAX_RATE %d", b.o.MaxKBPerSecond)
	}
	if b.changes != nil {
		sql += ", INCREMENTAL"
	}
	return sql + ")"
}

// readHead reads what comes before the files: where the backup begins, and
// the tablespaces.
func (b *Backup) readHead() error {
	sets := 0
	for {
		message, err := b.stream.receive()
		if err != nil {
			return err
		}
		switch m := message.(type) {
		case *pgproto3.RowDescription:
			sets++
		case *pgproto3.DataRow:
			if sets == 1 {
				err = b.readStart(m)
			} else {
				err = b.readTablespace(m)
			}
			if err != nil {
				return err
			}
		case *pgproto3.CopyOutResponse:
			return nil
		}
	}
}

func (b *Backup) readStart(row *pgproto3.DataRow) (err error) {
	if len(row.Values) != 2 {
		return fmt.Errorf("the server says in %d values where the backup begins", len(row.Values))
	}
	if b.Start, err = postgres.ParseLSN(string(row.Values[0])); err != nil {
		return err
	}
	timeline, err := strconv.ParseUint(string(row.Values[1]), 10, 32)
	b.Timeline = uint32(timeline)
	return err
}

func (b *Backup) readTablespace(row *pgproto3.DataRow) error {
	if len(row.Values) != 3 {
		return fmt.Errorf("the server describes a tablespace in %d values", len(row.Values))
	}
	if kb, err := strconv.ParseUint(string(row.Values[2]), 10, 64); err == nil {
		b.TotalBytes += kb << 10
	}
	if row.Values[0] != nil {
		b.Tablespaces = append(b.Tablespaces, Tablespace{OID: string(row.Values[0]), Location: string(row.Values[1])})
	}
	return nil
}

// Next returns the next file or directory. At the end everything has been
// compared with the server's manifest.
func (b *Backup) Next(ctx context.Context) (*source.Arrival, error) {
	b.stream.ctx = ctx
	if err := b.finishLast(); err != nil {
		return nil, err
	}
	for {
		if b.tar == nil {
			next, err := b.stream.nextArchive()
			if err != nil {
				return nil, fmt.Errorf("base backup: %w", err)
			}
			switch {
			case next == nil:
				return nil, b.end()
			case next.manifest:
				return b.manifestArrival(), nil
			}
			b.archive = strings.TrimSuffix(next.name, ".tar")
			if b.archive == "base" {
				b.archive = ""
			}
			b.tar = tar.NewReader(&b.stream)
		}
		header, err := b.tar.Next()
		if errors.Is(err, io.EOF) {
			b.tar = nil
			if err := b.stream.skip(); err != nil {
				return nil, fmt.Errorf("base backup: %w", err)
			}
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("base backup: %w", err)
		}
		return b.arrival(ctx, header)
	}
}

// finishLast makes sure that the file before has been read to its end.
func (b *Backup) finishLast() error {
	if b.last == nil {
		return nil
	}
	if _, err := io.Copy(io.Discard, b.last); err != nil {
		return fmt.Errorf("base backup: %w", err)
	}
	b.seen[b.last.path] = fileSum{crc: b.last.sum, size: b.last.size}
	b.last = nil
	return nil
}

// tablespaceFolder is where tablespaces stand in a data directory.
const tablespaceFolder = "pg_tblspc"

func (b *Backup) arrival(ctx context.Context, h *tar.Header) (*source.Arrival, error) {
	name := path.Clean(h.Name)
	if b.archive != "" {
		name = path.Join(tablespaceFolder, b.archive, name)
	}
	if path.IsAbs(name) || name == ".." || strings.HasPrefix(name, "../") { // any other name may be one: of files that are not the server's
		return nil, fmt.Errorf("base backup: the server sends a file %q", h.Name)
	}
	if name == "." {
		name = ""
	}
	a := &source.Arrival{Path: strings.TrimSuffix(b.o.Root+"/"+name, "/"), Node: tree.Node{
		Mode: h.FileInfo().Mode(), ModTime: h.ModTime, AccessTime: h.ModTime, ChangeTime: h.ModTime,
		UID: uint32(h.Uid), GID: uint32(h.Gid), User: h.Uname, Group: h.Gname, //nolint:gosec // never negative
		Size: uint64(h.Size), Links: 1, //nolint:gosec // never negative
	}}
	b.owner = a.Node
	switch h.Typeflag {
	case tar.TypeDir:
		a.Node.Type, a.Node.Size = tree.Dir, 0
	case tar.TypeReg:
		a.Node.Type = tree.File
		b.last = &summedReader{r: b.tar, table: b.table, path: name}
		a.Content, a.CutBytes = b.last, cutOf(name, h.Size)
		if b.changes != nil {
			if err := b.changedArrival(ctx, a, h); err != nil {
				return nil, err
			}
		}
	case tar.TypeSymlink:
		a.Node.Type, a.Node.LinkTarget = tree.Symlink, h.Linkname
	default:
		return nil, fmt.Errorf("base backup: the server sends %s as a file of type %q", name, h.Typeflag)
	}
	return a, nil
}

// manifestName is the file that lists all others.
const manifestName = "backup_manifest"

// manifestArrival hands over the manifest, and keeps it to compare with.
func (b *Backup) manifestArrival() *source.Arrival {
	a := &source.Arrival{
		Path: b.o.Root + "/" + manifestName,
		Node: tree.Node{Type: tree.File, Mode: 0o600, Links: 1, UID: b.owner.UID, GID: b.owner.GID, User: b.owner.User, Group: b.owner.Group},
		// The size is not known before its end.
		SizeUnknown: true,
		Content:     io.TeeReader(&b.stream, &b.manifest),
	}
	if b.changes != nil {
		a.Content, a.AfterAll = &changedManifest{b: b}, true
	}
	return a
}

// end reads what comes after the files, and judges the whole.
func (b *Backup) end() error {
	err := b.readTail()
	var refused *pgconn.PgError
	if errors.As(err, &refused) && refused.Code == dataCorrupted {
		b.Damaged = true // told after everything was sent
		err = nil
	}
	if err == nil {
		err = b.checkManifest()
	}
	if err == nil && b.lacks != "" {
		err = errBehindSymlink(b.lacks)
	}
	if err != nil {
		return fmt.Errorf("base backup: %w", err)
	}
	return io.EOF
}

// dataCorrupted is the SQLSTATE with which a backup ends that met damaged
// pages.
const dataCorrupted = "XX001"

func (b *Backup) readTail() error {
	for {
		message, err := b.stream.receive()
		if err != nil {
			return err
		}
		switch m := message.(type) {
		case *pgproto3.DataRow:
			if len(m.Values) != 2 {
				return fmt.Errorf("the server says in %d values where the backup ends", len(m.Values))
			}
			if b.End, err = postgres.ParseLSN(string(m.Values[0])); err != nil {
				return err
			}
		case *pgproto3.ReadyForQuery:
			return nil
		}
	}
}

// fileSum is what arrived under one name.
type fileSum struct {
	crc  uint32
	size int64
}

// summedReader computes the checksum that the manifest has.
type summedReader struct {
	r     io.Reader
	table *crc32.Table
	path  string
	sum   uint32
	size  int64
}

func (r *summedReader) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	r.sum = crc32.Update(r.sum, r.table, p[:n])
	r.size += int64(n)
	return n, err
}

const (
	// smallRelation bounds the relations that are cut finely.
	smallRelation = 8 << 20
	// finePages and coarsePages are how large the pieces of a relation are:
	// a changed page costs one. Of 1 TiB coarse ones make 8.4 million blobs.
	// See docs/decisions.
	finePages   = 32 << 10
	coarsePages = 128 << 10
)

func cutOf(name string, size int64) int {
	switch {
	case !isRelation(name):
		return 0
	case size <= smallRelation:
		return finePages
	}
	return coarsePages
}

// isRelation tells whether a file belongs to a table or an index: those
// change page by page. Their names begin with a number, or with a t for
// temporary ones, and lie in the folder of a database.
func isRelation(name string) bool {
	folder, file := path.Split(name)
	switch strings.Count(folder, "/") {
	case 1:
		if folder != "global/" {
			return false
		}
	case 2:
		if !strings.HasPrefix(folder, "base/") {
			return false
		}
	case 4:
		if !strings.HasPrefix(folder, tablespaceFolder+"/") {
			return false
		}
	default:
		return false
	}
	first := strings.TrimPrefix(file, "t")
	return first != "" && first[0] >= '0' && first[0] <= '9'
}
