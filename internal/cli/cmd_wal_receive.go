package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"holdfast/internal/config"
	"holdfast/internal/logarchive"
	"holdfast/internal/postgres"
	"holdfast/internal/wal"
	"holdfast/storage"
)

// defaultSliceEvery is how long new log waits at most until it is archived.
const defaultSliceEvery = 2 * time.Second

// reconnectAfter is how long a receiver waits before it connects again: it
// doubles up to the most.
const (
	reconnectAfter     = time.Second
	reconnectAfterMost = 30 * time.Second
)

func newWALReceive(c *command) *cobra.Command {
	var f walFlags
	var once, adopt bool
	cmd := &cobra.Command{
		Use:   "receive",
		Short: "Archive the log as it is written, over a replication connection",
		Long: `Archive the log as the server writes it, over a replication connection with a
slot of its own, until interrupted. The server keeps what is not archived; a
receiver that was stopped goes on exactly where the archive ends, also on the
new timeline after a failover. It also takes the files that archive_command
hands over ('holdfast wal push'); with wal: push in the source it does only that.

New log is archived within the plan's wal.every (2 s). With the name "holdfast"
in synchronous_standby_names and wal.every: 0s, a commit returns only when the
archive has it.

When the repositories are down, the server keeps its log; with the plan's
wal.max_retained no more than that. Log that the server has removed before it
was archived is a gap: the receiver says so and goes on after it, and a new
base backup is needed. 'wal status' tells of both.

A server that 'holdfast restore' has made may be a copy to look at, beside the
one whose log this is: its log is archived only after a base backup of it has
begun ('holdfast plan run'), or with --adopt. What the server has is compared
with the end of the archive before anything is added: the log of another copy
of the cluster, on a timeline of the same number, is refused.`,
		Example: "  holdfast wal receive --plan shop",
		Args:    noArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return c.runWALReceive(cmd.Context(), f, once, adopt) },
	}
	f.register(cmd.Flags())
	cmd.Flags().BoolVar(&once, "once", false, "end when the connection does, instead of connecting again")
	cmd.Flags().BoolVar(&adopt, "adopt", false, "archive a server that was restored, from now on: it takes the place of the one it was made from")
	return cmd
}

// receivedMessage tells how far a receiver is.
type receivedMessage struct {
	MessageType string    `json:"message_type"` // "wal_received"
	System      string    `json:"system"`
	Timeline    uint32    `json:"timeline"`
	Server      string    `json:"server_lsn"`
	Written     string    `json:"written_lsn"`
	Archived    string    `json:"archived_lsn"`
	BehindBytes uint64    `json:"behind_bytes"`
	Time        time.Time `json:"time"`
}

func (c *command) runWALReceive(ctx context.Context, f walFlags, once, adopt bool) error {
	s, err := c.logSource(f)
	if err != nil {
		return err
	}
	archives, err := c.openLogs(ctx, s)
	if err != nil {
		return c.giveUpReceiving(ctx, s, err)
	}
	stop := func() {}
	if s.postgres.WAL != walStream {
		if stop, err = c.takeHandOvers(ctx, s, archives); err != nil {
			return err
		}
	}
	defer stop()
	defer c.watchGaps(ctx, s, archives)()
	if s.postgres.WAL == walPush {
		if err := c.adoptPushed(ctx, s, archives, adopt); err != nil {
			return err
		}
		<-ctx.Done()
		return ctx.Err()
	}
	return c.receiveLog(ctx, s, archives, once, adopt)
}

// adoptPushed adopts, if asked to, a server that only hands its log over.
func (c *command) adoptPushed(ctx context.Context, s *logSource, archives wal.Archives, adopt bool) error {
	if !adopt {
		return nil
	}
	dsn, err := postgresDSN(ctx, s.postgres)
	if err != nil {
		return err
	}
	return wal.ArchiveHistory(ctx, archives, dsn)
}

// The ways that a log comes (config.Postgres.WAL); both if none is said.
const (
	walStream = "stream"
	walPush   = "push"
)

// logGapMessage tells of a gap that was found.
type logGapMessage struct {
	MessageType string `json:"message_type"` // "log_gap"
	Location    string `json:"location"`
	System      string `json:"system"`
	Timeline    uint32 `json:"timeline"`
	Start       string `json:"start_lsn"`
	End         string `json:"end_lsn"`
}

// logUnprovenMessage tells why lost log may not be noticed.
type logUnprovenMessage struct {
	MessageType string `json:"message_type"` // "log_unproven"
	Location    string `json:"location"`
	Why         string `json:"why"`
}

// watchGaps looks for gaps in the archives until stop is called.
func (c *command) watchGaps(ctx context.Context, s *logSource, archives wal.Archives) (stop func()) {
	const during = "look for gaps in the log"
	w := wal.GapWatch{
		Archives: archives,
		From: func(k int, now time.Time) time.Time {
			if len(archives.All) < len(s.repositories) {
				return now // one is away: which is which is not known, and `wal status` tells
			}
			if window := s.repositories[k].window; window != nil {
				return window(now)
			}
			return time.Time{}
		},
		Found: func(location string, gap logarchive.Gap) {
			c.ui.message(logGapMessage{"log_gap", location, gap.Stream, gap.Line, gap.Start.LSN(), gap.End.LSN()})
			c.ui.warn(during, location, fmt.Errorf("%s: only base backups after it lead to the end of the log", gap))
		},
		Unproven: func(location string, why error) {
			c.ui.message(logUnprovenMessage{"log_unproven", location, why.Error()})
			c.ui.warn(during, location, why)
		},
		Failed: func(location string, err error) { c.ui.warn(during, location, err) },
	}
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() { w.Run(ctx) })
	return func() {
		cancel()
		running.Wait()
	}
}

