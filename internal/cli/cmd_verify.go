package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"holdfast/internal/app/service"
	"holdfast/internal/config"
	"holdfast/internal/evidence"
	"holdfast/internal/postgres/rowcount"
)

// verifyFlags are the flags of `holdfast verify`.
type verifyFlags struct {
	plan     string
	source   string
	point    string
	seed     uint64
	from     string
	scratch  string
	binDir   string
	user     string
	database string
	// noFallback keeps what failed from being tested elsewhere.
	noFallback bool
}

func newVerify(c *command) *cobra.Command {
	var f verifyFlags
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Prove by a real restore that a plan's backups come back",
		Long: `Restore each source of a plan to a place apart, look into what came back, remove
it again, and keep a signed record of all that: evidence (see 'holdfast evidence').

Files are restored to a scratch folder and compared, all of them, with what the
snapshot recorded: content, sizes, metadata. A PostgreSQL cluster is restored to
a scratch folder, recovered by a private server and looked into: every table and
index (pg_amcheck), every page's checksum, and the number of rows that each table
had when it was backed up. Dumps are restored into an empty private server, and
looked into in the same way. Then come the plan's own checks (restore_test:
checks): SQL and what it must answer, files that must be there, and commands,
which find the restored folder, or how to reach the server, in HOLDFAST_RESTORED.

The test reaches nothing of production. The server archives nothing, follows
nobody and listens on no address. As root on Linux, it and the commands have no
network, and commands can write to the scratch folder only.

--point says what is restored: newest, the usual one; oldest; random, drawn with
--seed; backup-end, the end of the newest base backup, where its rows were
counted; a time; or the ID of a snapshot. --from names the repository, the plan's
own or a copy. Without these flags one test after the other takes the next of
restore_test: points and from, and by default of all repositories of the plan;
one that failed is tried once more first. A snapshot that did not come back is
tested again between the others until it does, or is removed.
What is read is read from there: neither from another copy nor from the cache.

A source that does not come back from there is tested from the next repository
that has it, at the same recovery point or, where that was not copied yet, the
newest before, so that it is known at once whether it comes back from anywhere.
The failure stays one, with its record, and the other test has its own. Other
repositories are those of restore_test: from, and the plan's own. --no-fallback
leaves it at the one. The plan's own checks, answered wrong, lead to no other
repository: all give the same answer.

Rows must be as many as they were where nothing can have changed them: in dumps,
and in base backups when no transaction has ended between the count and the
instant that is recovered to. At other instants differences are told, and are no
failure.

The times measured are those a real restore takes (RTO), and the age of what
would have come back had the source been lost now (RPO); both stand beside what
the plan promises. A repository that cannot be opened, or a backup that does not
come back, is a failed test with a record of its own; if the repository cannot
keep it, another one of the plan does.`,
		Example: "  holdfast verify --plan shop\n  holdfast verify --plan shop --point random --from offsite --json",
		Args:    noArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return c.runVerify(cmd.Context(), &f) },
	}
	fl := cmd.Flags()
	fl.StringVar(&f.plan, "plan", "", "`plan` of holdfast.yaml (may be left out when there is only one)")
	fl.StringVar(&f.source, "source", "", "only this `source` of the plan")
	fl.StringVar(&f.point, "point", "", "recovery `point`: newest, oldest, random, backup-end, a time such as \"2026-05-01 12:30:00\", or the ID of a snapshot")
	fl.Uint64Var(&f.seed, "seed", 0, "what a random point is drawn from: the same `number` gives the same point (default: drawn, too)")
	fl.StringVar(&f.from, "from", "", "`repository` to restore from, or \"rotate\" for the next one")
	fl.BoolVar(&f.noFallback, "no-fallback", false, "leave what does not come back from one repository untested from others")
	fl.StringVar(&f.scratch, "scratch", "", "`folder` to restore to, with room for it all (default: that of the plan, or the one for temporary files)")
	fl.StringVar(&f.binDir, "bin-dir", "", "`folder` of the server's programs")
	fl.StringVar(&f.user, "user", "postgres", "a superuser of the cluster")
	fl.StringVar(&f.database, "database", "", "`database` for the plan's checks (default: that of the source's dsn)")
	return cmd
}

