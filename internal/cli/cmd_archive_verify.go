package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"holdfast/internal/archive"
	"holdfast/internal/config"
	"holdfast/internal/evidence"
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

Where holdfast.yaml has a plan whose archives are in PLACE, the repository of the
plan keeps a record of this ('holdfast evidence list'), from which 'holdfast
status' tells when the archives were last read back.

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
	return errors.Join(c.archiveVerify(ctx, open, at, names, ids), open.close())
}

// archiveVerify reads archives in a place back, and keeps a record of that.
func (c *command) archiveVerify(ctx context.Context, open shelves, at string, names []string, ids archive.Identities) error {
	began := time.Now()
	read := &evidence.ArchivesRead{Place: at, All: len(names) == 0, Opened: !ids.IsZero()}
	rec := evidence.Record{Kind: evidence.Archives, Read: evidence.Part, Archives: read}
	if read.All {
		rec.Read = evidence.All
	}
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
	for _, name := range names {
		m, err := c.verifyOne(ctx, open, name, ids)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		read.Count++
		if m.Good = err == nil; !m.Good {
			rec.Problems++
			rec.Findings = append(rec.Findings, err.Error())
			m.Error = err.Error()
			c.ui.message(m)
			c.ui.warn("verify", "", err)
			continue
		}
		c.ui.message(m)
		rec.BytesRead += uint64(m.Bytes) //nolint:gosec // never negative
		c.ui.infof("%s: good: %s", name, m.found())
	}
	rec.Seconds = time.Since(began).Seconds()
	c.keepArchivesRead(ctx, rec)
	if bad := rec.Problems; bad > 0 {
		return fmt.Errorf("%d of %s cannot be relied on; each is named above", bad, countOf(len(names), "archive"))
	}
	if ids.IsZero() {
		c.ui.infof("no key was given: what is inside was not looked at")
	}
	return nil
}

// keepArchivesRead keeps a record in the repository of each plan that has its
// archives in the place; of others nobody asks when they were last read back.
func (c *command) keepArchivesRead(ctx context.Context, rec evidence.Record) {
	cfg, err := c.loadConfig()
	if err != nil {
		return // there is none, or nothing in it that could be relied on
	}
	kept := make(map[string]bool)
	for plan, a := range cfg.ArchivesAt(rec.Archives.Place) {
		name := cfg.Plans[plan].Repository
		if kept[name] {
			continue
		}
		kept[name] = true
		rec.Archives.Place = a.To // by which status asks
		if _, err := c.keepIn(ctx, cfg, name, rec); err != nil {
			c.tellNoEvidence(fmt.Errorf("repository %s: %w", name, err))
		}
	}
}

// keepIn stores a record in a repository of holdfast.yaml.
func (c *command) keepIn(ctx context.Context, cfg *config.Config, name string, rec evidence.Record) (key string, err error) {
	hasty := *c
	hasty.global.patience = fallbackPatience
	r, err := hasty.openPlace(ctx, c.namedPlace(name, cfg.Repositories[name]))
	if err != nil {
		return "", err
	}
	key, err = c.saveEvidence(ctx, r, rec)
	return key, errors.Join(err, r.Close())
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
