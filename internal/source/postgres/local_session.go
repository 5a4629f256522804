package postgres

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"holdfast/internal/postgres"
	"holdfast/repository/tree"
)

// aliveEvery is how often the session is used while files are read, so that
// its loss is noticed early and nothing on the way takes it for idle.
const aliveEvery = 15 * time.Second

// session is the connection that the backup belongs to: it ends with it.
type session struct {
	conn           *pgconn.PgConn
	used           time.Time
	user, database string

	major      int
	standby    bool
	system     string
	catalog    string // the version of the system catalogs
	directory  string // where the server says its data is, if it tells
	checksums  bool
	blockBytes int
	// segmentBlocks is how many blocks a file of a relation has at most,
	// walBytes how long a segment of the log is.
	segmentBlocks uint32
	walBytes      int64
	totalBytes    uint64
	// clockApart is how far the file system's clock is from this host's.
	clockApart time.Duration
	// owner is who has the data directory.
	owner tree.Node
}

func openSession(ctx context.Context, o LocalOptions) (*session, error) {
	cfg, err := pgconn.ParseConfig(o.DSN)
	if err != nil {
		return nil, errors.New("the connection string cannot be read; write it like postgres://user@host:5432/database")
	}
	if cfg.Database == "" {
		cfg.Database = "postgres"
	}
	cfg.RuntimeParams["application_name"] = "holdfast backup"
	cfg.RuntimeParams["statement_timeout"] = "0"
	cfg.RuntimeParams["idle_session_timeout"] = "0"
	conn, err := postgres.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("connect to PostgreSQL for a base backup: %w", err)
	}
	s := &session{conn: conn, used: time.Now(), user: cfg.User, database: cfg.Database}
	if err := s.ask(ctx); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// close ends the session. A backup that is under way is given up by that.
func (s *session) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), aliveEvery)
	defer cancel()
	return s.conn.Close(ctx)
}

// row runs a query that has one row.
func (s *session) row(ctx context.Context, sql string) ([]string, error) {
	rows, err := postgres.Query(ctx, s.conn, sql)
	s.used = time.Now()
	if err != nil {
		return nil, err
	}
	if len(rows) != 1 {
		return nil, fmt.Errorf("the server answers with %d rows instead of one", len(rows))
	}
	return rows[0], nil
}

// keepAlive uses the session, if it was not used for a while.
func (s *session) keepAlive(ctx context.Context) error {
	if time.Since(s.used) < aliveEvery {
		return nil
	}
	if _, err := s.row(ctx, "SELECT 1"); err != nil {
		return fmt.Errorf("the session that the base backup belongs to has ended, so it counts for nothing; run it again: %w", err)
	}
	return nil
}

// ask learns what the server is like.
func (s *session) ask(ctx context.Context) error {
	row, err := s.row(ctx, `SELECT current_setting('server_version_num')::int / 10000, pg_is_in_recovery(), system_identifier, catalog_version_no,
		CASE WHEN pg_has_role('pg_read_all_settings', 'USAGE') THEN current_setting('data_directory') ELSE '' END,
		current_setting('data_checksums'), current_setting('block_size'), pg_size_bytes(current_setting('segment_size')),
		pg_size_bytes(current_setting('wal_segment_size')) FROM pg_control_system()`)
	if err != nil {
		return fmt.Errorf("ask the server what it is: %w", err)
	}
	var numbers [4]int64
	for k, at := range []int{0, 6, 7, 8} {
		if numbers[k], err = strconv.ParseInt(row[at], 10, 64); err != nil {
			return fmt.Errorf("ask the server what it is: %w", err)
		}
	}
	s.major, s.blockBytes, s.walBytes = int(numbers[0]), int(numbers[1]), numbers[3]
	s.standby, s.system, s.catalog, s.directory, s.checksums = row[1] == "t", row[2], row[3], row[4], row[5] == "on"
	if s.major < minVersion {
		return fmt.Errorf("the server is PostgreSQL %d; base backups need %d or later", s.major, minVersion)
	}
	if s.blockBytes <= 0 || bufferBytes%s.blockBytes != 0 || !postgres.IsSegmentSize(s.walBytes) {
		return fmt.Errorf("the server has pages of %d bytes and log segments of %d, which holdfast does not know", s.blockBytes, s.walBytes)
	}
	s.segmentBlocks = uint32(numbers[2] / int64(s.blockBytes)) //nolint:gosec // 131072 where nobody changed it
	// An estimate: without the right to ask, or while a database goes, there is none.
	if row, err := s.row(ctx, `SELECT coalesce(sum(pg_database_size(oid)), 0)::bigint FROM pg_database
		WHERE has_database_privilege(oid, 'CONNECT') OR pg_has_role('pg_read_all_stats', 'USAGE')`); err == nil {
		s.totalBytes, _ = strconv.ParseUint(row[0], 10, 64) //nolint:errcheck // as above
	}
	return nil
}

