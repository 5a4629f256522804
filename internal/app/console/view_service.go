package console

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"time"

	"holdfast/internal/api"
)

// Service implements api.Viewer.
func (c *Console) Service(context.Context) (*api.Service, error) {
	cfg := c.o.Config()
	s := &api.Service{
		Version: c.o.Version, Host: c.host, PID: os.Getpid(), Started: c.started, Now: time.Now(),
		Config: c.o.ConfigPath, StateDir: c.o.StateDir, Channels: []string{}, RestoreDirs: c.restoreDirs(), ArchivePlaces: archivePlaces(cfg),
	}
	for name := range cfg.Notify {
		s.Channels = append(s.Channels, name)
	}
	slices.Sort(s.Channels)
	s.Surveyed, s.SurveyError = c.surveys.last()
	c.configMu.Lock()
	s.ConfigError = c.configError
	c.configMu.Unlock()
	return s, nil
}

// restoresDir is where restores go below the state if nothing else is set.
const restoresDir = "restores"

// restoreDirs are the folders that restores may write below.
func (c *Console) restoreDirs() []string {
	if dirs := c.o.Config().Service.RestoreDirs; len(dirs) > 0 {
		return slices.Clone(dirs)
	}
	return []string{filepath.Join(c.o.StateDir, restoresDir)}
}
