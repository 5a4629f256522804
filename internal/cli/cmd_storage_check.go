package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"holdfast/internal/lifecycle"
	"holdfast/storage"
)

func newStorageCheck(c *command) *cobra.Command {
	var f wishFlags
	var noProbe bool
	cmd := &cobra.Command{
		Use:   "check [flags] [PLACE]",
		Short: "Find what a bucket would do to the repository in it",
		Long: `Find out what the service can do and what the bucket is set to: whether it
refuses to put over an object, verifies checksums, keeps versions, locks
objects, how its clock goes; and above all whether some rule would delete or
freeze objects that the repository needs, such as "delete after 365 days". That
is a danger, and the exit code is 1.

Of the place of a plan's archives it tells whether they stay as long as the plan
says, those included that others are relative to, and whether anything else lies
there.

The service is tried out with small objects below holdfast/probe/, which are
deleted again.`,
		Example: "  holdfast storage check offsite\n  holdfast storage check offsite --no-probe --json\n  holdfast storage check --archives shop",
		Args:    c.onePlace,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.runStorageCheck(cmd.Context(), &f, !noProbe)
		},
	}
	f.register(cmd.Flags())
	cmd.Flags().BoolVar(&noProbe, "no-probe", false, "only read settings, put no objects to try the service out")
	return cmd
}

// findingMessage is one thing that a check of a bucket has found.
type findingMessage struct {
	MessageType string `json:"message_type"` // "finding"
	lifecycle.Finding
}

// storageCheckSummary is the last message of a check of a bucket.
type storageCheckSummary struct {
	MessageType string          `json:"message_type"` // "summary"
	Service     string          `json:"service,omitempty"`
	Worst       lifecycle.Level `json:"worst"`
	Dangers     int             `json:"dangers"`
	Warnings    int             `json:"warnings"`
}

func (c *command) runStorageCheck(ctx context.Context, f *wishFlags, probe bool) error {
	return c.withBucket(ctx, f, func(b *bucket) error {
		facts, err := c.bucketFacts(ctx, b, probe)
		if err != nil {
			return err
		}
		findings, err := c.archiveFindings(ctx, b, lifecycle.Check(facts))
		if err != nil {
			return err
		}
		return c.reportFindings(findings, facts.Probe)
	})
}

// bucketFacts gathers what a check judges.
func (c *command) bucketFacts(ctx context.Context, b *bucket, probe bool) (facts lifecycle.Facts, err error) {
	facts = lifecycle.Facts{Wishes: b.wishes, Frozen: frozen(b.Bucket)}
	if facts.Settings, err = b.managed.Settings(ctx); err != nil {
		return facts, err
	}
	if b.wishes.Immutable.Mode != "" {
		sample, err := lifecycle.TakeSample(ctx, b.store, b.wishes.Immutable.For, time.Now())
		if err != nil {
			c.ui.warn("storage check", "", fmt.Errorf("look at the retention of some objects: %w", err))
		} else {
			facts.Sample = &sample
		}
	}
	p, ok := storage.As[storage.Prober](b.store)
	if !ok || !probe {
		return facts, nil
	}
	result, err := p.Probe(ctx)
	if err != nil {
		c.ui.warn("storage check", "", fmt.Errorf("try the service out: %w; --no-probe leaves that out", err))
		return facts, nil
	}
	facts.Probe = &result
	return facts, nil
}

func (c *command) reportFindings(findings []lifecycle.Finding, probe *storage.Probe) error {
	sum := storageCheckSummary{MessageType: "summary", Worst: lifecycle.Worst(findings)}
	if probe != nil {
		sum.Service = probe.Service
	}
	if sum.Service != "" {
		c.ui.printf("%-8s  %s\n", "service", sum.Service)
	}
	for _, f := range findings {
		switch f.Level {
		case lifecycle.Danger:
			sum.Dangers++
		case lifecycle.Warning:
			sum.Warnings++
		case lifecycle.Good, lifecycle.Notice:
		}
		c.ui.message(findingMessage{"finding", f})
		c.ui.printf("%-8s  %s\n", f.Level, f)
	}
	c.ui.message(sum)
	if sum.Dangers > 0 {
		return fmt.Errorf("%s to what is in this bucket, named above", countOf(sum.Dangers, "danger"))
	}
	return nil
}
