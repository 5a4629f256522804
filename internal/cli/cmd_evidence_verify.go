package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"holdfast/internal/evidence"
	"holdfast/repository"
)

// evidenceVerifyFlags are the flags of `holdfast evidence verify`.
type evidenceVerifyFlags struct {
	keys   []string
	folder string
}

func newEvidenceVerify(c *command) *cobra.Command {
	var f evidenceVerifyFlags
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Find out whether somebody tampered with the records",
		Long: `Hold every record to its signature and to the records before it. Found are
records that were changed, that are gone, that stand at another place than they
say, that are not signed, and that somebody else signed. That the newest ones
are gone is known to the machine that made them, and to everybody as soon as it
makes the next.

Trusted are the keys given by --key, and that of this machine. Without either,
the key that signed the oldest record is taken for the right one, which is told:
compare it with the recovery kit.

Records that were made at the same time by two machines stand beside each other;
that is told, and is no fault. A failed restore test is none, either: it is
evidence. The exit code is 0 when nothing is wrong with the records, and 1 when
something is.`,
		Example: "  holdfast evidence verify\n  holdfast evidence verify -r offsite --key RWQf6LRCGA9i53ml...\n  holdfast evidence verify --folder /mnt/usb/evidence --key evidence.pub",
		Args:    noArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return c.verifyEvidence(cmd.Context(), &f) },
	}
	cmd.Flags().StringArrayVar(&f.keys, "key", nil, "public `key` to trust, or a file with one (may be repeated)")
	cmd.Flags().StringVar(&f.folder, "folder", "", "verify what was exported to this `folder` instead of a repository")
	return cmd
}

// evidenceVerifiedMessage tells what became of it.
type evidenceVerifiedMessage struct {
	MessageType string             `json:"message_type"` // "evidence_verified"
	Good        bool               `json:"good"`
	Records     int                `json:"records"`
	Findings    []evidence.Finding `json:"findings"`
	// Heads counts the records that none follows: more than one where several
	// were made at the same time. Forks counts where such lines came together.
	Heads int `json:"heads"`
	Forks int `json:"forks"`
	// Signers are the IDs of keys and how many records each signed.
	Signers map[string]int `json:"signers"`
	// FirstUse tells that no key was known, and that of the oldest record was
	// taken.
	FirstUse string `json:"trusted_on_first_use,omitempty"`
}

func (c *command) verifyEvidence(ctx context.Context, f *evidenceVerifyFlags) error {
	keys, err := parseEvidenceKeys(f.keys)
	if err != nil {
		return err
	}
	author, err := c.ownAuthor()
	if err != nil {
		return err
	}
	if author != nil {
		keys = append(keys, author.Public())
	}
	if f.folder != "" {
		chain, err := evidence.ReadExport(os.DirFS(f.folder))
		if err != nil {
			return err
		}
		return c.judgeEvidence(chain, evidence.Trust{Keys: keys})
	}
	return c.readEvidence(ctx, func(r *repository.Repository, chain *evidence.Chain) error {
		trust := evidence.Trust{Keys: keys}
		if last := author.Last(r); last != nil {
			trust.Last = &last.Hash
		}
		return c.judgeEvidence(chain, trust)
	})
}

// ownAuthor is the author of this machine, nil if it has none yet.
func (c *command) ownAuthor() (*evidence.Author, error) {
	path, memory, err := c.authorPlaces()
	if err != nil {
		return nil, err
	}
	author, err := evidence.LoadAuthor(path, memory)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // documented above
	}
	return author, err
}

func (c *command) judgeEvidence(chain *evidence.Chain, trust evidence.Trust) error {
	m := evidenceVerifiedMessage{MessageType: "evidence_verified", Records: len(chain.Entries)}
	if len(trust.Keys) == 0 {
		if first, ok := chain.FirstSigner(); ok {
			trust.Keys, m.FirstUse = []evidence.PublicKey{first}, first.String()
			c.ui.infof("no key is known: that of the oldest record is trusted, %s; compare it with the recovery kit", first)
		}
	}
	report := chain.Verify(trust)
	m.Good, m.Heads, m.Forks, m.Signers = report.Sound(), len(report.Heads), report.Forks, report.Signers
	m.Findings = append([]evidence.Finding{}, report.Findings...)
	c.ui.message(m)
	for _, finding := range report.Findings {
		if !c.ui.json {
			c.ui.printf("%s: %s: %s\n", finding.Rule, firstOf(finding.Key, "the newest"), printable(finding.What))
		}
	}
	if m.Heads > 1 {
		c.ui.infof("%d records stand beside each other at the end: they were made at the same time, and the next one follows all of them", m.Heads)
	}
	if !m.Good {
		return fmt.Errorf("%s: somebody changed, removed or added records, or a disk did; each is named above. "+
			"Copies of the repository, and exports, have the records that were there", countOf(len(report.Findings), "finding"))
	}
	c.ui.infof("%s: all signed, none changed, none missing", countOf(m.Records, "record"))
	return nil
}

// smallFile bounds what is read of a file that ought to be a line or two.
const smallFile = 4 << 10

// readSmall reads a small file.
func readSmall(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close() //nolint:errcheck // it was only read
	text, err := io.ReadAll(io.LimitReader(f, smallFile))
	return string(text), err
}
