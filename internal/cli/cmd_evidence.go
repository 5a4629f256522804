package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"holdfast/internal/evidence"
	"holdfast/repository"
)

func newEvidence(c *command) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "evidence",
		Short: "Show, verify and hand over what proves that backups come back",
		Long: `A repository keeps a record of every check, every read-back and every restore
test, the failed ones too. Each record names the ones before it by their hashes
and is signed, so that none can be changed, taken away or slipped in without it
being seen. The key that signs is evidence.key beside holdfast.yaml; it is made
at the first record. Its public half stands on the recovery kit.`,
		Example: "  holdfast evidence list\n  holdfast evidence verify\n  holdfast evidence export /mnt/usb/evidence",
	}
	cmd.AddCommand(newEvidenceList(c), newEvidenceShow(c), newEvidenceVerify(c), newEvidenceExport(c), newEvidenceKey(c))
	return cmd
}

// readEvidence reads all evidence of the repository that is meant. It takes no
// lock: records never change.
func (c *command) readEvidence(ctx context.Context, do func(r *repository.Repository, chain *evidence.Chain) error) error {
	reader := *c
	reader.global.noLock = true
	r, err := reader.openRepository(ctx)
	if err != nil {
		return err
	}
	chain, err := evidence.Read(ctx, r)
	if err == nil {
		err = do(r, chain)
	}
	return errors.Join(err, r.Close())
}

// evidenceFilter says which records are meant.
type evidenceFilter struct {
	plan   string
	kind   string
	failed bool
	since  string
}

// keep tells whether a record is meant.
func (f *evidenceFilter) keep(r *evidence.Record) (bool, error) {
	if f.since != "" {
		since, err := parseTargetTime(f.since)
		if err != nil {
			return false, fmt.Errorf("--since: %w", err)
		}
		if r.Time.Before(since) {
			return false, nil
		}
	}
	ofPlan := f.plan == "" || r.RestoreTest != nil && r.RestoreTest.Plan == f.plan
	return ofPlan && (f.kind == "" || f.kind == string(r.Kind)) && (!f.failed || r.Problems > 0), nil
}

func newEvidenceList(c *command) *cobra.Command {
	var f evidenceFilter
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the records of a repository",
		Long: `List the records of a repository in their order, with what was found out, and for
restore tests the RTO and RPO measured. Use 'evidence show' for all of one.`,
		Example: "  holdfast evidence list -r offsite --failed\n  holdfast evidence list --kind restoretest --plan shop --json",
		Args:    noArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return c.listEvidence(cmd.Context(), &f) },
	}
	fl := cmd.Flags()
	fl.StringVar(&f.plan, "plan", "", "only restore tests of this `plan`")
	fl.StringVar(&f.kind, "kind", "", "only records of this `kind`: check, readback, proof or restoretest")
	fl.BoolVar(&f.failed, "failed", false, "only records that something is wrong")
	fl.StringVar(&f.since, "since", "", "only records from this `time` on")
	return cmd
}

// evidenceMessage is a record.
type evidenceMessage struct {
	MessageType string           `json:"message_type"` // "evidence"
	ID          string           `json:"id"`
	Key         string           `json:"key"`
	Record      *evidence.Record `json:"record"`
}

func (c *command) listEvidence(ctx context.Context, f *evidenceFilter) error {
	return c.readEvidence(ctx, func(_ *repository.Repository, chain *evidence.Chain) error {
		var rows [][]string
		for _, e := range chain.Entries {
			ok, err := f.keep(e.Record)
			if err != nil {
				return err
			}
			if ok {
				c.ui.message(evidenceMessage{"evidence", e.Hash.String(), e.Key, e.Record})
				rows = append(rows, evidenceRow(e))
			}
		}
		if !c.ui.json {
			c.ui.table([]string{"NO", "ID", "TIME", "KIND", "WHAT", "RESULT", "RTO", "RPO"}, rows)
		}
		return nil
	})
}

