package cli

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"holdfast/internal/config"
)

func newPlanShow(c *command) *cobra.Command {
	return &cobra.Command{
		Use:   "show [flags] PLAN",
		Short: "Show everything that counts for a plan, and where it was set",
		Long: `Show everything that counts for a plan, and where it was set: its own keys, those
of its sources, repositories and channels, and what comes from defaults or is
built in. Secrets are shown as where they lie.

Prints warnings of what is dubious to standard error.`,
		Example: "  holdfast plan show shop\n  holdfast plan show shop --json",
		Args:    cobra.ExactArgs(1),
		RunE:    func(_ *cobra.Command, args []string) error { return c.showPlan(args[0]) },
	}
}

// planSettingsMessage is everything that counts for a plan.
type planSettingsMessage struct {
	MessageType string           `json:"message_type"` // "plan_settings"
	Plan        string           `json:"plan"`
	Files       []string         `json:"files"`
	Settings    []config.Setting `json:"settings"`
	Warnings    []configProblem  `json:"warnings"`
}

// configProblem is one thing that is wrong or dubious in the configuration.
type configProblem struct {
	File   string `json:"file,omitempty"`
	Line   int    `json:"line,omitempty"`
	Column int    `json:"column,omitempty"`
	Key    string `json:"key,omitempty"`
	Text   string `json:"text"`
	Fix    string `json:"fix,omitempty"`
}

func configProblems(ps config.Problems) []configProblem {
	messages := make([]configProblem, len(ps))
	for i, p := range ps {
		messages[i] = configProblem(p)
	}
	return messages
}

func (c *command) showPlan(name string) error {
	cfg, err := c.inspectConfig()
	if err != nil {
		return err
	}
	if err := checkPlan(cfg.Config, name); err != nil {
		return err
	}
	settings, warnings := cfg.Settings(name), cfg.Warnings()
	if c.ui.json {
		c.ui.message(planSettingsMessage{"plan_settings", name, cfg.Files, settings, configProblems(warnings)})
		return nil
	}
	var rows [][]string
	for _, s := range settings {
		rows = append(rows, []string{s.Key, printable(s.Value), shortened(s.SetBy(), filepath.Dir(cfg.Path))})
	}
	c.ui.table([]string{"KEY", "VALUE", "SET BY"}, rows)
	for _, w := range warnings {
		c.ui.warn("read configuration", "warning", w)
	}
	return nil
}

// shortened leaves out the folder of the configuration.
func shortened(path, folder string) string {
	return strings.TrimPrefix(path, folder+string(filepath.Separator))
}

// inspectConfig is loadConfig for those who want to know where things were
// set.
func (c *command) inspectConfig() (*config.Inspection, error) {
	path, err := config.Find(c.global.config, os.Getenv)
	if err != nil {
		return nil, err
	}
	return config.Inspect(path)
}

func checkPlan(cfg *config.Config, name string) error {
	if _, ok := cfg.Plans[name]; ok {
		return nil
	}
	if len(cfg.Plans) == 0 {
		return fmt.Errorf("%s has no plans", cfg.Path)
	}
	return fmt.Errorf("%s has no plan %q; it has %s", cfg.Path, name, strings.Join(slices.Sorted(maps.Keys(cfg.Plans)), ", "))
}
