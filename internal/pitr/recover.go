package pitr

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"holdfast/internal/postgres"
)

// endedEarly is what PostgreSQL says when the log has no transaction at or
// after the target (xlogrecovery.c).
const endedEarly = "recovery ended before configured recovery target was reached"

// Recover starts a restored server and waits until it is at its target.
//
// PostgreSQL takes it for a failure when the log has nothing after the target
// that it could stop at. It is none for a wished time, as the log reaches
// beyond it (Choose has made sure), nor for the end of a backup, as a cluster
// that is not consistent does not start. Recovery then goes to the end of the
// log, and atEnd is true.
func Recover(ctx context.Context, s *postgres.Server, w Wish, user string) (at *postgres.Recovered, atEnd bool, err error) {
	at, err = startAndWait(ctx, s, user)
	if err == nil || w.Time.IsZero() && !w.Immediate || !strings.Contains(err.Error(), endedEarly) {
		return at, false, err
	}
	name, _ := w.setting()
	if err := appendSetting(s.Data, name+" = ''"); err != nil {
		return nil, false, err
	}
	at, err = startAndWait(ctx, s, user)
	return at, true, err
}

func startAndWait(ctx context.Context, s *postgres.Server, user string) (*postgres.Recovered, error) {
	if err := s.Start(ctx); err != nil {
		return nil, err
	}
	return s.WaitRecovered(ctx, user)
}

// appendSetting adds a line that counts more than those before.
func appendSetting(data, line string) error {
	f, err := os.OpenFile(filepath.Join(data, "postgresql.auto.conf"), os.O_APPEND|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = f.WriteString(line + "\n")
		if cerr := f.Close(); err == nil {
			err = cerr
		}
	}
	if err != nil {
		return fmt.Errorf("prepare recovery: %w", err)
	}
	return nil
}
