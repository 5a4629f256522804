package cli

import (
	"github.com/spf13/pflag"

	"holdfast/repository/snapshot"
)

// snapshotFlags say which snapshots a command looks at.
type snapshotFlags struct {
	hosts []string
	tags  []string
	paths []string
}

func (f *snapshotFlags) register(fl *pflag.FlagSet) {
	fl.StringArrayVarP(&f.hosts, "host", "H", nil, "look only at snapshots of this `host` (may be repeated)")
	fl.StringArrayVar(&f.tags, "tag", nil, "look only at snapshots that have all of these `tags`, with commas between them (may be repeated for others)")
	fl.StringArrayVar(&f.paths, "path", nil, "look only at snapshots that hold this `path` (may be repeated)")
}

func (f *snapshotFlags) filter() snapshot.Filter {
	filter := snapshot.Filter{Hosts: f.hosts, Paths: f.paths}
	for _, tags := range f.tags {
		filter.Tags = append(filter.Tags, snapshot.ParseTagList(tags))
	}
	return filter
}
