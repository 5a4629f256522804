// Package pgdump brings dumps of PostgreSQL databases back into a server: the
// globals first, then each database with pg_restore.
//
// Nothing on the server is replaced unasked, and everything that can be known
// to fail is looked for before anything is changed: databases that exist,
// extensions that the server does not have, programs that are too old.
package pgdump

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"holdfast/internal/postgres"
)

// Content is where the dumps are read from.
type Content interface {
	// WriteFile writes one of the files beside the list, or in a folder there.
	WriteFile(ctx context.Context, file string, w io.Writer) error
	// Files returns the names of the files in a folder beside the list.
	Files(ctx context.Context, folder string) ([]string, error)
}

// Options tell what is restored, and how.
type Options struct {
	Dump    *postgres.Dump
	Content Content
	// DSN is the server to restore to. Its user must be allowed to do all
	// that the dumps ask for: a superuser is.
	DSN string
	// BinDir is the folder of pg_restore and psql; "" looks for some that fit.
	BinDir string
	// Databases are those to restore; none means all that hold anything.
	Databases []string
	// Into is the name that the one database gets; "" is its own.
	Into string
	// Schemas and Tables choose what is restored of the databases; none means all.
	Schemas []string
	Tables  []TableName
	// Clean restores into databases that exist: objects that the dump has are
	// dropped there first, others stay.
	Clean bool
	// WithoutGlobals leaves roles and tablespaces alone.
	WithoutGlobals bool
	// WithoutTablespaces puts everything into the default one: tablespaces are
	// folders of the host, of which the server may share those it was dumped
	// from.
	WithoutTablespaces bool
	// Jobs is how many tables are restored at once; 1 streams dumps that are
	// one file. More, and dumps that are folders, need what is restored of a
	// dump in Scratch, where Room bytes are free.
	Jobs    int
	Scratch string
	Room    func() (uint64, error)
	// OnStep, if set, is told what begins, and Warn what went wrong although
	// the rest goes on.
	OnStep func(what string)
	Warn   func(item string, err error)
}

// Result tells what became of a restore.
type Result struct {
	// Restored are the names of the databases that were restored.
	Restored []string
	// Errors counts what went wrong. Each was told by Warn.
	Errors int
}

// restorer is a restore under way.
type restorer struct {
	Options
	client  postgres.Client
	first   string // the database to connect to for what concerns all
	restore []*database
	result  Result
}

// database is one that is restored.
type database struct {
	*postgres.DumpedDatabase
	to     string // its new name
	exists bool
	list   []byte            // of pg_restore, of what is chosen; nil for all
	chosen func(id int) bool // of what is chosen; nil for all
}

// Run restores. An error means that nothing more was done after it; what went
// wrong otherwise is counted.
func Run(ctx context.Context, o Options) (*Result, error) {
	r := &restorer{Options: o}
	if r.Warn == nil {
		r.Warn = func(string, error) {}
	}
	if err := r.check(ctx); err != nil {
		return nil, err
	}
	if !o.WithoutGlobals {
		r.step("roles and tablespaces")
		if err := r.globals(ctx); err != nil {
			return nil, err
		}
	}
	for _, db := range r.restore {
		r.step("database " + db.to)
		if err := r.database(ctx, db); err != nil {
			return &r.result, err
		}
	}
	return &r.result, nil
}

func (r *restorer) step(what string) {
	if r.OnStep != nil {
		r.OnStep(what)
	}
}

func (r *restorer) warn(item string, err error) {
	r.result.Errors++
	r.Warn(item, err)
}

