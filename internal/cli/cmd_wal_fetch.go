package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"holdfast/internal/logarchive"
	"holdfast/internal/postgres"
	"holdfast/internal/wal"
)

// exitLogEnds tells PostgreSQL that the log ends here, exitStopRecovery that
// recovery must stop: above 125 it takes the failure for a fatal one
// (its documentation of restore_command).
const (
	exitLogEnds      = 1
	exitStopRecovery = 150
)

func newWALFetch(c *command) *cobra.Command {
	var f walFlags
	var socket, until string
	var help, place bool
	cmd := &cobra.Command{
		Use:   "fetch [flags] NAME PATH",
		Short: "Bring back one file of the log (restore_command)",
		Long: `Write the archived file NAME to PATH, checked against its signed record. A
restore writes this command into the server's recovery settings by itself.

Exit code 1 means that the archive, asked successfully, has no such file and
none after it: only then may PostgreSQL end its recovery. Everything else (the
network, a key, damage, a gap) ends with 150, on which PostgreSQL stops, so
that no recovery ends early and looks complete.

The first call leaves a process behind that fetches the segments that follow,
side by side, checks them, and puts them into pg_wal/holdfast/ready, into a
folder that is named after the server's process and when it began: recovery does
not wait for the archive then, and never takes what was fetched for another. It
ends with the recovery, or when nobody has asked for a minute. A restore_command
that takes them from there by itself, and runs this program only for what is not
there, waits least (see the example).

Without holdfast.yaml, name the repository with -r and the source with --source.`,
		Example: "  restore_command = '{ read -r pid; read -r _; read -r since; } <postmaster.pid; mv -f pg_wal/holdfast/ready/$pid.$since/%f %p 2>/dev/null || exec holdfast wal fetch --plan shop %f %p'\n  holdfast wal fetch --plan shop %f %p\n  holdfast wal fetch -r /srv/backup --source shop 000000010000000000000003 pg_wal/RECOVERYXLOG",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if socket != "" {
				return fetchExit(wal.Collect(cmd.Context(), socket, args[0], args[1]))
			}
			return fetchExit(c.runWALFetch(cmd.Context(), walFetch{f, until, help, place, args[0], args[1]}))
		},
	}
	f.register(cmd.Flags())
	cmd.Flags().StringVar(&socket, "socket", "", "ask the holdfast that restores, at its `socket`, instead of the archive")
	cmd.Flags().StringVar(&until, "until", "", "take the log for ended at this `position` if what follows is missing")
	cmd.Flags().BoolVar(&help, "help-others", false, "fetch ahead for others")
	cmd.Flags().BoolVar(&place, "place", false, "put what is fetched ahead into pg_wal, for a restore_command that looks there")
	for _, name := range []string{"help-others", "place"} {
		cmd.Flags().Lookup(name).Hidden = true
	}
	return cmd
}

// fetchExit gives each error the code that PostgreSQL understands.
func fetchExit(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, wal.ErrEnd):
		return &codeError{exitLogEnds, err}
	}
	return &codeError{exitStopRecovery, err}
}

// walFetch is what to fetch, and how.
type walFetch struct {
	walFlags
	until string
	help  bool // to fetch ahead for others, and nothing else
	place bool // to put what is fetched ahead into pg_wal
	name  string
	path  string
}

func (c *command) runWALFetch(ctx context.Context, f walFetch) error {
	open := func(ctx context.Context) (wal.FetchOptions, error) { return c.fetchOptions(ctx, f) }
	if h := f.helper(); h != nil {
		if f.help {
			h.Open = open
			return h.Help(ctx)
		}
		err := c.collect(ctx, h, f)
		if err == nil || errors.Is(err, wal.ErrEnd) {
			return c.fetchedFile(f, err)
		} // what else went wrong for it is not taken for granted
	}
	o, err := open(ctx)
	if err != nil {
		return err
	}
	return c.fetchedFile(f, wal.Fetch(ctx, f.name, f.path, o))
}

func (c *command) fetchedFile(f walFetch, err error) error {
	if err == nil {
		c.ui.message(walMessage{"wal_fetched", f.path})
	}
	return err
}

// fetchOptions opens the archives to fetch from.
func (c *command) fetchOptions(ctx context.Context, f walFetch) (o wal.FetchOptions, err error) {
	if f.until != "" {
		if o.Until, err = postgres.ParseLSN(f.until); err != nil {
			return o, fmt.Errorf("--until: %w", err)
		}
	}
	archives, unopened, err := c.readableLogs(ctx, f.walFlags)
	if err != nil {
		return o, err
	}
	if o.Stream, err = wal.SystemOf(filepath.Dir(filepath.Dir(f.path))); err != nil {
		return o, err
	}
	o.Archive, o.Others, o.Unopened = archives[0], archives[1:], unopened
	o.SpoolBytes = defaultSpoolBytes
	if s, err := c.logSource(f.walFlags); err == nil {
		o.SpoolBytes = spoolBytes(s.wal)
	}
	return o, nil
}

// readableLogs opens the log archives of the plan, or the one in the
// repository given by -r. Why some cannot be opened is told as long as another
// can.
func (c *command) readableLogs(ctx context.Context, f walFlags) (archives []*logarchive.Archive, unopened, err error) {
	source, repositories, err := c.logPlaces(f)
	if err != nil {
		return nil, nil, err
	}
	var failures []error
	for _, l := range repositories {
		archive, err := c.openLog(ctx, l, source, true, false)
		if err != nil {
			failures = append(failures, fmt.Errorf("log archive of %s: %w", l.name, err))
			continue
		}
		archives = append(archives, archive)
	}
	unopened = errors.Join(failures...)
	if len(archives) == 0 {
		return nil, nil, unopened
	}
	if unopened != nil {
		c.ui.warn("open the log archive", "", unopened)
	}
	return archives, unopened, nil
}

// logPlaces finds where the log may be read: at -r, when both it and a source
// are given, else where the plan says, with the one that -r names first.
func (c *command) logPlaces(f walFlags) (source string, repositories []logRepository, err error) {
	if c.global.repo != "" && f.plan == "" && f.source != "" {
		p, err := c.place()
		return f.source, []logRepository{{place: p, name: p.url}}, err
	}
	s, err := c.logSource(f)
	if err != nil {
		return "", nil, err
	}
	if c.global.repo != "" {
		s.repositories, err = namedFirst(s.repositories, c.global.repo)
	}
	return s.name, s.repositories, err
}

// namedFirst returns the repositories of a plan with the one first that -r
// names, by its name or its URL.
func namedFirst(all []logRepository, name string) ([]logRepository, error) {
	at := slices.IndexFunc(all, func(l logRepository) bool { return l.name == name || l.place.url == name })
	if at < 0 {
		return nil, fmt.Errorf("%s is no repository of the plan; name one that is, or give --source without --plan", name)
	}
	return slices.Insert(slices.Delete(slices.Clone(all), at, at+1), 0, all[at]), nil
}
