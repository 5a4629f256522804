package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"holdfast/repository"
	"holdfast/repository/id"
)

func newKey(c *command) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "key",
		Short: "Manage the passwords of a repository",
		Long: `Manage the passwords of a repository. Each key is one password that opens it;
a repository has one at least and may have several.`,
		Example: "  holdfast key list\n  holdfast key passwd",
	}
	cmd.AddCommand(newKeyList(c), newKeyAdd(c), newKeyRemove(c), newKeyPasswd(c))
	return cmd
}

func newKeyList(c *command) *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List the keys of the repository",
		Long:    "List the keys of the repository. The star marks the one that opened it.",
		Example: "  holdfast key list --json",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.work(cmd.Context(), repository.Shared, c.listKeys)
		},
	}
}

// keyMessage tells of one key, in restic's words.
type keyMessage struct {
	Current  bool   `json:"current"`
	ID       string `json:"id"`
	Username string `json:"userName"`
	Hostname string `json:"hostName"`
	Created  string `json:"created"`
}

func (c *command) listKeys(ctx context.Context, r *repository.Repository) error {
	keys, err := r.Keys(ctx)
	if err != nil && !repository.IsCorrupt(err) {
		return err
	}
	if err != nil {
		c.ui.warn("list keys", "", err)
	}
	messages := []keyMessage{}
	var rows [][]string
	for _, k := range keys {
		m := keyMessage{k.Current, k.ID.String(), k.Username, k.Hostname, k.Created.Local().Format(time.DateTime)}
		mark := " "
		if k.Current {
			mark = "*"
		}
		messages = append(messages, m)
		rows = append(rows, []string{mark + k.ID.Short(), m.Username, m.Hostname, m.Created})
	}
	if c.ui.json {
		c.ui.message(messages)
		return nil
	}
	c.ui.table([]string{" ID", "User", "Host", "Created"}, rows)
	return nil
}

// newPasswordFlags say what a new password is.
type newPasswordFlags struct {
	file    string
	command string
	none    bool
	user    string
	host    string
}

func (f *newPasswordFlags) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.file, "new-password-file", "", "`file` that holds the new password")
	cmd.Flags().StringVar(&f.command, "new-password-command", "", "`command` that prints the new password")
	cmd.Flags().BoolVar(&f.none, "new-insecure-no-password", false, "an empty password: whoever can read the repository can read all that is in it")
	cmd.Flags().StringVar(&f.user, "user", "", "user `name` to record with the key (default: yours)")
	cmd.Flags().StringVar(&f.host, "host", "", "host `name` to record with the key (default: this host's)")
	cmd.MarkFlagsMutuallyExclusive("new-password-file", "new-password-command", "new-insecure-no-password")
}

// key returns what the new key is made of.
func (f *newPasswordFlags) key(ctx context.Context, c *command) (repository.NewKey, error) {
	password, err := f.read(ctx, c)
	return repository.NewKey{Password: password, AllowEmpty: f.none, Username: f.user, Hostname: f.host}, err
}

// read returns the new password: from where the flags say, or typed twice.
func (f *newPasswordFlags) read(ctx context.Context, c *command) ([]byte, error) {
	switch {
	case f.none:
		c.warnNoPassword()
		return nil, nil
	case f.file != "":
		return readPasswordFile(f.file)
	case f.command != "":
		return runPasswordCommand(ctx, f.command)
	}
	password, err := c.askPassword("new password: ")
	if err != nil {
		return nil, fmt.Errorf("%w; or give the new one with --new-password-file", err)
	}
	again, err := c.askPassword("the same password again: ")
	if err == nil && !bytes.Equal(again, password) {
		err = errors.New("the passwords differ; nothing was changed")
	}
	return password, err
}

// keyChange tells of a key that was added or removed.
type keyChange struct {
	MessageType string `json:"message_type"` // "key_added", "key_removed" or "password_changed"
	ID          string `json:"id"`
}

func newKeyAdd(c *command) *cobra.Command {
	var f newPasswordFlags
	cmd := &cobra.Command{
		Use:     "add",
		Short:   "Add a password that opens the repository",
		Long:    "Add a password that opens the repository, beside those there are.",
		Example: "  holdfast key add --new-password-file ~/.second --user alice",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.work(cmd.Context(), repository.Shared, func(ctx context.Context, r *repository.Repository) error {
				k, err := f.key(ctx, c)
				if err != nil {
					return err
				}
				i, err := r.AddKeyFor(ctx, k)
				if err != nil {
					return err
				}
				c.ui.message(keyChange{"key_added", i.String()})
				c.ui.infof("added key %s", i.Short())
				return nil
			})
		},
	}
	f.register(cmd)
	return cmd
}

func newKeyRemove(c *command) *cobra.Command {
	return &cobra.Command{
		Use:     "remove KEY",
		Short:   "Remove a key, so that its password opens the repository no more",
		Long:    "Remove a key, given by its ID, so that its password opens the repository no\nmore. The key that opened the repository now cannot be removed.",
		Example: "  holdfast key remove 3f9a0c11",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errors.New("`holdfast key remove` takes the ID of one key; `holdfast key list` shows them")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.work(cmd.Context(), repository.Exclusive, func(ctx context.Context, r *repository.Repository) error {
				i, err := findKey(ctx, r, args[0])
				if err != nil {
					return err
				}
				if err := r.RemoveKey(ctx, i); err != nil {
					return err
				}
				c.ui.message(keyChange{"key_removed", i.String()})
				c.ui.infof("removed key %s", i.Short())
				return nil
			})
		},
	}
}

// findKey returns the one key whose ID begins with prefix. The file of a
// damaged one can be named, too.
func findKey(ctx context.Context, r *repository.Repository, prefix string) (id.ID, error) {
	var found []id.ID
	err := r.ListFiles(ctx, repository.KeyFile, func(i id.ID, _ int64) error {
		if strings.HasPrefix(i.String(), prefix) {
			found = append(found, i)
		}
		return nil
	})
	switch {
	case err != nil:
		return id.ID{}, err
	case prefix == "" || len(found) == 0:
		return id.ID{}, fmt.Errorf("no key has an ID that begins with %q; `holdfast key list` shows them", prefix)
	case len(found) > 1:
		return id.ID{}, fmt.Errorf("%d keys have an ID that begins with %q; give more of it", len(found), prefix)
	}
	return found[0], nil
}

func newKeyPasswd(c *command) *cobra.Command {
	var f newPasswordFlags
	cmd := &cobra.Command{
		Use:   "passwd",
		Short: "Change the password",
		Long: `Replace the password that opens the repository now. The old one is removed
once the new one was proven to open the repository.`,
		Example: "  holdfast key passwd --new-password-file ~/.new-password",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.work(cmd.Context(), repository.Exclusive, func(ctx context.Context, r *repository.Repository) error {
				k, err := f.key(ctx, c)
				if err != nil {
					return err
				}
				i, err := r.ReplaceKey(ctx, k)
				if err != nil {
					return err
				}
				c.ui.message(keyChange{"password_changed", i.String()})
				c.ui.infof("changed the password; its key is %s", i.Short())
				return nil
			})
		},
	}
	f.register(cmd)
	return cmd
}