// database restores one database. What pg_restore could not do is told, and
// the next one is restored all the same.
func (r *restorer) database(ctx context.Context, db *database) error {
	args := []string{"--no-password", "--format=" + format(db)}
	if r.WithoutTablespaces {
		args = append(args, "--no-tablespaces")
	}
	connect := db.to
	switch {
	case db.exists:
		if r.Clean {
			args = append(args, "--clean", "--if-exists")
		}
	case db.to == db.Name && db.list == nil:
		// It makes the database itself, with its settings and privileges.
		args, connect = append(args, "--create"), r.first
	default:
		if err := r.create(ctx, db); err != nil {
			r.warn(db.to, err)
			return nil
		}
	}
	args = append(args, "--dbname="+r.client.To(connect))
	if db.list != nil {
		list, err := r.keepList(db)
		if err != nil {
			return err
		}
		defer os.Remove(list)
		args = append(args, "--use-list="+list)
	}
	err := r.run(ctx, db, args)
	if failed := (*postgres.ProgramError)(nil); errors.As(err, &failed) && ctx.Err() == nil {
		r.warn(db.to, err)
		return nil
	}
	if err != nil {
		return fmt.Errorf("restore database %s, of which a part may be there now: %w", db.to, err)
	}
	r.result.Restored = append(r.result.Restored, db.to)
	return nil
}

// run streams the dump or, for several jobs, which need to read at many places
// at once, puts it into a file first.
func (r *restorer) run(ctx context.Context, db *database, args []string) error {
	if db.Directory {
		folder, err := r.keepFolder(ctx, db, db.needsFile)
		if err != nil {
			return err
		}
		defer os.RemoveAll(folder)
		_, err = r.client.Feed(ctx, nil, "pg_restore", append(args, "--jobs="+strconv.Itoa(max(1, r.Jobs)), folder)...)
		return err
	}
	content := func(w io.Writer) error { return r.Content.WriteFile(ctx, db.File, w) }
	if r.Jobs <= 1 {
		_, err := r.client.Feed(ctx, content, "pg_restore", args...)
		return err
	}
	file, err := os.CreateTemp(r.Scratch, "holdfast-dump-")
	if err != nil {
		return fmt.Errorf("make a scratch file: %w", err)
	}
	defer os.Remove(file.Name())
	if err := errors.Join(content(file), file.Close()); err != nil {
		return fmt.Errorf("put the dump into a scratch file: %w", err)
	}
	_, err = r.client.Feed(ctx, nil, "pg_restore", append(args, "--jobs="+strconv.Itoa(r.Jobs), file.Name())...)
	return err
}

func (r *restorer) keepList(db *database) (string, error) {
	file, err := os.CreateTemp(r.Scratch, "holdfast-list-")
	if err != nil {
		return "", fmt.Errorf("make a scratch file: %w", err)
	}
	_, err = file.Write(db.list)
	return filepath.Clean(file.Name()), errors.Join(err, file.Close())
}

// create makes a database with another name than its own, or one that gets
// only a part of what was in it.
func (r *restorer) create(ctx context.Context, db *database) error {
	conn, err := postgres.Connect(ctx, r.DSN, r.first)
	if err != nil {
		return err
	}
	defer conn.Close(ctx) //nolint:errcheck // one statement was done
	if _, err := postgres.Query(ctx, conn, createSQL(db)); err != nil {
		return fmt.Errorf("make database %s: %w", db.to, err)
	}
	return nil
}

// createSQL makes a database as the dumped one was. The owner is the user who
// restores.
func createSQL(db *database) string {
	sql := fmt.Sprintf("CREATE DATABASE %s TEMPLATE template0 ENCODING %s LC_COLLATE %s LC_CTYPE %s", postgres.QuoteIdentifier(db.to),
		postgres.QuoteLiteral(db.Encoding), postgres.QuoteLiteral(db.Collate), postgres.QuoteLiteral(db.CType))
	switch db.Provider {
	case "i":
		sql += " LOCALE_PROVIDER icu ICU_LOCALE " + postgres.QuoteLiteral(db.Locale)
	case "b":
		sql += " LOCALE_PROVIDER builtin BUILTIN_LOCALE " + postgres.QuoteLiteral(db.Locale)
	}
	return sql
}
