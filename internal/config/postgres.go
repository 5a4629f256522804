package config

import (
	"path/filepath"

	"holdfast/internal/postgres"
	"holdfast/internal/secret"
	"holdfast/internal/size"
)

// Postgres is a source that is a PostgreSQL cluster.
type Postgres struct {
	// DSN is how the server is reached, as libpq has it, without a password.
	DSN string `yaml:"dsn"`
	// Password belongs to DSN; without it, libpq's ways (PGPASSWORD, pgpass)
	// are used.
	Password secret.Ref `yaml:"password,omitempty,flow"`
	// Method is physical (base backups, the default) or dump.
	Method string `yaml:"method,omitempty" enum:"physical,dump"`
	// Databases are those to dump; none means all.
	Databases []string `yaml:"databases,omitempty,flow"`
	// Format is how databases are dumped: custom, streamed to the repository
	// (the default), or directory, by Jobs at once, which takes scratch space
	// for one database.
	Format string `yaml:"format,omitempty" enum:"custom,directory"`
	Jobs   int    `yaml:"jobs,omitempty"`
	// RowCounts tells which tables have their rows counted for restore tests
	// to compare with: auto (base backups count those of up to 1 GiB in up to
	// a minute, dumps all; the default), all, or none.
	RowCounts string `yaml:"row_counts,omitempty" enum:"auto,all,none"`
	// BinDir is the folder of PostgreSQL's client programs, if they are not
	// where packages put them.
	BinDir string `yaml:"bin_dir,omitempty"`
	// DataDirectory is where the cluster lies, when this host is its own:
	// base backups then read it directly.
	DataDirectory string `yaml:"data_directory,omitempty"`
	// FullEvery makes one base backup in so many read everything, whatever
	// type is asked for; 7 if it is not set.
	FullEvery int `yaml:"full_every,omitempty"`
	// Rate limits how many bytes per second base backups read, such as 50M.
	Rate size.Rate `yaml:"rate,omitempty"`
	// WAL is how the log comes: stream (holdfast wal receive), push (by
	// archive_command), both, or none.
	WAL string `yaml:"wal,omitempty" enum:"stream,push,both,none"`
	// Slot is the replication slot of the receiver; "holdfast_" and the name
	// of the source if empty.
	Slot string `yaml:"slot,omitempty"`
}

// The values of Method and WAL.
const (
	MethodPhysical = "physical"
	MethodDump     = "dump"
)

// The values of Format and RowCounts.
const (
	FormatCustom    = "custom"
	FormatDirectory = "directory"

	RowCountsAuto = "auto"
	RowCountsAll  = "all"
	RowCountsNone = "none"
)

// minBackupRate is the lowest limit that a server takes (MAX_RATE_LOWER of
// src/include/backup/basebackup.h).
const minBackupRate = 32 << 10

// maxDumpJobs bounds the connections of one dump.
const maxDumpJobs = 64

func (p Postgres) check(k *checker) {
	k.key("dsn").require(p.DSN != "", "write how the server is reached, such as dsn: postgres://backup@db.internal/shop")
	if postgres.HasPassword(p.DSN) {
		k.key("dsn").report("holds a password", "take it out and write password: { file: /etc/holdfast/shop.password } beside it")
	}
	if postgres.HasKeyPassword(p.DSN) {
		k.key("dsn").report("holds the password of a key (sslpassword)", "take it out, and use a key without one, readable by this user only: PostgreSQL's programs cannot be given it unseen")
	}
	if !p.Password.IsZero() {
		checkSecret(k.key("password"), p.Password)
	}
	if p.Jobs < 0 || p.Jobs > maxDumpJobs {
		k.key("jobs").report("is not from 1 to 64", "write how many tables to dump at once, such as 4")
	}
	if p.Jobs > 1 && p.Format != FormatDirectory {
		k.key("jobs").report("one stream is dumped by one job", "write format: directory beside it")
	}
	if p.Method != MethodDump && p.Format != "" {
		k.key("format").report("base backups have no format", "remove it, or use method: dump")
	}
	if p.DataDirectory != "" && !filepath.IsAbs(p.DataDirectory) {
		k.key("data_directory").report("not an absolute path", "write the whole path, from / on")
	}
	if p.FullEvery < 0 {
		k.key("full_every").report("is negative", "write a number from 1 on: 1 makes every base backup a full one")
	}
	if p.Rate != 0 && p.Rate < minBackupRate {
		k.key("rate").report("is less than a server can send", "write 32K or more for each second, or remove it")
	}
	if p.BinDir != "" && !filepath.IsAbs(p.BinDir) {
		k.key("bin_dir").report("not an absolute path", "write the whole path, from / on")
	}
	if p.Method == MethodDump && p.WAL != "" && p.WAL != "none" {
		k.key("wal").report("dumps are not recovered by the log", "remove it, or use method: physical")
	}
	if p.Method != MethodDump && len(p.Databases) > 0 {
		k.key("databases").report("base backups hold the whole cluster", "remove it, or use method: dump")
	}
}

