package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"holdfast/internal/app/protect"
	"holdfast/internal/postgres"
	"holdfast/internal/secret"
	"holdfast/internal/size"
	"holdfast/internal/verify/proof"
	"holdfast/repository"
	"holdfast/storage"
)

// protectFlags are the flags of `holdfast protect`.
type protectFlags struct {
	to           string
	scratch      string
	scratchLimit size.Bytes
	withPassword bool
	name         string
	stdin        bool
}

func newProtect(c *command) *cobra.Command {
	var f protectFlags
	cmd := &cobra.Command{
		Use:   "protect [flags] PATH...|DSN",
		Short: "Set up a backup, take it, and prove that it comes back",
		Long: `Protect files and folders, from nothing to proof in one command.

The first time it writes a plan into holdfast.yaml, makes a repository with a
strong password in a file only you can read, and writes a recovery kit: a page
that says how to get everything back without this machine. Without --to the
repository is the one holdfast.yaml has, or a new one in
$XDG_DATA_HOME/holdfast/repository.

Each time it then takes a backup, restores all of it to a scratch folder,
compares that with the source byte by byte and with its metadata, and removes
it. Files that changed since the backup are compared with the snapshot instead.
Where there is too little scratch space the restore is done in parts.

A PostgreSQL server is named by its connection string. Its base backup is
restored to a scratch folder, where a private server recovers it and has every
table and page looked into. A password in the string is moved into a file that
only you can read. The user needs the REPLICATION attribute.

Whatever interrupts it: run it again, and it goes on. What to leave out stands
in holdfast.yaml, under "exclude" of the source.`,
		Example: `  holdfast protect ~/Documents
  holdfast protect ~ --to /mnt/usb/holdfast
  holdfast protect /srv/www /etc --scratch /mnt/large
  holdfast protect postgres://backup@db.internal/shop`,
		RunE: func(cmd *cobra.Command, args []string) error { return c.runProtect(cmd.Context(), &f, args) },
	}
	fl := cmd.Flags()
	fl.StringVar(&f.to, "to", "", "`repository` to back up to: a folder, or a name from holdfast.yaml")
	fl.StringVar(&f.name, "name", "", "`name` of the plan and its source, if they are new")
	fl.BoolVar(&f.stdin, "stdin", false, "read what to protect from standard input, one a line: a connection string with a password is then in no list of processes")
	fl.StringVar(&f.scratch, "scratch", "", "`folder` in which to restore for the proof (default: beside the default repository)")
	fl.Var(&f.scratchLimit, "scratch-limit", "use at most this `size` of scratch space, such as 10G")
	fl.BoolVar(&f.withPassword, "with-password", false, "write the password into the recovery kit, for printing; the next run without this removes it")
	return cmd
}

// maxGiven bounds what is read from standard input.
const maxGiven = 1 << 20

// readLines reads what else would be arguments from standard input.
func (c *command) readLines(args []string) ([]string, error) {
	if len(args) > 0 {
		return nil, errors.New("with --stdin everything to protect is read from standard input: give no arguments")
	}
	text, err := io.ReadAll(io.LimitReader(c.streams.In, maxGiven))
	if err != nil {
		return nil, fmt.Errorf("read what to protect: %w", err)
	}
	return slices.DeleteFunc(strings.Split(strings.ReplaceAll(string(text), "\r\n", "\n"), "\n"), func(line string) bool { return line == "" }), nil
}

// protection is one run of protect.
type protection struct {
	*command
	flags   *protectFlags
	request protect.Request
	setup   *protect.Setup
	scratch *proof.Scratch
	result  protectResult
	// givenDSN is the connection string as it was given, password and all.
	givenDSN string
}

func (c *command) runProtect(ctx context.Context, f *protectFlags, args []string) error {
	if f.stdin {
		given, err := c.readLines(args)
		if err != nil {
			return err
		}
		args = given
	}
	if len(args) == 0 {
		return errors.New("protect what? Name a file or folder, such as `holdfast protect ~/Documents`")
	}
	if c.global.noLock {
		return errors.New("protect writes to the repository: it cannot run with --no-lock")
	}
	if slices.ContainsFunc(args, postgres.IsURL) {
		return c.protectPostgres(ctx, f, args)
	}
	p := &protection{command: c, flags: f}
	if err := p.prepare(args); err != nil {
		return err
	}
	unlock, err := protect.Lock(p.request.DataDir)
	if errors.Is(err, protect.ErrBusy) {
		return &codeError{exitLocked, err}
	}
	if err != nil {
		return err
	}
	return errors.Join(p.run(ctx), unlock())
}

// prepare finds out what the user means, and touches nothing.
func (p *protection) prepare(args []string) (err error) {
	r := &p.request
	if r.Postgres == nil {
		if r.Paths, err = protect.Paths(args); err != nil {
			return err
		}
	}
	r.Name = p.flags.name
	r.To = firstOf(p.flags.to, p.global.repo, env("REPOSITORY"))
	if r.Password, err = p.passwordRef(); err != nil {
		return err
	}
	if r.ConfigPath, err = protect.ConfigPath(p.global.config, os.Getenv); err != nil {
		return err
	}
	r.DataDir, err = protect.DataDir(os.Getenv)
	return err
}

