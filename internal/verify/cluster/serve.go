package cluster

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"holdfast/internal/postgres"
)

// Serve runs a private server on a restored data directory, kept to itself as
// Run keeps it, for as long as use runs. dsn returns how its databases are
// reached. Of the options, what concerns proving is not looked at.
func Serve(ctx context.Context, o Options, use func(ctx context.Context, at *postgres.Recovered, dsn func(database string) string) error) (err error) {
	if err := prepare(o.Data, o.Scratch); err != nil {
		return err
	}
	server := &postgres.Server{Bin: o.Bin, Data: o.Data, Log: filepath.Join(o.Scratch, "log"), Options: options(o), Apart: o.Apart}
	defer func() {
		if server.Running(context.WithoutCancel(ctx)) {
			err = errors.Join(err, server.Stop(context.WithoutCancel(ctx)))
		}
	}()
	at, err := o.Recover(ctx, server)
	if err != nil {
		return err
	}
	return use(ctx, at, func(database string) string {
		return fmt.Sprintf("host=%s port=5432 user=%s dbname=%s sslmode=disable", quote(o.Scratch), quote(o.User), quote(database))
	})
}

// quote writes a value of a connection string.
func quote(value string) string {
	text := []byte{'\''}
	for _, c := range []byte(value) {
		if c == '\'' || c == '\\' {
			text = append(text, '\\')
		}
		text = append(text, c)
	}
	return string(append(text, '\''))
}
