package cli

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/spf13/pflag"

	"holdfast/repository"
	"holdfast/repository/snapshot"
)

// selectFlags choose the snapshots that a command works on.
type selectFlags struct {
	hosts []string
	tags  []string
	paths []string
	// anyHost leaves HOLDFAST_HOST out: a plan says itself whose snapshots are
	// meant.
	anyHost bool
}

// register adds the flags; hostShort is the short form of --host, or "".
func (f *selectFlags) register(fl *pflag.FlagSet, hostShort string) {
	fl.StringArrayVarP(&f.hosts, "host", hostShort, nil, "only snapshots of this `host` (may be repeated; HOLDFAST_HOST, which \"\" overrides)")
	fl.StringArrayVar(&f.tags, "tag", nil, "only snapshots with all of these `tag[,tag]` (may be repeated)")
	fl.StringArrayVar(&f.paths, "path", nil, "only snapshots that hold this `path` (may be repeated)")
}

func (f *selectFlags) filter() snapshot.Filter {
	filter := snapshot.Filter{Hosts: f.hosts, Paths: f.paths}
	switch host := env("HOST"); {
	case slices.Equal(f.hosts, []string{""}): // as in restic: of all hosts, whatever the environment says
		filter.Hosts = nil
	case host != "" && len(f.hosts) == 0 && !f.anyHost:
		filter.Hosts = []string{host}
	}
	for _, list := range f.tags {
		filter.Tags = append(filter.Tags, snapshot.ParseTagList(list))
	}
	return filter
}

// choose returns the snapshots that the arguments name or, without any, those
// that the flags take.
func (f *selectFlags) choose(all []*snapshot.Snapshot, args []string) ([]*snapshot.Snapshot, error) {
	filter := f.filter()
	if len(args) == 0 {
		return filter.Select(all), nil
	}
	var chosen []*snapshot.Snapshot
	for _, ref := range args {
		s, err := findSnapshot(all, filter, ref)
		if err != nil {
			return nil, err
		}
		chosen = append(chosen, s)
	}
	return chosen, nil
}

// changing returns the lock that a command needs which deletes or replaces
// something, unless it is a dry run.
func changing(dryRun bool) repository.LockMode {
	if dryRun {
		return repository.Shared
	}
	return repository.Exclusive
}

// identified is a snapshot with its ID, in restic's words.
type identified struct {
	*snapshot.Snapshot
}

// MarshalJSON adds the ID, which is no part of what is stored, at the end.
func (i identified) MarshalJSON() ([]byte, error) {
	stored, err := json.Marshal(i.Snapshot)
	if err != nil {
		return nil, err
	}
	return fmt.Appendf(stored[:len(stored)-1], `,"id":%q,"short_id":%q}`, i.ID.String(), i.ID.Short()), nil
}

// editMessage tells of a snapshot that was stored in another one's place, in
// restic's words.
type editMessage struct {
	MessageType string `json:"message_type"` // "changed"
	Old         string `json:"old_snapshot_id"`
	New         string `json:"new_snapshot_id,omitempty"`
}

// editSummary is the last message of commands that edit snapshots.
type editSummary struct {
	MessageType string `json:"message_type"` // "summary"
	DryRun      bool   `json:"dry_run,omitempty"`
	Changed     int    `json:"changed_snapshots"`
}
