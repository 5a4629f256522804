package preflight

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"holdfast/internal/postgres"
	source "holdfast/internal/source/postgres"
)

// Server is what a PostgreSQL source needs of its server.
type Server struct {
	// DSN has the password in it, if there is one.
	DSN string
	// Dump takes dumps, otherwise base backups.
	Dump bool
	// Stream and Push are the ways by which the log comes.
	Stream, Push bool
	// Slot is the receiver's.
	Slot string
	// BinDir is where client programs are, "" for the usual places.
	BinDir string
	// DataDirectory is where the cluster lies, if it is read directly.
	DataDirectory string
	// CountsRows reads all tables.
	CountsRows bool
	// Tested starts a server of the same version for restore tests.
	Tested bool
}

// serverFacts are what a server says of itself and of our user.
type serverFacts struct {
	version, user, walLevel, archiveMode, archiveCommand, checksums string

	number, senders, sendersUsed, slots, slotsUsed int

	standby, super, replication, slotThere bool

	now time.Time
}

const factsSQL = `SELECT current_setting('server_version'), current_user, current_setting('wal_level'),
	current_setting('archive_mode'), current_setting('archive_command'), current_setting('data_checksums'),
	current_setting('server_version_num'), current_setting('max_wal_senders'), (SELECT count(*) FROM pg_stat_replication),
	current_setting('max_replication_slots'), (SELECT count(*) FROM pg_replication_slots),
	pg_is_in_recovery(), r.rolsuper, r.rolreplication, EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = %s),
	extract(epoch FROM clock_timestamp())
FROM pg_roles r WHERE r.rolname = current_user`

