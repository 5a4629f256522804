package postgres

import (
	"context"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// FindDirectory returns the data directory of a server, if a base backup can
// read it on this host: the connection string leads to this host, this user may
// read the folder and begin a backup. "" means that the server has to send its
// files; there are many reasons, none of which is an error.
func FindDirectory(ctx context.Context, dsn string) string {
	if cfg, err := pgconn.ParseConfig(dsn); err != nil || !isThisHost(cfg.Host) {
		return ""
	}
	s, err := openSession(ctx, LocalOptions{DSN: dsn})
	if err != nil {
		return ""
	}
	defer s.close() //nolint:errcheck // questions were asked
	row, err := s.row(ctx, "SELECT has_function_privilege('pg_backup_start(text, boolean)', 'EXECUTE') AND has_function_privilege('pg_backup_stop(boolean)', 'EXECUTE')")
	if err != nil || row[0] != "t" || s.directory == "" {
		return ""
	}
	if err := s.proveSame(ctx, LocalOptions{DataDirectory: s.directory}); err != nil {
		return ""
	}
	return s.directory
}

// isThisHost tells whether a host of a connection string is certainly this one.
func isThisHost(host string) bool {
	if strings.HasPrefix(host, "/") || host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
