package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"holdfast/repository"
	"holdfast/repository/id"
)

// unlockMessage tells what was removed, or would be.
type unlockMessage struct {
	MessageType string `json:"message_type"` // "unlocked"
	Removed     int    `json:"removed"`
	DryRun      bool   `json:"dry_run,omitempty"`
}

// lockMessage is a lock that was found.
type lockMessage struct {
	MessageType string     `json:"message_type"` // "lock"
	ID          string     `json:"id"`
	Host        string     `json:"host,omitempty"`
	User        string     `json:"user,omitempty"`
	PID         int        `json:"pid,omitempty"`
	Exclusive   bool       `json:"exclusive"`
	Time        *time.Time `json:"time,omitempty"` // when it was refreshed last
	// Stale tells that its holder is certainly gone: unlock removes it.
	Stale bool `json:"stale"`
	// Error is why it cannot be read; nobody knows whose it is.
	Error string `json:"error,omitempty"`
}

func newUnlock(c *command) *cobra.Command {
	var all, dryRun bool
	cmd := &cobra.Command{
		Use:   "unlock",
		Short: "Remove locks that killed programs left behind",
		Long: `Remove the locks of programs that certainly work no more: those not refreshed
for 30 minutes, and those of processes of this host that are gone. With --dry-run
all locks are listed, with who holds them.

With --remove-all all locks are removed. A program that still works with the
repository may then lose data: make sure that there is none.`,
		Example: "  holdfast unlock --dry-run\n  holdfast unlock",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			r, err := c.openRepository(ctx)
			if err != nil {
				return err
			}
			if dryRun {
				return errors.Join(c.showLocks(ctx, r, all), r.Close())
			}
			removed, err := r.RemoveStaleLocks(ctx, all)
			c.ui.message(unlockMessage{MessageType: "unlocked", Removed: removed})
			c.ui.infof("removed %s", countOf(removed, "lock"))
			return errors.Join(err, r.Close())
		},
	}
	cmd.Flags().BoolVar(&all, "remove-all", false, "remove all locks, also those of programs that may be working")
	cmd.Flags().BoolVarP(&dryRun, "dry-run", "n", false, "remove nothing, only list the locks")
	return cmd
}

// showLocks lists the locks, and tells which of them unlock would remove.
func (c *command) showLocks(ctx context.Context, r *repository.Repository, all bool) error {
	now := time.Now()
	var rows [][]string
	would := 0
	err := r.Locks(ctx, func(i id.ID, info repository.LockInfo, err error) error {
		m := newLockMessage(i, info, err, now)
		if m.Stale || all {
			would++
		}
		c.ui.message(m)
		rows = append(rows, m.row(i))
		return nil
	})
	if err != nil {
		return err
	}
	if !c.ui.json && len(rows) > 0 {
		c.ui.table([]string{"Lock", "Host", "User", "PID", "Since", "Kind", "Holder"}, rows)
	}
	c.ui.message(unlockMessage{"unlocked", would, true})
	c.ui.infof("would remove %d of %s", would, countOf(len(rows), "lock"))
	return nil
}

func newLockMessage(i id.ID, info repository.LockInfo, err error, now time.Time) lockMessage {
	if err != nil {
		return lockMessage{MessageType: "lock", ID: i.String(), Error: err.Error()}
	}
	return lockMessage{
		MessageType: "lock", ID: i.String(), Host: info.Hostname, User: info.Username, PID: info.PID,
		Exclusive: info.Exclusive, Time: &info.Time, Stale: info.IsStale(now),
	}
}

func (m *lockMessage) row(i id.ID) []string {
	if m.Error != "" {
		return []string{i.Short(), "", "", "", "", "", "not known: " + m.Error}
	}
	kind, holder := "shared", "may be working"
	if m.Exclusive {
		kind = "exclusive"
	}
	if m.Stale {
		holder = "gone"
	}
	return []string{i.Short(), printable(m.Host), printable(m.User), fmt.Sprint(m.PID), m.Time.Local().Format(timeFormat), kind, holder}
}