// replicationSlots is where a data directory has its slots.
const replicationSlots = "pg_replslot"

// proveSame makes sure that the folder is the data directory of this very
// server, not of a clone beside it: the server makes a replication slot, which
// goes away with the session, and it has to appear in the folder. With WithWAL
// the slot keeps the log that the backup needs.
func (s *session) proveSame(ctx context.Context, o LocalOptions) error {
	data := o.DataDirectory
	version, err := postgres.VersionOf(data)
	if err != nil {
		return fmt.Errorf("%s is not a data directory that can be read here (data_directory of the source): %w", data, err)
	}
	if version != s.major {
		return s.foreign(data, fmt.Sprintf("it is of PostgreSQL %d, and the server is %d", version, s.major))
	}
	system, err := postgres.SystemOf(data)
	if err != nil {
		return fmt.Errorf("read the identity of the cluster (does this user own %s?): %w", data, err)
	}
	if system != s.system {
		return s.foreign(data, fmt.Sprintf("it is of cluster %s, and the server has %s", system, s.system))
	}
	var random [6]byte
	rand.Read(random[:]) //nolint:errcheck // never fails
	slot := fmt.Sprintf("holdfast_local_%d_%s", os.Getpid(), hex.EncodeToString(random[:]))
	before := time.Now()
	if _, err := s.row(ctx, fmt.Sprintf("SELECT pg_create_physical_replication_slot('%s', %t, true)", slot, o.WithWAL)); err != nil {
		return fmt.Errorf("make a temporary replication slot, by which the data directory is told from others (the user needs the REPLICATION attribute, the server a free one of max_replication_slots): %w%s", err, s.required(err))
	}
	info, err := os.Stat(filepath.Join(data, replicationSlots, slot))
	if errors.Is(err, os.ErrNotExist) {
		return s.foreign(data, "what the server writes does not appear there, so it is a clone, or an older state")
	}
	if err != nil {
		return fmt.Errorf("look into the data directory (does this user own it?): %w", err)
	}
	s.clockApart = apart(info.ModTime(), before, time.Now())
	if o.WithWAL {
		return nil
	}
	if _, err := s.row(ctx, fmt.Sprintf("SELECT pg_drop_replication_slot('%s')", slot)); err != nil {
		return fmt.Errorf("remove the temporary replication slot: %w", err)
	}
	return nil
}

// apart returns how far a moment lies outside of the two it must be between.
func apart(moment, from, to time.Time) time.Duration {
	switch {
	case moment.Before(from):
		return from.Sub(moment)
	case moment.After(to):
		return moment.Sub(to)
	}
	return 0
}

// foreign says that the folder is not the server's.
func (s *session) foreign(data, why string) error {
	says := ""
	if s.directory != "" {
		says = "; the server says its own is " + s.directory
	}
	return fmt.Errorf("%s is not the data directory of the server that the connection string leads to: %s%s. Correct data_directory or dsn of the source, or remove data_directory to have the server send its files", data, why, says)
}

// start begins the backup on the server.
func (s *session) start(ctx context.Context, o LocalOptions, f *Facts) error {
	label := o.Label
	if label == "" {
		label = "holdfast"
	}
	row, err := s.row(ctx, fmt.Sprintf("SELECT pg_backup_start(%s, %t)", postgres.QuoteLiteral(label), !o.SpreadCheckpoint))
	if err != nil {
		return fmt.Errorf("begin base backup: %w%s", err, s.grant(err))
	}
	if f.Start, err = postgres.ParseLSN(row[0]); err != nil {
		return fmt.Errorf("begin base backup: %w", err)
	}
	if row, err = s.row(ctx, "SELECT timeline_id FROM pg_control_checkpoint()"); err != nil {
		return fmt.Errorf("ask for the timeline: %w", err)
	}
	timeline, err := strconv.ParseUint(row[0], 10, 32)
	if err != nil {
		return fmt.Errorf("ask for the timeline: %w", err)
	}
	f.System, f.Timeline, f.TotalBytes = s.system, uint32(timeline), s.totalBytes
	if o.WithWAL && f.TotalBytes > 0 { // a segment at the least
		f.TotalBytes += uint64(s.walBytes) //nolint:gosec // a size
	}
	return nil
}