// passwordRef returns where flags or environment say the password is.
func (c *command) passwordRef() (secret.Ref, error) {
	g := c.global
	if g.noPassword {
		return secret.Ref{}, errors.New("a plan needs a password: leave out --insecure-no-password, and one is made")
	}
	file := firstOf(g.passwordFile, env("PASSWORD_FILE"))
	switch command := firstOf(g.passwordCommand, env("PASSWORD_COMMAND")); {
	case g.passwordFile == "" && g.passwordCommand == "" && os.Getenv("HOLDFAST_PASSWORD") != "":
		return secret.Ref{Env: "HOLDFAST_PASSWORD"}, nil
	case g.passwordFile == "" && g.passwordCommand == "" && os.Getenv("RESTIC_PASSWORD") != "":
		return secret.Ref{Env: "RESTIC_PASSWORD"}, nil
	case file != "":
		path, err := filepath.Abs(file)
		return secret.Ref{File: path}, err
	case command != "":
		return secret.Ref{Command: []string{"sh", "-c", command}}, nil
	}
	return secret.Ref{}, nil
}

// run sets up what is missing, backs up, and proves.
func (p *protection) run(ctx context.Context) (err error) {
	if err := p.record(ctx); err != nil {
		return err
	}
	if p.result.PasswordMade, err = p.setup.EnsurePassword(); err != nil {
		return err
	}
	if p.scratch, err = proof.NewScratch(p.scratchFolder()); err != nil {
		return fmt.Errorf("%w; name another place with --scratch", err)
	}
	defer p.scratch.Close()
	r, err := p.open(ctx)
	if err != nil {
		return err
	}
	err = p.locked(ctx, r, repository.Shared, p.protect)
	return errors.Join(err, r.Close())
}

func (p *protection) scratchFolder() string {
	if p.flags.scratch != "" {
		return filepath.Join(p.flags.scratch, "holdfast-scratch")
	}
	return filepath.Join(p.request.DataDir, "scratch")
}

// record chooses what serves the request and writes what is new into
// holdfast.yaml.
func (p *protection) record(ctx context.Context) error {
	var err error
	p.setup, err = protect.Record(p.request, func(s *protect.Setup) error {
		if err := s.CheckPlace(p.request); err != nil {
			return err
		}
		return p.checkRepository(ctx, s)
	})
	return err
}

// checkRepository makes sure, before its entry is written, that a repository
// is of a kind that is known, and can be opened if it is there already.
func (p *protection) checkRepository(ctx context.Context, s *protect.Setup) error {
	if len(s.Added.Repositories) == 0 {
		return nil
	}
	if _, local := s.Folder(); !local {
		store, err := p.openStore(ctx, p.placeOf(s), true)
		if err != nil {
			return err
		}
		return storage.Close(store)
	}
	if !s.Exists() {
		return nil
	}
	if file := s.Repository.Password.File; file != "" {
		if _, err := os.Stat(file); errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("there is a repository at %s that holdfast.yaml does not know; say where its password is with --password-file", s.Repository.URL)
		}
	}
	r, err := p.openPlace(ctx, p.placeOf(s))
	if err != nil {
		return err
	}
	return r.Close()
}

func (p *protection) placeOf(s *protect.Setup) place {
	at := place{url: s.Repository.URL, password: p.password, configured: &s.Repository}
	if !p.passwordGiven() {
		at.password = func(ctx context.Context) ([]byte, error) {
			value, err := s.Repository.Password.Resolve(ctx)
			if err != nil {
				return nil, fmt.Errorf("password of the repository: %w", err)
			}
			return []byte(value.Reveal()), nil
		}
	}
	return at
}

// open opens the repository, and makes it if no run has done so yet.
func (p *protection) open(ctx context.Context) (*repository.Repository, error) {
	at := p.placeOf(p.setup)
	if _, local := p.setup.Folder(); !local || p.setup.Exists() {
		r, err := p.openPlace(ctx, at)
		if local || !errors.Is(err, repository.ErrNoRepository) {
			return r, err
		}
	}
	if p.setup.WasMade() {
		return nil, fmt.Errorf("%w at %s, where it was made; if it is on another disk, mount that. (To begin anew, remove %s)",
			repository.ErrNoRepository, at.url, p.setup.KitPath())
	}
	store, err := p.openStore(ctx, at, true)
	if err != nil {
		return nil, err
	}
	o, err := p.repositoryOptions(ctx, at)
	if err != nil {
		return nil, err
	}
	r, err := repository.Init(ctx, store, repository.InitOptions{Password: o.Password}, o)
	releaseKeyMemory()
	p.result.RepositoryMade = err == nil
	return r, err
}
