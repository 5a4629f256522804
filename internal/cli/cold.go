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
	k, ok := c.coldKnowledge()
	if !ok {
		return rules
	}
	now := time.Now()
	rules.Judge = func(class string, sizeBytes int64, put time.Time) (cold bool, fee float64) {
		if k.service != nil {
			fee = k.service.EarlyDeletion(class, sizeBytes, now.Sub(put.Add(k.after)))
		}
		return k.isCold(class), fee
	}
	return rules
}

// isColdClass tells in which classes reading costs extra; nil: in none.
func (c *command) isColdClass() func(class string) bool {
	k, ok := c.coldKnowledge()
	if !ok {
		return nil
	}
	return k.isCold
}

// coldKnowledge is what is known of the classes of a bucket.
type coldKnowledge struct {
	// class is the one that holdfast.yaml names, after the age at which objects
	// move there.
	class string
	after time.Duration
	// service knows prices; nil for services that nobody told us about.
	service *cost.Service
}

func (k *coldKnowledge) isCold(class string) bool {
	return k.class != "" && strings.EqualFold(class, k.class) || k.service != nil && k.service.IsCold(class)
}

// coldKnowledge gathers it for the place that the user means. False: it is no
// bucket, or there is something wrong that opening it will tell.
func (c *command) coldKnowledge() (*coldKnowledge, bool) {
	p, err := c.place()
	if err != nil {
		return nil, false
	}
	b, err := app.BucketOf(p.url)
	if err != nil {
		return nil, false
	}
	k := new(coldKnowledge)
	if r := p.configured; r != nil && r.Tiers != nil && r.Tiers.Cold != nil {
		k.class, k.after = r.Tiers.Cold.Class, time.Duration(r.Tiers.Cold.After)
	}
	k.service, _ = cost.BuiltIn().Find(string(b.Kind), b.Host)
	return k, true
}

// afterPrune does what has to be done at the end of work that deletes:
// retentions are extended, and packs of other programs marked, where holdfast.yaml says
// so. The work itself is done by then; what fails here is a warning.
func (c *command) afterPrune(ctx context.Context, r *repository.Repository) error {
	c.keepLocked(ctx, r)
	p, err := c.place()
	if err != nil || p.configured == nil || p.configured.Tiers == nil {
		return nil //nolint:nilerr // a place without a name has no classes to mark for
	}
	if err := r.LoadIndex(ctx); err != nil {
		return err
	}
	if err := c.mark(ctx, r, upkeep.MarkOptions{}); err != nil && ctx.Err() == nil {
		c.ui.warn("mark", "", err)
	}
	return nil
}