// dropped makes sure that the folder of a tablespace, a number, is not there because
// the tablespace is not. Else it is not to be seen from here, why tells.
func (s *session) dropped(ctx context.Context, oid string, why error) error {
	row, err := s.row(ctx, "SELECT count(*) FROM pg_tablespace WHERE oid = "+oid)
	if err != nil {
		return fmt.Errorf("ask whether the tablespace is still there: %w", err)
	}
	if row[0] != "0" {
		return fmt.Errorf("%w; the server has this tablespace: make its folder visible here at the same place (in a container: mount it), or remove data_directory of the source to have the server send its files", why)
	}
	return nil
}

// notInRequiredState is the SQLSTATE of a server that does not log enough.
const notInRequiredState = "55000"

// required says what to do about a server that does not log enough.
func (s *session) required(err error) string {
	var told *pgconn.PgError
	if !errors.As(err, &told) || told.Code != notInRequiredState {
		return ""
	}
	return "; set wal_level = replica, and restart the server"
}

// grant says what to do about a right or a setting that is missing.
func (s *session) grant(err error) string {
	var told *pgconn.PgError
	if !errors.As(err, &told) {
		return ""
	}
	if told.Code != insufficientPrivilege {
		return s.required(err)
	}
	return fmt.Sprintf("; in database %s, as a superuser: GRANT EXECUTE ON FUNCTION pg_backup_start(text, boolean), pg_backup_stop(boolean) TO %s", s.database, postgres.QuoteIdentifier(s.user))
}

// ending is what the server says when the backup ends.
type ending struct {
	lsn         postgres.LSN
	label       []byte
	tablespaces []byte
	timeline    uint32 // of a standby, at the end
}

// stop ends the backup on the server.
func (s *session) stop(ctx context.Context) (*ending, error) {
	row, err := s.row(ctx, "SELECT lsn, labelfile, spcmapfile FROM pg_backup_stop(false)")
	if err != nil {
		return nil, fmt.Errorf("end base backup, which therefore counts for nothing; run it again: %w", err)
	}
	e := &ending{label: []byte(row[1]), tablespaces: []byte(row[2])}
	if e.lsn, err = postgres.ParseLSN(row[0]); err != nil {
		return nil, fmt.Errorf("end base backup: %w", err)
	}
	if !s.standby {
		return e, nil
	}
	if row, err = s.row(ctx, "SELECT min_recovery_end_timeline FROM pg_control_recovery()"); err != nil {
		return nil, fmt.Errorf("ask for the timeline: %w", err)
	}
	timeline, err := strconv.ParseUint(row[0], 10, 32)
	if err != nil {
		return nil, fmt.Errorf("ask for the timeline: %w", err)
	}
	e.timeline = uint32(timeline)
	return e, nil
}

// check compares the end with the beginning.
func (e *ending) check(f *Facts) error {
	for line := range strings.SplitSeq(string(e.label), "\n") {
		key, value, _ := strings.Cut(line, ": ")
		switch key {
		case "START WAL LOCATION":
			if at, _, _ := strings.Cut(value, " "); at != f.Start.String() {
				return fmt.Errorf("the base backup began at %s, and its label says %s", f.Start, at)
			}
		case "START TIMELINE":
			if value != strconv.FormatUint(uint64(f.Timeline), 10) {
				return fmt.Errorf("the base backup began on timeline %d, and its label says %s; run it again", f.Timeline, value)
			}
		}
	}
	if e.timeline > f.Timeline {
		return fmt.Errorf("the standby went from timeline %d to %d while it was backed up; run it again", f.Timeline, e.timeline)
	}
	return nil
}

// firstBlock is the number of a file's first block in its relation, of which
// it is the first file or, named by a number, a later one.
func (s *session) firstBlock(name string) uint32 {
	number, err := strconv.ParseUint(strings.TrimPrefix(filepath.Ext(name), "."), 10, 32)
	if err != nil {
		return 0
	}
	return uint32(number) * s.segmentBlocks
}
