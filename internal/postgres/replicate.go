package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// Replicate opens a connection that speaks the replication protocol. The server
// shows it under a name, and tells notice, if set, what it has to say beside
// its answers. When it is refused, the error says what would let it in.
func Replicate(ctx context.Context, dsn, name string, notice func(*pgconn.Notice)) (*pgconn.PgConn, error) {
	cfg, err := pgconn.ParseConfig(dsn)
	if err != nil {
		return nil, errDSN
	}
	cfg.RuntimeParams["replication"] = "true"
	cfg.RuntimeParams["application_name"] = name
	if notice != nil {
		cfg.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) { notice(n) }
	}
	conn, err := ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("connect to PostgreSQL for replication: %w%s", err, admit(err, cfg.User))
	}
	return conn, nil
}

// What a server says that refuses to be replicated, as SQLSTATEs: the user
// may not, its password is wrong, pg_hba.conf has no line for it, and no
// connection is left.
const (
	insufficientPrivilege = "42501"
	invalidPassword       = "28P01"
	invalidAuthorization  = "28000"
	tooManyConnections    = "53300"
)

// admit says what lets a user replicate that was refused; "" if that is not
// known.
func admit(err error, user string) string {
	var told *pgconn.PgError
	if !errors.As(err, &told) {
		return ""
	}
	switch told.Code {
	case insufficientPrivilege:
		return "; ALTER ROLE " + QuoteIdentifier(user) + " REPLICATION lets it"
	case invalidPassword:
		return "; correct the password that the source refers to"
	case invalidAuthorization:
		return "; pg_hba.conf needs a line such as: host replication " + user + " samenet scram-sha-256"
	case tooManyConnections:
		if strings.Contains(told.Message, "max_wal_senders") {
			return "; set wal_level = replica and a larger max_wal_senders (10 is usual), and restart the server"
		}
	}
	return ""
}
