package cli

import (
	"context"
	"errors"

	"holdfast/internal/app"
	"holdfast/internal/lifecycle"
	"holdfast/storage"
)

// bucketMessage tells of what a bucket would do to the repository in it.
type bucketMessage struct {
	MessageType string `json:"message_type"` // "bucket"
	Plan        string `json:"plan"`
	Repository  string `json:"repository"`
	lifecycle.Finding
}

// warnOfBuckets tells of the dangers to the copies of a plan that come from the
// buckets they lie in, such as a rule that deletes by age, and whether there
// are any. Places that do not answer are told of elsewhere.
func (r *statusRun) warnOfBuckets(ctx context.Context, plan statusPlan) (endangered bool) {
	for _, copied := range plan.copies {
		for _, f := range r.dangers(ctx, copied.place) {
			endangered = true
			r.ui.message(bucketMessage{"bucket", plan.name, copied.name, f})
			if !r.ui.json {
				r.ui.warn("status", copied.name, errors.New("DANGER: "+f.String()))
			}
		}
	}
	return endangered
}

// dangers returns what puts the repository at a place in danger; nothing for
// places that are no buckets, or whose settings cannot be read.
func (r *statusRun) dangers(ctx context.Context, p place) (dangers []lifecycle.Finding) {
	if _, err := app.BucketOf(p.url); err != nil {
		return nil
	}
	b, err := r.openBucketOf(ctx, p, new(wishFlags))
	if err != nil {
		return nil
	}
	defer storage.Close(b.store) //nolint:errcheck // only read from
	facts, err := r.bucketFacts(ctx, b, false)
	if err != nil {
		return nil
	}
	for _, f := range lifecycle.Check(facts) {
		if f.Level == lifecycle.Danger {
			dangers = append(dangers, f)
		}
	}
	return dangers
}