// giveUpReceiving bounds what the server keeps for archives that cannot even be
// opened, if the plan says so.
func (c *command) giveUpReceiving(ctx context.Context, s *logSource, why error) error {
	if s.wal.MaxRetained == 0 || s.postgres.WAL == walPush {
		return why
	}
	o, err := c.receiveOptions(ctx, s)
	if err != nil {
		return errors.Join(why, err)
	}
	return o.GiveUp(ctx, why)
}

// receiveOptions say how a source's log is received, but for the archives.
func (c *command) receiveOptions(ctx context.Context, s *logSource) (wal.ReceiveOptions, error) {
	dsn, err := postgresDSN(ctx, s.postgres)
	if err != nil {
		return wal.ReceiveOptions{}, err
	}
	losses, err := walLosses(s)
	if err != nil {
		return wal.ReceiveOptions{}, err
	}
	return wal.ReceiveOptions{
		DSN: dsn, Slot: slotOf(s), Every: sliceEvery(s.wal), Uploads: walUploads,
		SpoolBytes: spoolBytes(s.wal),
		Retained:   wal.Retained{MaxBytes: int64(s.wal.MaxRetained), LetGo: c.letGo(losses), Losses: losses, Noted: c.lossNoted},
		Progress:   c.received(),
		Busy: func(why error, within time.Duration) {
			c.ui.warn("receive the log", s.name, fmt.Errorf("%w; waiting for it, %v at most: a receiver that was killed has it until the server notices", why, within))
		},
		Diverged: func(timeline uint32, left, archived postgres.LSN) {
			c.ui.warn("receive the log", s.name, fmt.Errorf("the server left timeline %d at %s, as the archive has it up to %s: it was restored to an earlier instant, or took over without what came last; its own timeline is archived from there on, and the end of the other stays recoverable with --to-timeline %d", timeline, left, archived, timeline))
		},
	}, nil
}

// receiveLog receives the log, and connects again when the connection ends.
func (c *command) receiveLog(ctx context.Context, s *logSource, archives wal.Archives, once, adopt bool) error {
	o, err := c.receiveOptions(ctx, s)
	if err != nil {
		return err
	}
	o.Archives, o.Adopt = archives, adopt
	c.ui.infof("archiving the log of %s with slot %s", s.name, o.Slot)
	wait := reconnectAfter
	for {
		start := time.Now()
		err := wal.Receive(ctx, o)
		c.refused(err)
		if once || ctx.Err() != nil {
			return err
		}
		if time.Since(start) > reconnectAfterMost {
			wait = reconnectAfter
		}
		c.ui.warn("receive the log", s.name, err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
		wait = min(2*wait, reconnectAfterMost)
	}
}

// logRefusedMessage tells that the log of a server is not archived, as it may be
// that of another one.
type logRefusedMessage struct {
	MessageType string `json:"message_type"` // "log_refused"
	Why         string `json:"why"`
}

// refused tells of a server whose log must not get into the archive.
func (c *command) refused(err error) {
	if errors.Is(err, wal.ErrRestored) || errors.Is(err, storage.ErrConflict) {
		c.ui.message(logRefusedMessage{"log_refused", err.Error()})
	}
}

// defaultSpoolBytes is how much log waits on this host's disk at most.
const defaultSpoolBytes = 256 << 20

func spoolBytes(w config.WAL) int64 {
	if w.Spool > 0 {
		return int64(w.Spool)
	}
	return defaultSpoolBytes
}

// received prints how far the receiver is, each time that it has moved.
func (c *command) received() func(wal.Received) {
	var last postgres.LSN
	return func(r wal.Received) {
		if r.Archived == last {
			return
		}
		last = r.Archived
		behind := uint64(0)
		if r.Server > r.Archived {
			behind = uint64(r.Server - r.Archived)
		}
		c.ui.message(receivedMessage{"wal_received", r.System, r.Timeline, r.Server.String(), r.Written.String(), r.Archived.String(), behind, time.Now()})
		if c.ui.verbose > 0 {
			c.ui.infof("archived up to %s on timeline %d, %d bytes behind the server", r.Archived, r.Timeline, behind)
		}
	}
}

func sliceEvery(w config.WAL) time.Duration {
	if w.Every != nil {
		return time.Duration(*w.Every)
	}
	return defaultSliceEvery
}

// slotOf is the name of the replication slot: only lower-case letters, digits
// and underscores may be in it.
func slotOf(s *logSource) string {
	if s.postgres.Slot != "" {
		return s.postgres.Slot
	}
	return "holdfast_" + strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		case r >= 'A' && r <= 'Z':
			return r - 'A' + 'a'
		}
		return '_'
	}, s.name)
}

// postgresDSN returns the connection string with its password, if one is
// referred to. It never leaves the process.
func postgresDSN(ctx context.Context, p config.Postgres) (string, error) {
	if p.Password.IsZero() {
		return p.DSN, nil
	}
	value, err := p.Password.Resolve(ctx)
	if err != nil {
		return "", err
	}
	if postgres.IsURL(p.DSN) {
		u, err := postgres.ParseURL(p.DSN)
		return u.WithPassword(value.Reveal()).String(), err
	}
	quoted := strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(value.Reveal())
	return p.DSN + " password='" + quoted + "'", nil
}
