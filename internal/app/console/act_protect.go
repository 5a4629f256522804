package console

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"holdfast/internal/api"
	"holdfast/internal/history"
)

// Protect implements api.Operator. What is to be protected goes to the process
// by its standard input: a connection string may hold a password.
func (c *Console) Protect(ctx context.Context, q api.ProtectRequest) (string, error) {
	if len(q.What) == 0 {
		return "", fmt.Errorf("%w: name folders, or the connection string of a PostgreSQL server", api.ErrInvalid)
	}
	server := false
	for _, what := range q.What {
		isServer := strings.HasPrefix(what, "postgres://") || strings.HasPrefix(what, "postgresql://")
		switch {
		case strings.ContainsAny(what, "\n\r\x00") || what == "":
			return "", fmt.Errorf("%w: write each folder on a line of its own", api.ErrInvalid)
		case !isServer && !filepath.IsAbs(what):
			return "", fmt.Errorf("%w: %q is no whole path; write it from / on", api.ErrInvalid, what)
		}
		server = server || isServer
	}
	if server && len(q.What) > 1 {
		return "", fmt.Errorf("%w: a PostgreSQL server is protected by itself", api.ErrInvalid)
	}
	args := []string{"protect", "--stdin"}
	if q.To != "" {
		if strings.HasPrefix(q.To, "-") || !c.isPlace(q.To) {
			return "", fmt.Errorf("%w: %q is neither a repository of holdfast.yaml nor a whole path", api.ErrInvalid, q.To)
		}
		args = append(args, "--to", q.To)
	}
	if q.Name != "" {
		args = append(args, "--name", q.Name)
	}
	return c.ask(ctx, asked{kind: history.Protect, args: args, input: []byte(strings.Join(q.What, "\n") + "\n")})
}

// isPlace tells whether a text names a repository, or a place for one. A URL
// with a password does not come this way: it would be in the list of processes.
func (c *Console) isPlace(to string) bool {
	if _, ok := c.o.Config().Repositories[to]; ok || filepath.IsAbs(to) {
		return true
	}
	scheme, rest, isURL := strings.Cut(to, ":")
	if !isURL || len(scheme) < 2 || rest == "" {
		return false
	}
	authority, _, _ := strings.Cut(strings.TrimPrefix(rest[strings.Index(rest, "//")+1:], "/"), "/")
	user, _, hasUser := strings.Cut(authority, "@")
	return !hasUser || !strings.Contains(user, ":")
}
