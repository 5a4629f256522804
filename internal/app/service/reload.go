package service

import (
	"context"
	"time"

	"holdfast/internal/config"
	"holdfast/internal/controller"
	"holdfast/internal/event"
)

// watchConfig reads the configuration again when it is asked to, or when its
// files change. One that is wrong changes nothing.
func (s *service) watchConfig(ctx context.Context) error {
	ticker := time.NewTicker(configPoll)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.Reload:
			cfg, err := s.watcher.Read()
			s.use(ctx, cfg, err)
		case <-s.protected:
			cfg, err := s.watcher.Read()
			s.use(ctx, cfg, err)
			s.surveys.ask()
		case <-ticker.C:
			if cfg, err := s.watcher.Poll(); cfg != nil || err != nil {
				s.use(ctx, cfg, err)
			}
		}
	}
}

// use puts what a configuration says in place of what there was, unless it is
// wrong.
func (s *service) use(ctx context.Context, cfg *config.Config, err error) {
	notifySystem("RELOADING=1")
	defer notifySystem("READY=1")
	var jobs []controller.Job
	if err == nil {
		var limits controller.Limits
		if jobs, limits, err = Jobs(cfg); err == nil {
			err = s.controller.Replace(ctx, jobs, limits)
		}
	}
	if ctx.Err() != nil {
		return
	}
	e := event.Event{Time: time.Now(), Kind: event.ConfigRejected, Severity: event.Warning, Key: "config"}
	if err != nil {
		e.Summary = "the configuration is not used, the one before it stays: " + err.Error()
	} else {
		s.config.Store(cfg)
		s.reloadSignals(cfg, jobs)
		s.endForgotten(ctx, cfg, jobs)
		e.Over, e.Severity, e.Summary = true, event.Info, "the configuration was read: "+s.summary()
	}
	s.events.Emit(e)
}