// verifyMessage tells what a restore test found out.
type verifyMessage struct {
	MessageType string               `json:"message_type"` // "restore_test"
	Plan        string               `json:"plan,omitempty"`
	Source      string               `json:"source"`
	From        string               `json:"from"`
	Point       string               `json:"point"`
	Snapshot    string               `json:"snapshot"`
	Good        bool                 `json:"good"`
	Verdict     evidence.Verdict     `json:"verdict"`
	Findings    []string             `json:"findings"`
	Checks      []evidence.TestCheck `json:"checks"`
	LSN         string               `json:"lsn,omitempty"`
	LastCommit  string               `json:"last_commit,omitempty"`
	Checksums   bool                 `json:"checksums_checked"`
	Files       uint64               `json:"files,omitempty"`
	Bytes       uint64               `json:"bytes,omitempty"`
	Phases      map[string]float64   `json:"phases_seconds"`
	RTO         float64              `json:"rto_seconds"`
	RPO         float64              `json:"rpo_seconds"`
	PromisedRTO float64              `json:"promised_rto_seconds,omitempty"`
	PromisedRPO float64              `json:"promised_rpo_seconds,omitempty"`
	// Rows is nil when none were counted at the backup.
	Rows *rowsMessage `json:"rows,omitempty"`
	// Evidence is the key of the record, and EvidenceIn the repository that
	// keeps it; both are left out if none does.
	Evidence   string `json:"evidence,omitempty"`
	EvidenceIn string `json:"evidence_in,omitempty"`
	// InsteadOf is the repository whose test failed right before, which this
	// one stands in for.
	InsteadOf string `json:"instead_of,omitempty"`

	failed  failed // what did not come back, if something did not
	instead string // what a test that stood in for this one found
}

// rowsMessage tells how the rows compare with those that were counted.
type rowsMessage struct {
	Exact     bool     `json:"exact"` // every table had to have the same
	Compared  int      `json:"tables_compared"`
	Equal     int      `json:"tables_equal"`
	Estimated int      `json:"tables_estimated"` // at the backup, and not compared
	Changed   []string `json:"changed"`
	Notes     []string `json:"notes"`
}

func newRowsMessage(c *rowcount.Comparison) *rowsMessage {
	if c == nil {
		return nil
	}
	return &rowsMessage{c.Exact, c.Compared, c.Equal, c.Estimated, append([]string{}, c.Changed...), append([]string{}, c.Notes...)}
}

// runVerify tests the sources of a plan, one after the other: a failure of one
// keeps no other from being tested.
func (c *command) runVerify(ctx context.Context, f *verifyFlags) error {
	cfg, err := c.loadConfig()
	if err != nil {
		return err
	}
	name, plan, err := planToVerify(cfg, f)
	if err != nil {
		return err
	}
	point := testPoint{asked: f.point, seed: f.seed}
	if point.seed == 0 {
		point.seed = rand.Uint64() //nolint:gosec // any point will do
	}
	if _, _, err := point.time(); err != nil && f.point != "" {
		return err
	}
	run := &verifyRun{command: c, f: f, cfg: cfg, planName: name, plan: plan, point: point}
	if err := run.limit(); err != nil {
		return err
	}
	var failures []error
	tested := 0
	for _, source := range plan.Sources {
		if f.source != "" && source != f.source {
			continue
		}
		tested++
		if err := run.test(ctx, source); err != nil {
			failures = append(failures, fmt.Errorf("source %s: %w", source, err))
		}
		if ctx.Err() != nil {
			break
		}
	}
	if tested == 0 {
		return fmt.Errorf("plan %s has no source %q; it has %s", name, f.source, strings.Join(plan.Sources, ", "))
	}
	if len(failures) > 0 && !slices.ContainsFunc(failures, func(err error) bool { return !errors.As(err, new(unprovenError)) }) {
		c.reporter.Note(func(r *service.Report) { r.Told = true })
	}
	return errors.Join(failures...)
}

