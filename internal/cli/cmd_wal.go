package cli

import (
	"context"
	"errors"
	"os"

	"github.com/spf13/cobra"
)

func newWAL(c *command) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "wal",
		Short: "Archive PostgreSQL's write-ahead log, and bring it back",
		Long: `Archive the write-ahead log (WAL) of a PostgreSQL server, so that it can be
restored to any instant after a base backup.

Two ways lead into the archive, and both may be used at once: 'wal receive'
streams the log as it is written, with seconds or less at risk; 'wal push' is
PostgreSQL's archive_command. 'wal fetch' is its restore_command.

The log is compressed by zstd, encrypted by age and signed. The database host
can write it, but not read it.`,
		Example: "  holdfast wal init --plan shop\n  holdfast wal receive --plan shop\n  holdfast wal status --plan shop\n  holdfast wal prune --plan shop",
	}
	cmd.AddCommand(newWALInit(c), newWALReceive(c), newWALPush(c), newWALFetch(c), newWALStatus(c), newWALPrune(c))
	return cmd
}

// logKeysMessage tells of the keys of a repository's log.
type logKeysMessage struct {
	MessageType string `json:"message_type"` // "log_keys"
	Repository  string `json:"repository"`
	SigningKey  string `json:"signing_key"`
	Recipients  string `json:"recipients"`
	Made        bool   `json:"made"`
}

func newWALInit(c *command) *cobra.Command {
	var f walFlags
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Make the keys of the log archive",
		Long: `Make the keys of the log archive for each repository of the plan: a signing key
and the list of recipients in files beside holdfast.yaml, and the identity that
reads the log inside the repository, for whoever has its password.

A database host that only archives needs those two files, and no password of
the repository. Run again, it changes nothing.`,
		Example: "  holdfast wal init --plan shop",
		Args:    noArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return c.runWALInit(cmd.Context(), f) },
	}
	f.register(cmd.Flags())
	return cmd
}

func (c *command) runWALInit(ctx context.Context, f walFlags) error {
	s, err := c.logSource(f)
	if err != nil {
		return err
	}
	for _, l := range s.repositories {
		made, err := c.ensureLogKeys(ctx, l)
		if err != nil {
			return err
		}
		c.ui.message(logKeysMessage{"log_keys", l.name, l.keys + signingKeySuffix, l.keys + recipientsSuffix, made})
		word := "has its keys:"
		if made {
			word = "got its keys:"
		}
		c.ui.infof("the log archive of repository %s %s\n  signing key  %s\n  recipients   %s", l.name, word, l.keys+signingKeySuffix, l.keys+recipientsSuffix)
	}
	return nil
}

// ensureLogKeys makes the keys of a repository's log if they are not there.
func (c *command) ensureLogKeys(ctx context.Context, l logRepository) (made bool, err error) {
	_, errKey := os.Stat(l.keys + signingKeySuffix)
	_, errRecipients := os.Stat(l.keys + recipientsSuffix)
	if errKey == nil && errRecipients == nil {
		return false, nil
	}
	r, err := c.openPlace(ctx, l.place)
	if err != nil {
		return false, err
	}
	return true, errors.Join(saveLogKeys(ctx, l, r), r.Close())
}
