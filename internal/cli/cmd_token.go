package cli

import (
	"fmt"
	"os/user"
	"time"

	"github.com/spf13/cobra"

	"holdfast/internal/api"
	"holdfast/internal/config"
)

func newToken(c *command) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Say who may use the dashboard and the API of the service",
		Long: `Make, list and revoke the tokens that the dashboard and the API of 'holdfast serve'
ask for. The service need not be running, and notices what changes at once.

A viewer sees names, sizes, outcomes and logs of runs, and nothing of what is in
the backups. An operator looks into snapshots, starts jobs, restores and places
holds. An admin also forgets snapshots, releases holds, protects and hands out
tokens.

Only a hash of a token is kept. Who can write to the folder of the state can
make tokens: it is for the user of the service alone.`,
		Example: "  holdfast token create --name monitoring --role viewer\n  holdfast token list\n  holdfast token revoke monitoring",
	}
	cmd.AddCommand(newTokenCreate(c), newTokenList(c), newTokenRevoke(c))
	return cmd
}

// tokenMessage tells of one token.
type tokenMessage struct {
	MessageType string `json:"message_type"` // "token" or "token_created"
	api.TokenInfo

	Secret string `json:"secret,omitempty"`
}

// revokedMessage tells that a token is no more.
type revokedMessage struct {
	MessageType string `json:"message_type"` // "token_revoked"
	Name        string `json:"name"`
}

func newTokenCreate(c *command) *cobra.Command {
	var state stateFlag
	var name, role string
	var expires config.Duration
	cmd := &cobra.Command{
		Use:   "create [flags]",
		Short: "Make a token and show it, once",
		Long: `Make a token and print it. It cannot be shown again: only a hash of it is kept.

Log in to the dashboard with it, or send it to the API in the header
'Authorization: Bearer TOKEN'. Keep it as you keep a password.`,
		Example: "  holdfast token create --name anna --role admin\n  holdfast token create --name ci --role operator --expires 90d",
		Args:    noArgs,
		RunE: func(*cobra.Command, []string) error {
			tokens, err := c.tokens(state)
			if err != nil {
				return err
			}
			r, err := api.ParseRole(role)
			if err != nil {
				return fmt.Errorf("--role: %w", err)
			}
			secret, info, err := tokens.Create(name, r, time.Duration(expires), whoIsHere())
			if err != nil {
				return err
			}
			c.ui.message(tokenMessage{"token_created", info, secret})
			c.ui.printf("%s\n", secret)
			return nil
		},
	}
	state.register(cmd)
	cmd.Flags().StringVar(&name, "name", "", "who uses it, as a `name` for lists and the audit log")
	cmd.Flags().StringVar(&role, "role", "", "what it may do: the `role` viewer, operator or admin")
	cmd.Flags().Var(durationFlag{&expires}, "expires", "how long it lasts, such as 90d (default: until it is revoked)")
	for _, flag := range []string{"name", "role"} {
		if err := cmd.MarkFlagRequired(flag); err != nil {
			panic(err)
		}
	}
	return cmd
}

func newTokenList(c *command) *cobra.Command {
	var state stateFlag
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List the tokens, without their secrets",
		Long:    `List all tokens: whose they are, what they may do, and until when.`,
		Example: "  holdfast token list",
		Args:    noArgs,
		RunE: func(*cobra.Command, []string) error {
			tokens, err := c.tokens(state)
			if err != nil {
				return err
			}
			all, err := tokens.List()
			if err != nil {
				return err
			}
			return c.printTokens(all)
		},
	}
	state.register(cmd)
	return cmd
}

func (c *command) printTokens(all []api.TokenInfo) error {
	rows := make([][]string, 0, len(all))
	for _, info := range all {
		c.ui.message(tokenMessage{"token", info, ""})
		row := []string{info.Name, info.Role.String(), info.Created.Local().Format(time.DateTime), info.By, "never"}
		switch {
		case info.Damaged != "":
			row = []string{info.Name, "damaged", "", "", info.Damaged}
		case !info.Expires.IsZero():
			row[4] = info.Expires.Local().Format(time.DateTime)
		}
		rows = append(rows, row)
	}
	switch {
	case c.ui.json:
	case len(rows) == 0:
		c.ui.infof("there are no tokens; make one with `holdfast token create`")
	default:
		c.ui.table([]string{"Name", "Role", "Created", "By", "Expires"}, rows)
	}
	return nil
}

func newTokenRevoke(c *command) *cobra.Command {
	var state stateFlag
	cmd := &cobra.Command{
		Use:   "revoke [flags] NAME...",
		Short: "End tokens, and the sessions that were begun with them",
		Long: `End tokens for good. Sessions of the dashboard that were begun with them end too,
at once. What they started goes on.`,
		Example: "  holdfast token revoke anna",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, names []string) error {
			tokens, err := c.tokens(state)
			if err != nil {
				return err
			}
			for _, name := range names {
				if err := tokens.Revoke(name); err != nil {
					return err
				}
				c.ui.message(revokedMessage{"token_revoked", name})
				c.ui.infof("revoked %s", name)
			}
			return nil
		},
	}
	state.register(cmd)
	return cmd
}

// tokens returns those of the service with a state.
func (c *command) tokens(state stateFlag) (*api.Tokens, error) {
	dir, err := state.state(c)
	if err != nil {
		return nil, err
	}
	return api.OpenTokens(string(dir)), nil
}

// whoIsHere names who runs this command.
func whoIsHere() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return "somebody"
}
