package backup

import (
	"fmt"
	"strings"

	"holdfast/repository"
	"holdfast/repository/snapshot"
)

// ParseType reads a type of backup as users write it: those that Run makes.
func ParseType(s string) (snapshot.Type, error) {
	switch t := snapshot.Type(s); t {
	case snapshot.Full, snapshot.Incremental, snapshot.Differential:
		return t, nil
	}
	return "", fmt.Errorf("unknown backup type %q: want %s, %s or %s", s, snapshot.Full, snapshot.Incremental, snapshot.Differential)
}

// chooseParent returns the snapshot to compare with: nil for a full backup.
// When the type asks for one and there is none, why says so, and the backup
// becomes a full one.
func chooseParent(o Options) (parent *snapshot.Snapshot, why string) {
	if o.Type == snapshot.Full {
		return nil, ""
	}
	if o.Parent != nil {
		return o.Parent, ""
	}
	group := o.GroupBy.Key(&o.Snapshot).JSON()
	for _, s := range o.Snapshots {
		if s.Time.After(o.Snapshot.Time) || o.GroupBy.Key(s).JSON() != group {
			continue
		}
		if o.Type == snapshot.Differential && s.Type() != snapshot.Full {
			continue
		}
		if parent == nil || !s.Time.Before(parent.Time) {
			parent = s
		}
	}
	switch {
	case parent != nil:
		return parent, ""
	case o.Type == snapshot.Differential:
		return nil, "there is no full snapshot of this source yet"
	}
	return nil, "there is no snapshot of this source yet"
}

// cutterFor returns the name of the cutter: restic's own when restic wrote
// the parent, so that unchanged parts of changed files are found again, and
// the repository's otherwise.
func cutterFor(parent *snapshot.Snapshot) string {
	if parent != nil && strings.HasPrefix(parent.ProgramVersion, "restic ") {
		return repository.RabinCutter
	}
	return ""
}
