package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"holdfast/internal/size"
	"holdfast/internal/verify"
	"holdfast/repository"
)

func newCheck(c *command) *cobra.Command {
	var o verify.Options
	var withCache, includeCold bool
	cmd := &cobra.Command{
		Use:   "check [flags]",
		Short: "Prove that the repository is sound",
		Long: `Prove that the repository is what was written: every file of it is sound, and
everything that a snapshot needs is there. With --read-data every byte is read,
decrypted, decompressed and compared with its hash.

What is wrong is told with the snapshots and paths it hits, and what to do
about it; the exit code is then 1. Hints tell of what costs room or time only.
What was found out is recorded in the repository, below holdfast/evidence, for
` + "`holdfast status`" + ` to tell; with --no-lock it is not.

Others may work in the repository meanwhile, but remove nothing from it; what they
add is not checked.

A subset of the packs is read with --read-data-subset: "n/t" for the n-th of t
groups (1/7 today, 2/7 tomorrow, …), "5%" or "10G" for as much at random. Packs
of file content in colder storage classes are left out, and that is said.`,
		Example: "  holdfast check\n  holdfast check --read-data\n  holdfast check --read-data-subset 1/7",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.ReadData && o.Subset != (size.Subset{}) {
				return errors.New("--read-data reads everything: leave out --read-data-subset, or use it alone")
			}
			if !includeCold {
				o.SkipCold = c.isColdClass()
			}
			return c.runCheck(cmd.Context(), o)
		},
	}
	c.registerAsOf(cmd.Flags())
	cmd.Flags().BoolVar(&o.ReadData, "read-data", false, "read all data")
	cmd.Flags().Var(&o.Subset, "read-data-subset", "read a `subset` of the data: n/t, a percentage, or a size")
	cmd.Flags().BoolVar(&includeCold, "include-cold", false, "read packs in colder storage classes too, for which services charge; those that must be thawed are never read")
	cmd.Flags().BoolVar(&withCache, "with-cache", false, "accepted for restic's sake: check never trusts a cache")
	return cmd
}

func (c *command) runCheck(ctx context.Context, o verify.Options) error {
	return c.earlyWork(ctx, func(ctx context.Context, r *repository.Repository) error {
		o.Opened = !c.global.noLock
		report, err := c.check(ctx, r, o)
		if err != nil {
			return err
		}
		c.reportCheck(report)
		if !c.global.noLock {
			c.keepEvidence(ctx, r, checkEvidence(report, o))
		}
		if report.Sound() {
			return nil
		}
		return fmt.Errorf("the repository has %s\n%s%s", countOf(report.Errors, "problem"), c.healStep(), nextSteps(report))
	})
}

// healStep tells of the copies that holdfast.yaml has: what they give is not
// lost, as it is where one repairs without.
func (c *command) healStep() string {
	main, err := c.place()
	if err != nil || main.configured == nil {
		return ""
	}
	cfg, err := c.loadConfig()
	if err != nil {
		return ""
	}
	step := "holdfast repair"
	if _, named := cfg.Repositories[c.global.repo]; named {
		step += " -r " + c.global.repo
	}
	copies := cfg.CopiesOf(main.configured.URL)
	if len(copies) == 0 {
		return ""
	}
	return fmt.Sprintf("next: `%s --from %s --read-data`, which brings back what a copy has, and gives nothing up\nif that is not enough, ",
		step, strings.Join(copies, " --from "))
}

// check runs the check and shows how far it is.
func (c *command) check(ctx context.Context, r *repository.Repository, o verify.Options) (*verify.Report, error) {
	p := new(verify.Progress)
	o.Progress = p
	var shown *progress
	stop := func() {
		if shown != nil {
			shown.stop()
			shown = nil
		}
	}
	o.Stage = func(name string) {
		stop()
		c.ui.infof("%s", name)
		if total := p.TotalBytes.Load(); total > 0 {
			shown = c.startProgress("check", work{items: p.TotalPacks.Load(), bytes: total}, func() work {
				return work{items: p.Packs.Load(), bytes: p.Bytes.Load(), errors: p.Problems.Load()}
			})
		}
	}
	defer stop()
	return verify.Check(ctx, r, o)
}
