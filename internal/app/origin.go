package app

import (
	"slices"

	"holdfast/internal/config"
	"holdfast/repository/snapshot"
)

// SnapshotsOf returns the snapshots of a plan: those that its name is recorded
// in, and those without the name of any plan that hold what one of its sources
// names. Other programs, and backups by hand, record no plan.
func SnapshotsOf(cfg *config.Config, plan string, all []*snapshot.Snapshot) []*snapshot.Snapshot {
	var chosen []*snapshot.Snapshot
	for _, s := range all {
		if _, ok := SourceOf(cfg, plan, s); ok {
			chosen = append(chosen, s)
		}
	}
	return chosen
}

// SourceOf returns the source of a plan that a snapshot is of, if any.
func SourceOf(cfg *config.Config, plan string, s *snapshot.Snapshot) (source string, ok bool) {
	if s.Plan() != "" {
		return s.Source(), s.Plan() == plan
	}
	for _, name := range cfg.Plans[plan].Sources {
		files := cfg.Sources[name].Files
		if files != nil && slices.Equal(slices.Sorted(slices.Values(files.Paths)), slices.Sorted(slices.Values(s.Paths))) {
			return name, true
		}
	}
	return "", false
}
