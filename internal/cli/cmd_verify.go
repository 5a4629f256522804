package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"holdfast/repository"
)

// verifyFlags are the flags of `holdfast verify`.
type verifyFlags struct {
	log      walFlags
	time     string
	random   bool
	scratch  string
	binDir   string
	user     string
	database string
}

func newVerify(c *command) *cobra.Command {
	var f verifyFlags
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Prove by a real restore that a plan's backups come back",
		Long: `Restore a PostgreSQL source of a plan to a scratch folder, start a private server
on it, recover it to an instant, and look whether it is good: every table and
index (pg_amcheck), every page's checksum, and the plan's own checks
(restore_test: checks). Then everything is removed again. Dumps are restored
into an empty private server, and looked into in the same way.

The server never touches production: it archives nothing, follows nobody and
listens on no address.

The times measured are those a real restore takes (RTO), and the age of what
came back is what would be lost (RPO); both stand beside what the plan promises.
A record of it is kept in the repository.`,
		Example: "  holdfast verify --plan shop\n  holdfast verify --plan shop --random --json",
		Args:    noArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return c.runVerify(cmd.Context(), &f) },
	}
	fl := cmd.Flags()
	f.log.register(fl)
	fl.StringVar(&f.time, "to-time", "", "recover to a `time`, such as \"2026-05-01 12:30:00\" (default: the end of the log)")
	fl.BoolVar(&f.random, "random", false, "recover to an instant chosen at random")
	fl.StringVar(&f.scratch, "scratch", "", "`folder` to restore to, with room for the cluster (default: a temporary one)")
	fl.StringVar(&f.binDir, "bin-dir", "", "`folder` of the server's programs")
	fl.StringVar(&f.user, "user", "postgres", "a superuser of the cluster")
	fl.StringVar(&f.database, "database", "", "`database` for the plan's checks (default: that of the source's dsn)")
	return cmd
}

// verifyMessage tells what a restore test found out.
type verifyMessage struct {
	MessageType string             `json:"message_type"` // "restore_test"
	Plan        string             `json:"plan,omitempty"`
	Source      string             `json:"source"`
	Snapshot    string             `json:"snapshot"`
	Good        bool               `json:"good"`
	Findings    []string           `json:"findings"`
	LSN         string             `json:"lsn,omitempty"`
	LastCommit  string             `json:"last_commit,omitempty"`
	Checksums   bool               `json:"checksums_checked"`
	Phases      map[string]float64 `json:"phases_seconds"`
	RTO         float64            `json:"rto_seconds"`
	RPO         float64            `json:"rpo_seconds"`
	PromisedRTO float64            `json:"promised_rto_seconds,omitempty"`
	PromisedRPO float64            `json:"promised_rpo_seconds,omitempty"`
}

func (c *command) runVerify(ctx context.Context, f *verifyFlags) error {
	if f.random && f.time != "" {
		return errors.New("--random and --to-time exclude each other")
	}
	s, err := c.logSource(f.log)
	if err != nil {
		return err
	}
	cfg, err := c.loadConfig()
	if err != nil {
		return err
	}
	name, plan, err := logPlan(cfg, f.log)
	if err != nil {
		return err
	}
	test := &restoreTest{command: c, f: f, source: s, plan: plan}
	from := s.repositories[0]
	r, err := c.openPlace(ctx, from.place)
	if err != nil {
		return err
	}
	var m *verifyMessage
	err = c.locked(ctx, r, repository.Shared, func(ctx context.Context, r *repository.Repository) (err error) {
		m, err = test.run(ctx, r, from)
		return err
	})
	if err = errors.Join(err, r.Close()); err != nil {
		return err
	}
	m.Plan = name
	c.ui.message(m)
	c.printRestoreTest(m)
	if !m.Good {
		return fmt.Errorf("the restore test FAILED: %s", strings.Join(m.Findings, "; "))
	}
	return nil
}

func (c *command) printRestoreTest(m *verifyMessage) {
	seconds := func(s float64) string { return spent(time.Duration(s * float64(time.Second))) }
	promised := func(s float64) string {
		if s == 0 {
			return "nothing promised"
		}
		return seconds(s) + " promised"
	}
	verdict := "PROVEN"
	if !m.Good {
		verdict = "NOT GOOD"
	}
	recovered := ""
	if m.LSN != "" {
		recovered = ", recovered to " + m.LSN
	}
	c.ui.infof("%s: %s came back from snapshot %.8s%s", verdict, m.Source, m.Snapshot, recovered)
	for _, phase := range []string{"restore", "recover", "tables and indexes", "checks", "page checksums"} {
		if s, ok := m.Phases[phase]; ok {
			c.ui.infof("  %-20s %s", phase, seconds(s))
		}
	}
	c.ui.infof("  RTO %s (%s), RPO %s (%s)", seconds(m.RTO), promised(m.PromisedRTO), seconds(m.RPO), promised(m.PromisedRPO))
	for _, finding := range m.Findings {
		c.ui.infof("  WRONG: %s", finding)
	}
}