func evidenceRow(e *evidence.Entry) []string {
	r := e.Record
	what, rto, rpo := "", "", ""
	switch t := r.RestoreTest; {
	case t != nil:
		what = fmt.Sprintf("%s of %s from %s", t.Point.Asked, t.Source, firstOf(t.From.Name, t.From.Location))
		if t.InsteadOf != nil {
			what += " instead of " + firstOf(t.InsteadOf.Name, t.InsteadOf.Location)
		}
		rto, rpo = measured(t.RTO), measured(t.RPO)
	case r.Archives != nil:
		what = countOf(r.Archives.Count, "archive") + " in " + r.Archives.Place
	case r.Snapshot != nil:
		what = "snapshot " + r.Snapshot.Short()
	case r.Read == evidence.All:
		what = "all packs"
	case r.Read == evidence.Part:
		what = fmt.Sprintf("%d of %d packs", r.PacksRead, r.Packs)
	default:
		what = "folders"
	}
	result := "good"
	switch {
	case r.RestoreTest != nil && r.RestoreTest.Verdict == evidence.NotJudged:
		result = "not judged"
	case r.Problems > 0:
		result = "FAILED: " + countOf(r.Problems, "problem")
	}
	return []string{fmt.Sprint(r.Sequence), e.Hash.Short(), r.Time.Local().Format(timeFormat), string(r.Kind), printable(what), result, rto, rpo}
}

// measured is a time that was measured, marked when it is longer than promised.
func measured(t evidence.Time) string {
	text := spent(time.Duration(t.Measured * float64(time.Second)))
	if !t.Kept() {
		text += " (breached)"
	}
	return text
}

func newEvidenceShow(c *command) *cobra.Command {
	var asHTML, statement bool
	cmd := &cobra.Command{
		Use:   "show [flags] ID",
		Short: "Show a record",
		Long: `Show a record: as text, as a page to print (--html), or word for word as it was
signed (--statement). ID is the beginning of its hash, as 'evidence list' shows it.`,
		Example: "  holdfast evidence show 3f9a0c11\n  holdfast evidence show 3f9a0c11 --html > test.html",
		Args:    wantArgs(1, 1, "the ID of a record"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.readEvidence(cmd.Context(), func(_ *repository.Repository, chain *evidence.Chain) error {
				e, err := chain.Find(args[0])
				if err != nil {
					return err
				}
				c.showEvidence(e, asHTML, statement)
				return nil
			})
		},
	}
	cmd.Flags().BoolVar(&asHTML, "html", false, "write HTML, for a browser to print")
	cmd.Flags().BoolVar(&statement, "statement", false, "write the record word for word as it was signed")
	return cmd
}

func (c *command) showEvidence(e *evidence.Entry, asHTML, statement bool) {
	switch {
	case asHTML:
		c.ui.printf("%s", e.Page())
	case statement || !c.ui.json:
		c.ui.printf("%s", e.Statement)
	}
	c.ui.message(evidenceMessage{"evidence", e.Hash.String(), e.Key, e.Record})
}

func newEvidenceKey(c *command) *cobra.Command {
	return &cobra.Command{
		Use:   "key",
		Short: "Print the public key that verifies this machine's records",
		Long: `Print the public key that verifies the records this machine signs, as minisign
keeps it. Give it to auditors by another way than the records.`,
		Example: "  holdfast evidence key > evidence.pub",
		Args:    noArgs,
		RunE: func(*cobra.Command, []string) error {
			path, memory, err := c.authorPlaces()
			if err != nil {
				return err
			}
			author, err := evidence.LoadAuthor(path, memory)
			if errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("there is no key yet at %s: it is made with the first record, such as that of `holdfast check`", path)
			}
			if err != nil {
				return err
			}
			key := author.Public()
			c.ui.message(evidenceKeyMessage{"evidence_key", key.ID(), key.String(), path})
			c.ui.printf("%s", key.File())
			return nil
		},
	}
}

// evidenceKeyMessage is a public key.
type evidenceKeyMessage struct {
	MessageType string `json:"message_type"` // "evidence_key"
	ID          string `json:"id"`
	Key         string `json:"key"`
	File        string `json:"file"`
}

// parseEvidenceKeys reads public keys: lines, or files that hold them.
func parseEvidenceKeys(given []string) (keys []evidence.PublicKey, err error) {
	for _, text := range given {
		if !strings.HasPrefix(text, "RW") {
			content, err := readSmall(text)
			if err != nil {
				return nil, fmt.Errorf("--key: %w", err)
			}
			text = content
		}
		key, err := evidence.ParsePublicKey(text)
		if err != nil {
			return nil, fmt.Errorf("--key: %w", err)
		}
		keys = append(keys, key)
	}
	return keys, nil
}
