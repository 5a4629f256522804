package cli

import (
	"bytes"
	"context"
	"errors"

	"github.com/spf13/cobra"

	"holdfast/repository"
)

type initMessage struct {
	MessageType string `json:"message_type"` // "initialized"
	ID          string `json:"id"`
	Repository  string `json:"repository"`
}

func newInit(c *command) *cobra.Command {
	var cutter, like string
	var likePassword string
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Make a new repository",
		Long: `Make a new, empty repository at the place given by -r, protected by a password.
Without the password nothing in it can be read: keep it safe, in another place.

Cut points decide how files are split into pieces. The default is fast; with
--cutter rabin, restic cuts at the same points, so that both programs store equal
data once even when restic writes to the repository too.`,
		Example: "  holdfast init -r /srv/backup --password-file ~/.backup-password",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.runInit(cmd.Context(), cutter, like, likePassword)
		},
	}
	cmd.Flags().StringVar(&cutter, "cutter", repository.GearCutter, "how files are cut: "+repository.GearCutter+" or "+repository.RabinCutter)
	cmd.Flags().StringVar(&like, "like", "", "take the cut points of another `repository`, a place or a name from holdfast.yaml, so that copies between the two share data")
	cmd.Flags().StringVar(&likePassword, "like-password-file", "", "`file` that holds the other repository's password (default: the same password)")
	return cmd
}

func (c *command) runInit(ctx context.Context, cutter, like, likePassword string) error {
	p, err := c.place()
	if err != nil {
		return err
	}
	store, err := c.openStore(ctx, p, true)
	if err != nil {
		return err
	}
	o, err := c.repositoryOptions(ctx, p)
	if err != nil {
		return err
	}
	if err := c.confirmPassword(p, o.Password); err != nil {
		return err
	}
	in := repository.InitOptions{Password: o.Password, Cutter: cutter}
	if like != "" {
		if in.Like, err = c.openLike(ctx, like, likePassword, o.Password); err != nil {
			return err
		}
	}
	r, err := repository.Init(ctx, store, in, o)
	if err != nil {
		return err
	}
	c.ui.message(initMessage{"initialized", r.ID(), r.Location()})
	c.ui.infof("made repository %s at %s\nkeep the password safe, in another place: without it nothing can be restored", r.ID()[:10], r.Location())
	return r.Close()
}

// openLike opens the repository whose cut points are taken.
func (c *command) openLike(ctx context.Context, url, passwordFile string, password []byte) (*repository.Repository, error) {
	same := place{password: func(context.Context) ([]byte, error) { return password, nil }}
	other, err := c.otherPlace(url, otherFlags{word: "like", passwordFile: passwordFile}, same)
	if err != nil {
		return nil, err
	}
	return c.openPlace(ctx, other)
}

// confirmPassword asks for a password that was typed a second time.
func (c *command) confirmPassword(p place, password []byte) error {
	if c.passwordGiven() || p.configured != nil {
		return nil
	}
	again, err := c.askPassword("the same password again: ")
	if err == nil && !bytes.Equal(again, password) {
		err = errors.New("the passwords differ; nothing was made")
	}
	return err
}
