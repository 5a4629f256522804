package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"holdfast/repository"
)

// backUpTogether backs up all sources at one moment: each as if it were a run
// of its own, with a repository of its own, and all of those are open before
// the first source begins.
func (p *planRun) backUpTogether(ctx context.Context) (err error) {
	at := p.namedPlace(p.plan.Repository, p.cfg.Repositories[p.plan.Repository])
	opened := make([]*repository.Repository, len(p.plan.Sources))
	for i := range opened {
		r, err := p.openPlace(ctx, at)
		if err != nil {
			return errors.Join(err, closeAll(opened[:i]))
		}
		opened[i] = r
	}
	defer func() { err = errors.Join(err, closeAll(opened)) }()

	began := time.Now()
	failures := make([]error, len(opened))
	var running sync.WaitGroup
	for i, source := range p.plan.Sources {
		running.Go(func() {
			p.ui.infof("backing up %s", source)
			err := p.locked(ctx, opened[i], repository.Shared, func(ctx context.Context, r *repository.Repository) error {
				return p.source(ctx, r, source)
			})
			if err != nil {
				failures[i] = fmt.Errorf("source %s: %w", source, err)
			}
		})
	}
	running.Wait()
	err = p.locked(ctx, opened[0], repository.Shared, func(ctx context.Context, r *repository.Repository) error {
		p.watch(ctx, r, began)
		return nil
	})
	failures = slices.DeleteFunc(append(failures, err), func(err error) bool { return err == nil })
	return joined(ctx, failures)
}

func closeAll(opened []*repository.Repository) error {
	var failures []error
	for _, r := range opened {
		failures = append(failures, r.Close())
	}
	return errors.Join(failures...)
}
