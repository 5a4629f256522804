package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"holdfast/repository"
)

type initMessage struct {
	MessageType string `json:"message_type"` // "initialized"
	ID          string `json:"id"`
	Repository  string `json:"repository"`
}

func newInit(c *command) *cobra.Command {
	var f initFlags
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Make a new repository",
		Long: `Make a new, empty repository at the place given by -r, protected by a password.
Without the password nothing in it can be read: keep it safe, in another place.

Cut points decide how files are split into pieces. The default is fast; with
--cutter rabin, restic cuts at the same points, so that both programs store equal
data once even when restic writes to the repository too. Copies between two
repositories share data if both cut at the same points: --like takes those of
another one and, as in restic, so does --copy-chunker-params, with the other one
named by --from-repo.`,
		Example: `  holdfast init -r /srv/backup --password-file ~/.backup-password
  holdfast init -r /mnt/usb/backup --like /srv/backup
  holdfast init -r /mnt/usb/backup --copy-chunker-params --from-repo /srv/backup`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.runInit(cmd.Context(), &f) },
	}
	fl := cmd.Flags()
	fl.StringVar(&f.cutter, "cutter", repository.GearCutter, "how files are cut: "+repository.GearCutter+" or "+repository.RabinCutter)
	fl.StringVar(&f.like, "like", "", "take the cut points of another `repository`, a place or a name from holdfast.yaml, so that copies between the two share data")
	fl.StringVar(&f.likePassword, "like-password-file", "", "`file` that holds the other repository's password (default: the same password)")
	fl.BoolVar(&f.copyChunker, "copy-chunker-params", false, "take the cut points of the repository that --from-repo names")
	f.from.register(fl, "take the cut points of")
	fl.StringVar(&f.version, "repository-version", "stable", "`version` of the format: 2, stable or latest, which are the same")
	cmd.MarkFlagsMutuallyExclusive("like", "copy-chunker-params")
	cmd.MarkFlagsMutuallyExclusive("cutter", "copy-chunker-params")
	return cmd
}

// initFlags are the flags of `holdfast init`.
type initFlags struct {
	cutter       string
	like         string
	likePassword string
	copyChunker  bool
	from         fromFlags
	version      string
}

// check refuses what cannot be made.
func (f *initFlags) check() error {
	switch f.version {
	case "2", "stable", "latest":
	case "1":
		return errors.New("--repository-version 1: repositories of version 1 are read, but not made: they do not compress; leave the flag out")
	default:
		return fmt.Errorf("--repository-version %q: there is version 2, which stable and latest stand for", f.version)
	}
	if f.from.given() && !f.copyChunker {
		return errors.New("--from-repo says whose cut points to take: give --copy-chunker-params, too")
	}
	return nil
}

func (c *command) runInit(ctx context.Context, f *initFlags) error {
	if err := f.check(); err != nil {
		return err
	}
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
	in := repository.InitOptions{Password: o.Password, AllowEmpty: c.global.noPassword, Cutter: f.cutter}
	if in.Like, err = c.openLike(ctx, f, o.Password); err != nil {
		return err
	}
	if in.Like != nil {
		defer in.Like.Close() //nolint:errcheck // it was only read
	}
	r, err := repository.Init(ctx, store, in, o)
	if err != nil {
		return err
	}
	c.ui.message(initMessage{"initialized", r.ID(), r.Location()})
	c.ui.infof("made repository %s at %s\nkeep the password safe, in another place: without it nothing can be restored", r.ID()[:10], r.Location())
	return r.Close()
}

// openLike opens the repository whose cut points are taken, nil for none.
func (c *command) openLike(ctx context.Context, f *initFlags, password []byte) (*repository.Repository, error) {
	url, flags := f.like, otherFlags{word: "like", passwordFile: f.likePassword}
	if f.copyChunker {
		var err error
		if url, err = f.from.url(); err != nil {
			return nil, err
		}
		if url == "" {
			return nil, errors.New("--copy-chunker-params: whose? Name a repository with --from-repo")
		}
		flags = f.from.other
	}
	if url == "" {
		return nil, nil //nolint:nilnil // cut points of its own
	}
	same := place{password: func(context.Context) ([]byte, error) { return password, nil }}
	other, err := c.otherPlace(url, flags, same)
	if err != nil {
		return nil, err
	}
	return c.openFrom(ctx, other, f.from)
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
