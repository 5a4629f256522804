package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"holdfast/internal/archive"
	"holdfast/internal/size"
)

// archiveVerifyFlags are the flags of `holdfast archive verify`.
type archiveVerifyFlags struct {
	identity identityFlags
	also     []string
}

func newArchiveVerify(c *command) *cobra.Command {
	var f archiveVerifyFlags
	cmd := &cobra.Command{
		Use:   "verify [flags] PLACE [NAME...]",
		Short: "Read archives back and check them",
		Long: `Read archives back and check them: all in PLACE, or those named. Every part is
read and held to its SHA-256, and every archive that one is relative to must be
there, and be the right one.

With a key the archive is also decrypted and unpacked to its end, and what is
inside is held to its own SHA-256. Without one nobody can know that the key
still opens it.`,
		Example: `  holdfast archive verify /mnt/tape
  holdfast archive verify s3://cold/archives 20260301-020000-3f9a0c11-full --identity key.txt`,
		Args: wantArgs(1, -1, "a place and names of archives in it"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.runArchiveVerify(cmd.Context(), &f, args[0], args[1:])
		},
	}
	fl := cmd.Flags()
	f.identity.register(fl)
	fl.StringArrayVar(&f.also, "also", nil, alsoUsage)
	return cmd
}

// verifiedMessage tells of one archive that was read back.
type verifiedMessage struct {
	MessageType string   `json:"message_type"` // "verified"
	Name        string   `json:"name"`
	Good        bool     `json:"good"`
	Opened      bool     `json:"opened"`
	Entries     uint64   `json:"entries,omitempty"`
	Bytes       int64    `json:"bytes"`
	Chain       []string `json:"chain,omitempty"`
	Error       string   `json:"error,omitempty"`
}

func (c *command) runArchiveVerify(ctx context.Context, f *archiveVerifyFlags, at string, names []string) error {
	ids, err := f.identity.identities(ctx, c)
	if err != nil {
		return err
	}
	open, name, err := c.openShelves(ctx, append([]string{at}, f.also...))
	if err != nil {
		return err
	}
	if name != "" && len(names) == 0 {
		names = []string{name}
	}
	return errors.Join(c.archiveVerify(ctx, open, names, ids), open.close())
}

func (c *command) archiveVerify(ctx context.Context, open shelves, names []string, ids archive.Identities) error {
	if len(names) == 0 {
		list, err := open[0].List(ctx)
		if err != nil {
			return err
		}
		for _, a := range list {
			names = append(names, a.Name)
		}
	}
	if len(names) == 0 {
		return fmt.Errorf("%s has no archives", open[0].Store.Location())
	}
	bad := 0
	for _, name := range names {
		m, err := c.verifyOne(ctx, open, name, ids)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if m.Good = err == nil; !m.Good {
			bad++
			m.Error = err.Error()
			c.ui.message(m)
			c.ui.warn("verify", "", err)
			continue
		}
		c.ui.message(m)
		c.ui.infof("%s: good: %s", name, m.found())
	}
	if bad > 0 {
		return fmt.Errorf("%d of %s cannot be relied on; each is named above", bad, countOf(len(names), "archive"))
	}
	if ids.IsZero() {
		c.ui.infof("no key was given: what is inside was not looked at")
	}
	return nil
}

func (m *verifiedMessage) found() string {
	text := fmt.Sprintf("%s read", size.FormatBytes(uint64(m.Bytes))) //nolint:gosec // never negative
	if m.Opened {
		text += fmt.Sprintf(", opened and unpacked, %s", countOf(int(m.Entries), "item")) //nolint:gosec // a count
	}
	if len(m.Chain) > 0 {
		text += "; relative to " + strings.Join(m.Chain, ", ")
	}
	return text
}

// verifyOne checks the chain of an archive, then reads the archive back.
func (c *command) verifyOne(ctx context.Context, open shelves, name string, ids archive.Identities) (verifiedMessage, error) {
	m := verifiedMessage{MessageType: "verified", Name: name}
	chain, err := archive.Chain(ctx, name, open)
	if err != nil {
		return m, err
	}
	for _, link := range chain[:len(chain)-1] {
		m.Chain = append(m.Chain, link.Name)
	}
	at, watch := chain[len(chain)-1], new(archive.Progress)
	p := c.startProgress("verified "+name, work{bytes: uint64(at.Bytes())}, func() work { //nolint:gosec // never negative
		return work{bytes: watch.Bytes.Load()}
	})
	v, err := archive.Verify(ctx, at, ids, watch)
	p.stop()
	m.Opened, m.Entries, m.Bytes = v.Opened, v.Entries, at.Bytes()
	return m, err
}