// Log says with which keys the log archive of a repository is written and
// read. Without it they are in files beside holdfast.yaml, where `holdfast
// wal init` puts them.
type Log struct {
	// Recipients are age recipients: who can read the log.
	Recipients []string `yaml:"recipients,omitempty,flow"`
	// SigningKey signs what is archived.
	SigningKey secret.Ref `yaml:"signing_key,omitempty,flow"`
	// Identity reads the log. The repository keeps one, too, for those who
	// have its password.
	Identity secret.Ref `yaml:"identity,omitempty,flow"`
	// Trusted are public signing keys of others who archive.
	Trusted []string `yaml:"trusted,omitempty,flow"`
}

func (l Log) check(k *checker) {
	for name, ref := range map[string]secret.Ref{"signing_key": l.SigningKey, "identity": l.Identity} {
		if !ref.IsZero() {
			checkSecret(k.key(name), ref)
		}
	}
}

// WAL says when a plan's log counts as archived.
type WAL struct {
	// Confirm is all (the default), any, or a number of repositories that
	// must have a segment before PostgreSQL is told so.
	Confirm string `yaml:"confirm,omitempty"`
	// Every is how long new log waits at most until it is archived, 2s if not
	// said; 0s archives at once, for commits that wait until it is.
	Every *Duration `yaml:"every,omitempty"`
	// MaxRetained is how much log a server keeps at most while it cannot be
	// archived. What is beyond is let go, so that the server's disk does not
	// fill up: the log has a gap then, and a new base backup is needed. Without
	// it the server keeps all.
	MaxRetained size.Bytes `yaml:"max_retained,omitempty"`
	// Spool is how much log waits on this host's disk (below TMPDIR) at most:
	// what has come from the server and is not archived yet, and what a
	// recovery will need next.
	Spool size.Bytes `yaml:"spool,omitempty" default:"256M"`
	// Socket is where archive_command hands files to a running holdfast. It
	// must be named when both run as different users.
	Socket string `yaml:"socket,omitempty" format:"path"`
}

// Bounds of WAL.MaxRetained and WAL.Spool: a few segments of the usual size
// must fit.
const (
	leastRetained = 256 << 20
	leastSpool    = 64 << 20
)

func (w WAL) check(k *checker) {
	if w.MaxRetained != 0 && w.MaxRetained < leastRetained {
		k.key("max_retained").report("less than "+size.FormatBytes(leastRetained)+": a short outage would tear a gap", "write how much log the server's disk has room for, such as 50G")
	}
	if w.Spool != 0 && w.Spool < leastSpool {
		k.key("spool").report("less than "+size.FormatBytes(leastSpool)+" does not hold a few segments", "write "+size.FormatBytes(leastSpool)+" or more")
	}
	if _, ok := w.Needed(); !ok {
		k.key("confirm").report(quote(w.Confirm)+" is not known here", "write all, any or a number")
	}
}

// Needed returns how many repositories must have a segment, 0 for all.
func (w WAL) Needed() (int, bool) {
	switch w.Confirm {
	case "", "all":
		return 0, true
	case "any":
		return 1, true
	}
	n := 0
	for _, c := range w.Confirm {
		if c < '0' || c > '9' || n > 1000 {
			return 0, false
		}
		n = 10*n + int(c-'0')
	}
	return n, n > 0
}
