package cli

import (
	"context"
	"errors"
	"fmt"

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
	cmd := &cobra.Command{
		Use:   "fetch [flags] NAME PATH",
		Short: "Bring back one file of the log (restore_command)",
		Long: `Write the archived file NAME to PATH, checked against its signed record. A
restore writes this command into the server's recovery settings by itself.

Exit code 1 means that the archive, asked successfully, has no such file and
none after it: only then may PostgreSQL end its recovery. Everything else (the
network, a key, damage, a gap) ends with 150, on which PostgreSQL stops, so
that no recovery ends early and looks complete.

Without holdfast.yaml, name the repository with -r and the source with --source.`,
		Example: "  holdfast wal fetch --plan shop %f %p\n  holdfast wal fetch -r /srv/backup --source shop 000000010000000000000003 pg_wal/RECOVERYXLOG",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if socket != "" {
				return fetchExit(wal.Collect(cmd.Context(), socket, args[0], args[1]))
			}
			return fetchExit(c.runWALFetch(cmd.Context(), f, until, args[0], args[1]))
		},
	}
	f.register(cmd.Flags())
	cmd.Flags().StringVar(&socket, "socket", "", "ask the holdfast that restores, at its `socket`, instead of the archive")
	cmd.Flags().StringVar(&until, "until", "", "take the log for ended at this `position` if what follows is missing")
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

func (c *command) runWALFetch(ctx context.Context, f walFlags, until, name, path string) error {
	var end postgres.LSN
	if until != "" {
		var err error
		if end, err = postgres.ParseLSN(until); err != nil {
			return fmt.Errorf("--until: %w", err)
		}
	}
	archives, err := c.readableLogs(ctx, f)
	if err != nil {
		return err
	}
	var failures []error
	for _, archive := range archives {
		err = wal.Fetch(ctx, name, path, wal.FetchOptions{Archive: archive, Until: end})
		if err == nil {
			c.ui.message(walMessage{"wal_fetched", path})
			return nil
		}
		failures = append(failures, fmt.Errorf("%s: %w", archive.Location(), err))
	}
	return endOnlyIfAll(failures)
}

// endOnlyIfAll joins the answers of several archives: the log ends only if
// all of them say so.
func endOnlyIfAll(failures []error) error {
	var others []error
	for _, err := range failures {
		if !errors.Is(err, wal.ErrEnd) {
			others = append(others, err)
		}
	}
	if len(others) > 0 {
		return errors.Join(others...)
	}
	return errors.Join(failures...)
}

// readableLogs opens the log archives of the plan, or the one in the
// repository given by -r. One that cannot be opened is left out as long as
// another can.
func (c *command) readableLogs(ctx context.Context, f walFlags) ([]*logarchive.Archive, error) {
	source, repositories, err := c.logPlaces(f)
	if err != nil {
		return nil, err
	}
	var archives []*logarchive.Archive
	var failures []error
	for _, l := range repositories {
		archive, err := c.openLog(ctx, l, source, true, false)
		if err != nil {
			failures = append(failures, fmt.Errorf("log archive of %s: %w", l.name, err))
			continue
		}
		archives = append(archives, archive)
	}
	if len(archives) == 0 {
		return nil, errors.Join(failures...)
	}
	for _, err := range failures {
		c.ui.warn("open the log archive", "", err)
	}
	return archives, nil
}

// logPlaces finds where the log may be read: at -r, when both it and a source
// are given, else where the plan says.
func (c *command) logPlaces(f walFlags) (source string, repositories []logRepository, err error) {
	if c.global.repo != "" && f.plan == "" && f.source != "" {
		p, err := c.place()
		return f.source, []logRepository{{place: p, name: p.url}}, err
	}
	s, err := c.logSource(f)
	if err != nil {
		return "", nil, err
	}
	return s.name, s.repositories, nil
}