// Server tries out whether a PostgreSQL server gives what a source needs.
func (r *Report) Server(ctx context.Context, s Server) {
	conn, err := postgres.Connect(ctx, s.DSN, "")
	if err != nil {
		r.Wrong("the server does not let us in: "+inOneLine(err), "check dsn and password, that the server listens there, and its pg_hba.conf")
		return
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // all was asked
	before := time.Now()
	f, err := askServer(ctx, conn, s.Slot)
	if err != nil {
		r.Wrong("the server does not answer as PostgreSQL does: "+err.Error(), "")
		return
	}
	r.clock(f.now, before, time.Now())
	r.OK(fmt.Sprintf("PostgreSQL %s answers %s", f.version, f.user))
	if s.Dump {
		r.dumps(s, f)
	} else {
		r.baseBackups(ctx, s, f)
	}
	r.log(s, f)
	if s.CountsRows || s.Dump {
		r.readsAll(ctx, conn, f)
	}
	if s.Tested {
		if _, err := postgres.Programs(f.number/10000, ""); err != nil {
			r.Warn("restore tests start a private server: "+err.Error(), "install PostgreSQL "+strconv.Itoa(f.number/10000)+" on this machine")
		}
	}
}

// inOneLine writes an error of several lines, one for each address that was
// tried, without those that say the same.
func inOneLine(err error) string {
	var lines []string
	for line := range strings.Lines(err.Error()) {
		if line = strings.TrimSpace(line); !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, " ")
}

func askServer(ctx context.Context, conn *pgconn.PgConn, slot string) (f serverFacts, err error) {
	rows, err := postgres.Query(ctx, conn, fmt.Sprintf(factsSQL, postgres.QuoteLiteral(slot)))
	if err != nil {
		return f, err
	}
	if len(rows) != 1 {
		return f, errors.New("it knows nothing of our user")
	}
	row := rows[0]
	f.version, _, _ = strings.Cut(row[0], " ")
	f.user, f.walLevel, f.archiveMode, f.archiveCommand, f.checksums = row[1], row[2], row[3], row[4], row[5]
	for i, n := range []*int{&f.number, &f.senders, &f.sendersUsed, &f.slots, &f.slotsUsed} {
		if *n, err = strconv.Atoi(row[6+i]); err != nil {
			return f, err
		}
	}
	for i, b := range []*bool{&f.standby, &f.super, &f.replication, &f.slotThere} {
		*b = row[11+i] == "t"
	}
	seconds, err := strconv.ParseFloat(row[15], 64)
	f.now = time.UnixMicro(int64(seconds * 1e6))
	return f, err
}

// baseBackups checks what base backups take.
func (r *Report) baseBackups(ctx context.Context, s Server, f serverFacts) {
	switch {
	case !f.super && !f.replication:
		r.Wrong(f.user+" may not replicate, which base backups take", "ALTER ROLE "+postgres.QuoteIdentifier(f.user)+" REPLICATION")
	case f.senders > 0:
		if err := source.Probe(ctx, s.DSN); err != nil {
			r.Wrong(inOneLine(err), "let "+f.user+" connect to the database \"replication\" in pg_hba.conf, and reload the server")
		}
	}
	if f.walLevel == "minimal" {
		r.Wrong("wal_level is minimal: base backups and log archives take more", "set wal_level = replica, and restart the server")
	}
	needed := 1 // the backup
	if s.Stream {
		needed += 2 // the receiver, and the log that a backup brings itself
	}
	if f.senders < needed {
		r.Wrong(fmt.Sprintf("max_wal_senders is %d, and up to %d are needed", f.senders, needed), "set max_wal_senders = 10, and restart the server")
	} else if free := f.senders - f.sendersUsed; free < 1 {
		r.Warn(fmt.Sprintf("all %d of max_wal_senders are in use", f.senders), "raise max_wal_senders, and restart the server")
	}
	if f.checksums == "off" {
		r.Warn("the cluster has no page checksums: damage on its disk is not noticed by backups", "run pg_checksums --enable while the server is stopped")
	}
	if s.DataDirectory != "" {
		r.dataDirectory(s.DataDirectory)
	}
}

func (r *Report) dataDirectory(path string) {
	if _, err := os.ReadFile(path + "/global/pg_control"); err != nil {
		r.Wrong("data_directory: "+err.Error(), "run holdfast on the server's host as a user who may read it, or remove data_directory: the server then sends the backup")
	}
}

// log checks what the archiving of the log takes.
func (r *Report) log(s Server, f serverFacts) {
	if s.Stream && !f.slotThere && f.slotsUsed >= f.slots {
		r.Wrong(fmt.Sprintf("all %d of max_replication_slots are in use, and the receiver makes one (%s)", f.slots, s.Slot), "raise max_replication_slots and restart the server, or drop slots that nobody uses")
	}
	if !s.Push {
		return
	}
	switch {
	case f.archiveMode == "off":
		r.Wrong("archive_mode is off: the server hands over no log", "set archive_mode = on and archive_command = 'holdfast wal push --plan PLAN %p', and restart the server")
	case f.archiveCommand == "" || f.archiveCommand == "(disabled)":
		r.Wrong("archive_command is empty: the server hands over no log", "set archive_command = 'holdfast wal push --plan PLAN %p', and reload the server")
	case !strings.Contains(f.archiveCommand, "wal push"):
		r.Warn("archive_command is not holdfast's: somebody else gets the log", "set archive_command = 'holdfast wal push --plan PLAN %p', and reload the server")
	}
}

// dumps checks what dumps take.
func (r *Report) dumps(s Server, f serverFacts) {
	bin, err := postgres.ClientPrograms(f.number/10000, s.BinDir)
	if err != nil {
		r.Wrong(err.Error(), "")
		return
	}
	for _, program := range []string{"pg_dump", "pg_dumpall"} {
		r.Program(bin + "/" + program)
	}
	if !f.super {
		r.Warn(f.user+" is no superuser: the passwords of roles are not in the dumps", "if they are needed, back up as a superuser")
	}
}

// readsAll checks that our user may read all tables.
func (r *Report) readsAll(ctx context.Context, conn *pgconn.PgConn, f serverFacts) {
	if f.super || f.number < 140000 { // older ones have no such role
		return
	}
	rows, err := postgres.Query(ctx, conn, "SELECT pg_has_role(current_user, 'pg_read_all_data', 'USAGE')")
	if err == nil && len(rows) == 1 && rows[0][0] == "t" {
		return
	}
	r.Warn(f.user+" may not read all tables", "GRANT pg_read_all_data TO "+postgres.QuoteIdentifier(f.user))
}
