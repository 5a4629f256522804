package postgres

import (
	"context"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// ConnectConfig connects as a configuration says. An address that is tried with
// TLS and without fails twice for one reason, which its error tells once.
func ConnectConfig(ctx context.Context, cfg *pgconn.Config) (*pgconn.PgConn, error) {
	conn, err := pgconn.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, &connectError{err}
	}
	return conn, nil
}

// connectError is an error whose text is one line, without the parts that are
// in it already.
type connectError struct{ err error }

func (e *connectError) Error() string {
	head, attempts, several := strings.Cut(e.err.Error(), "\n")
	if !several {
		return head
	}
	var parts []string
	for attempt := range strings.Lines(attempts) {
		if attempt = strings.TrimSpace(attempt); !slices.Contains(parts, attempt) {
			parts = append(parts, attempt)
		}
	}
	return head + " " + strings.Join(parts, "; ")
}

func (e *connectError) Unwrap() error { return e.err }
