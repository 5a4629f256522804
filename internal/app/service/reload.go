package service

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"holdfast/internal/config"
	"holdfast/internal/event"
)

// watchConfig reads the configuration again when it is asked to, or when its
// files change. One that is wrong changes nothing.
func (s *service) watchConfig(ctx context.Context) error {
	s.stamp = stampOf(s.config)
	ticker := time.NewTicker(configPoll)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.Reload:
			s.reload(ctx)
		case <-ticker.C:
			if stampOf(s.config) != s.stamp {
				s.reload(ctx)
			}
		}
	}
}

// reload builds what the configuration says now, and puts it in place of what
// there was.
func (s *service) reload(ctx context.Context) {
	notifySystem("RELOADING=1")
	defer notifySystem("READY=1")
	s.stamp = stampOf(s.config)
	rejected := event.Event{Time: time.Now(), Kind: event.ConfigRejected, Severity: event.Warning, Key: "config"}
	cfg, err := config.Load(s.ConfigPath)
	if err == nil {
		jobs, limits, buildErr := Jobs(cfg)
		if err = buildErr; err == nil {
			err = s.controller.Replace(ctx, jobs, limits)
		}
	}
	if err != nil {
		rejected.Summary = fmt.Sprintf("the configuration is not used, the one before it stays: %v", err)
		s.events.Emit(rejected)
		return
	}
	s.config, s.stamp = cfg, stampOf(cfg)
	rejected.Over, rejected.Summary = true, "the configuration was read: "+s.summary()
	s.events.Emit(rejected)
}

// stampOf tells one state of a configuration's files from another.
func stampOf(c *config.Config) string {
	var b strings.Builder
	for _, path := range append(slices.Clone(c.Files), c.Include...) {
		if !filepath.IsAbs(path) {
			path = filepath.Join(filepath.Dir(c.Path), path)
		}
		found, err := filepath.Glob(path) // a pattern also finds files that are new
		if err != nil {
			continue
		}
		for _, file := range found {
			if info, err := os.Stat(file); err == nil {
				fmt.Fprintf(&b, "%s %d %d;", file, info.ModTime().UnixNano(), info.Size())
			}
		}
	}
	return b.String()
}
