package cli

import (
	"context"
	"strings"
	"time"

	"holdfast/internal/app"
	"holdfast/internal/cost"
	"holdfast/internal/upkeep"
	"holdfast/repository"
)

// coldRules tell prune which packs of the place that the user means lie in a
// colder class, and what deleting them early costs.
func (c *command) coldRules(include bool) upkeep.ColdRules {
	rules := upkeep.ColdRules{Include: include}
	p, err := c.place()
	if err != nil {
		return rules // told when it is opened
	}
	b, err := app.BucketOf(p.url)
	if err != nil {
		return rules // no bucket, no classes
	}
	var own string          // the class that holdfast.yaml names
	var after time.Duration // the age at which objects move there
	if r := p.configured; r != nil && r.Tiers != nil && r.Tiers.Cold != nil {
		own, after = r.Tiers.Cold.Class, time.Duration(r.Tiers.Cold.After)
	}
	service, known := cost.BuiltIn().Find(string(b.Kind), b.Host)
	now := time.Now()
	rules.Judge = func(class string, sizeBytes int64, put time.Time) (cold bool, fee float64) {
		cold = own != "" && strings.EqualFold(class, own)
		if known && service.IsCold(class) {
			cold = true
			fee = service.EarlyDeletion(class, sizeBytes, now.Sub(put.Add(after)))
		}
		return cold, fee
	}
	return rules
}

// afterPrune does what has to be done at the end of work that deletes: locks
// are extended, and packs of other programs marked, where holdfast.yaml says
// so. The work itself is done by then; what fails here is a warning.
func (c *command) afterPrune(ctx context.Context, r *repository.Repository) {
	c.keepLocked(ctx, r)
	p, err := c.place()
	if err != nil || p.configured == nil || p.configured.Tiers == nil {
		return
	}
	if err := c.mark(ctx, r, upkeep.MarkOptions{}); err != nil && ctx.Err() == nil {
		c.ui.warn("mark", "", err)
	}
}
