package pgdump

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"holdfast/internal/postgres"
)

// maxGlobals bounds what is read of the globals: some 100 bytes for a role.
const maxGlobals = 256 << 20

// globals makes the roles and tablespaces that the server lacks. Those it has
// are left as they are: a dump of another server would change their passwords.
func (r *restorer) globals(ctx context.Context) error {
	var text bytes.Buffer
	if err := r.Content.WriteFile(ctx, postgres.DumpGlobals, &limitedWriter{&text, maxGlobals}); err != nil {
		return err
	}
	known, err := r.knownGlobals(ctx)
	if err != nil {
		return err
	}
	// With that, all that psql says is an error.
	script := append([]byte("SET client_min_messages = error;\n"), leaveOut(text.Bytes(), known)...)
	printed, err := r.client.Feed(ctx, func(w io.Writer) error {
		_, err := w.Write(script)
		return err
	}, "psql", "--no-psqlrc", "--quiet", "--no-password", "--set=ON_ERROR_STOP=0", "--set=VERBOSITY=terse", "--output=/dev/null",
		"--dbname="+r.client.To(r.first), "--file=-")
	if failed := (*postgres.ProgramError)(nil); errors.As(err, &failed) && ctx.Err() == nil {
		return fmt.Errorf("restore the roles and tablespaces: %w", err)
	}
	if err != nil {
		return err
	}
	for line := range strings.Lines(printed.Said) {
		r.warn("roles and tablespaces", errors.New(strings.TrimSpace(line)))
	}
	return nil
}

// knownGlobals returns the beginnings of the statements that would make or
// change what the server has.
func (r *restorer) knownGlobals(ctx context.Context) ([]string, error) {
	conn, err := postgres.Connect(ctx, r.DSN, r.first)
	if err != nil {
		return nil, err
	}
	defer conn.Close(ctx) //nolint:errcheck // a question was asked and answered
	rows, err := postgres.Query(ctx, conn, "SELECT 'ROLE ' || quote_ident(rolname) FROM pg_roles UNION ALL SELECT 'TABLESPACE ' || quote_ident(spcname) FROM pg_tablespace")
	if err != nil {
		return nil, fmt.Errorf("list the server's roles and tablespaces: %w", err)
	}
	var known []string
	for _, row := range rows {
		known = append(known, "CREATE "+row[0], "ALTER "+row[0], "COMMENT ON "+row[0])
	}
	if r.WithoutTablespaces {
		for _, begin := range []string{"CREATE", "ALTER", "COMMENT ON", "GRANT ALL ON", "GRANT CREATE ON", "REVOKE ALL ON"} {
			known = append(known, begin+" TABLESPACE")
		}
	}
	return known, nil
}

// leaveOut leaves statements out that begin as one of known. pg_dumpall writes
// each on a line of its own.
func leaveOut(script []byte, known []string) []byte {
	out := make([]byte, 0, len(script))
	for line := range bytes.Lines(script) {
		if !beginsWithAny(string(line), known) {
			out = append(out, line...)
		}
	}
	return out
}

func beginsWithAny(line string, known []string) bool {
	for _, begin := range known {
		if rest, ok := strings.CutPrefix(line, begin); ok && strings.IndexAny(rest, "; ") == 0 {
			return true
		}
	}
	return false
}

// limitedWriter refuses more than so many bytes.
type limitedWriter struct {
	w    io.Writer
	room int
}

func (l *limitedWriter) Write(p []byte) (int, error) {
	if l.room -= len(p); l.room < 0 {
		return 0, errors.New("the file is too long to be true")
	}
	return l.w.Write(p)
}
