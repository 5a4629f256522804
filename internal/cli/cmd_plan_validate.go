package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"holdfast/internal/app/console"
	"holdfast/internal/app/preflight"
	"holdfast/internal/app/service"
	"holdfast/internal/config"
)

func newPlanValidate(c *command) *cobra.Command {
	var offline bool
	cmd := &cobra.Command{
		Use:   "validate [flags] [PLAN]",
		Short: "Check holdfast.yaml, and try what its plans need",
		Long: `Check holdfast.yaml, and try what its plans need: that each repository opens with
its password, can be written to and has room; that each database answers and
lets us do what its backups take; that hooks, checks and paths are there; that
the channels can be read; and that the clocks agree. Everything wrong is listed,
each with what to do about it.

Nothing that lasts is changed: a small object below holdfast/probe/ is put, read
back and deleted.

The exit code is 1 if something is wrong; warnings alone are no failure.`,
		Example: "  holdfast plan validate\n  holdfast plan validate shop --json\n  holdfast plan validate --offline",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.validatePlans(cmd.Context(), args, offline)
		},
	}
	cmd.Flags().BoolVar(&offline, "offline", false, "ask nothing but this machine")
	return cmd
}

// findingOfPlan is one thing that was found out.
type findingOfPlan struct {
	MessageType string `json:"message_type"` // "finding"
	preflight.Finding
	// Where it is written, for what the file itself says.
	File   string `json:"file,omitempty"`
	Line   int    `json:"line,omitempty"`
	Column int    `json:"column,omitempty"`
}

// validateSummary is the last message.
type validateSummary struct {
	MessageType string   `json:"message_type"` // "summary"
	Plans       []string `json:"plans"`
	Wrong       int      `json:"wrong"`
	Warnings    int      `json:"warnings"`
}

func (c *command) validatePlans(ctx context.Context, args []string, offline bool) error {
	v := &validation{command: c, sum: validateSummary{MessageType: "summary", Plans: []string{}}}
	cfg, err := c.inspectConfig()
	var problems config.Problems
	switch {
	case errors.As(err, &problems):
		for _, p := range problems {
			v.problem(preflight.Wrong, p)
		}
		return v.end()
	case err != nil:
		return err
	}
	for _, p := range cfg.Warnings() {
		v.problem(preflight.Warning, p)
	}
	if err := v.restoreDirs(cfg.Config); err != nil {
		return err
	}
	v.sum.Plans = append(v.sum.Plans, slices.Sorted(maps.Keys(cfg.Plans))...)
	if len(args) > 0 {
		if err := checkPlan(cfg.Config, args[0]); err != nil {
			return err
		}
		v.sum.Plans = args
	}
	if c.global.patience == 0 {
		c.global.patience = validatePatience // this is asked by people, who wait
	}
	if err := v.try(ctx, cfg.Config, offline); err != nil {
		return err
	}
	return v.end()
}

// restoreDirs tells of what restores by the service could be aimed at.
func (v *validation) restoreDirs(cfg *config.Config) error {
	state, err := service.FindStateDir("", cfg.Service.StateDir, os.Getenv)
	if err != nil {
		return err
	}
	r := preflight.Report{Key: "service.restore_dirs"}
	for _, problem := range console.RestoreDirProblems(cfg, console.Own{ConfigPath: cfg.Path, StateDir: state}) {
		r.Warn(problem, "name a folder that is for restores alone")
	}
	v.found(r.Findings)
	return nil
}

// validatePatience is how long a place that does not answer is asked.
const validatePatience = 20 * time.Second

// validation prints findings and counts them.
type validation struct {
	*command
	sum validateSummary
}

func (v *validation) problem(level preflight.Level, p config.Problem) {
	at := p
	at.Text, at.Fix, at.Key = "", "", ""
	v.print(findingOfPlan{
		Finding: preflight.Finding{Level: level, Key: p.Key, Text: p.Text, Fix: p.Fix},
		File:    p.File, Line: p.Line, Column: p.Column,
	}, at.Error())
}

func (v *validation) found(findings []preflight.Finding) {
	for _, f := range findings {
		v.print(findingOfPlan{Finding: f}, "")
	}
}

// print prints a finding; what is well only for those who asked for more, or
// for programs.
func (v *validation) print(f findingOfPlan, place string) {
	f.MessageType = "finding"
	switch f.Level {
	case preflight.Wrong:
		v.sum.Wrong++
	case preflight.Warning:
		v.sum.Warnings++
	case preflight.OK:
	}
	v.ui.message(f)
	text := f.Text
	if f.Fix != "" {
		text += "; " + f.Fix
	}
	if place != "" {
		place += ": "
	}
	v.ui.printf("%-8s %s%s: %s\n", f.Level, place, f.Key, printable(text))
}

func (v *validation) end() error {
	v.ui.message(v.sum)
	if v.sum.Wrong == 0 {
		return nil
	}
	return fmt.Errorf("%s wrong, named above", isOrAre(v.sum.Wrong))
}

func isOrAre(n int) string {
	if n == 1 {
		return "1 thing is"
	}
	return fmt.Sprintf("%d things are", n)
}