// planToVerify finds the plan: the one named, or the only one.
func planToVerify(cfg *config.Config, f *verifyFlags) (string, config.Plan, error) {
	name := f.plan
	if name == "" {
		if len(cfg.Plans) != 1 {
			return "", config.Plan{}, fmt.Errorf("%s has several plans (%s): name one with --plan", cfg.Path, strings.Join(slices.Sorted(maps.Keys(cfg.Plans)), ", "))
		}
		name = slices.Sorted(maps.Keys(cfg.Plans))[0]
	}
	plan, ok := cfg.Plans[name]
	if !ok {
		return "", plan, fmt.Errorf("%s has no plan %q; it has %s", cfg.Path, name, strings.Join(slices.Sorted(maps.Keys(cfg.Plans)), ", "))
	}
	return name, plan, nil
}

// tell prints how a test came out.
func (t *restoreTest) tell(m *verifyMessage) {
	t.ui.message(m)
	seconds := func(s float64) string { return spent(time.Duration(s * float64(time.Second))) }
	promised := func(s float64) string {
		if s == 0 {
			return "nothing promised"
		}
		return seconds(s) + " promised"
	}
	switch {
	case m.Snapshot == "":
		t.ui.infof("%s: %s could not be restored from %s", verdictWord(m.Verdict), m.Source, m.From)
	case m.LSN != "":
		t.ui.infof("%s: %s came back from snapshot %.8s in %s, recovered to %s", verdictWord(m.Verdict), m.Source, m.Snapshot, m.From, m.LSN)
	default:
		t.ui.infof("%s: %s came back from snapshot %.8s in %s", verdictWord(m.Verdict), m.Source, m.Snapshot, m.From)
	}
	for _, step := range t.test.Steps {
		t.ui.infof("  %-20s %s", step.Name, seconds(step.Seconds))
	}
	for _, check := range m.Checks {
		if check.Good {
			t.ui.infof("  good: %s: %s", printable(check.Name), printable(check.Actual))
		}
	}
	if m.Snapshot != "" {
		t.ui.infof("  RTO %s (%s), RPO %s (%s)", seconds(m.RTO), promised(m.PromisedRTO), seconds(m.RPO), promised(m.PromisedRPO))
	}
	t.printRows(m.Rows)
	for _, finding := range m.Findings {
		t.ui.infof("  WRONG: %s", printable(finding))
	}
	if m.EvidenceIn != "" {
		t.ui.infof("  evidence: record in %s; `holdfast evidence list -r %s` shows it", m.EvidenceIn, m.EvidenceIn)
	}
}

func verdictWord(v evidence.Verdict) string {
	switch v {
	case evidence.Proven:
		return "PROVEN"
	case evidence.NotJudged:
		return "NOT JUDGED"
	}
	return "NOT GOOD"
}

// maxChanged bounds how many tables are named that have other rows.
const maxChanged = 20

func (c *command) printRows(rows *rowsMessage) {
	if rows == nil {
		return
	}
	text := fmt.Sprintf("%d of %s as many rows as at the backup", rows.Equal, countOf(rows.Compared, "table")+" have")
	if rows.Estimated > 0 {
		text += fmt.Sprintf("; %d more were only estimated there", rows.Estimated)
	}
	c.ui.infof("  %s", text)
	for _, note := range rows.Notes {
		c.ui.infof("  %s", printable(note))
	}
	for k, changed := range rows.Changed {
		if k == maxChanged {
			c.ui.infof("  ... and %d more", len(rows.Changed)-k)
			break
		}
		c.ui.infof("  changed since: %s", printable(changed))
	}
}
