package cli

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"holdfast/repository/snapshot"
)

// testPoint says which recovery point a restore test restores.
type testPoint struct {
	// asked is newest, oldest, random, backup-end, a time, or the ID of a
	// snapshot.
	asked string
	// seed is what a random choice comes from.
	seed uint64
	// like is the snapshot that was chosen before, in another repository, and
	// at the instant in the log that went with it, if there was one.
	like *snapshot.Snapshot
	at   time.Time
}

// The points with names.
const (
	pointNewest    = "newest"
	pointOldest    = "oldest"
	pointRandom    = "random"
	pointBackupEnd = "backup-end"
)

// shortestID is the length from on which an ID of a snapshot is taken for one.
const shortestID = 4

// named tells whether the point is one with a name.
func (p testPoint) named() bool {
	switch p.asked {
	case pointNewest, pointOldest, pointRandom, pointBackupEnd:
		return true
	}
	return false
}

// snapshotID returns the ID that the point is, "" for another kind of point.
func (p testPoint) snapshotID() string {
	if p.named() || len(p.asked) < shortestID {
		return ""
	}
	for _, c := range p.asked {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return ""
		}
	}
	return p.asked
}

// time returns the time that the point is; false for another kind of point.
func (p testPoint) time() (time.Time, bool, error) {
	if p.named() || p.snapshotID() != "" {
		return time.Time{}, false, nil
	}
	t, err := parseTargetTime(p.asked)
	if err != nil {
		return t, false, fmt.Errorf("--point: %w; or newest, oldest, random, backup-end, or the ID of a snapshot", err)
	}
	return t, true, nil
}

// random draws from what the seed gives: the same again for the same seed.
func (p testPoint) random() *rand.Rand {
	return rand.New(rand.NewPCG(p.seed, 0)) //nolint:gosec // any point will do
}

var errNoSnapshots = errors.New("there is no snapshot of it: nothing was backed up there, or nothing was copied")

// choose returns the snapshot that is the point; they come oldest first.
func (p testPoint) choose(snapshots []*snapshot.Snapshot) (*snapshot.Snapshot, error) {
	if len(snapshots) == 0 {
		return nil, errNoSnapshots
	}
	if p.like != nil {
		return copyOf(p.like, snapshots)
	}
	newest := snapshots[len(snapshots)-1]
	switch p.asked {
	case pointNewest, pointBackupEnd:
		return newest, nil
	case pointOldest:
		return snapshots[0], nil
	case pointRandom:
		return snapshots[p.random().IntN(len(snapshots))], nil
	}
	if id := p.snapshotID(); id != "" {
		return findSnapshot(snapshots, snapshot.Filter{}, id)
	}
	at, _, err := p.time()
	if err != nil {
		return nil, err
	}
	var chosen *snapshot.Snapshot
	for _, s := range snapshots {
		if !s.Time.After(at) {
			chosen = s
		}
	}
	if chosen == nil {
		return nil, fmt.Errorf("the oldest snapshot is of %s, after the time asked for", snapshots[0].Time.Local().Format(timeFormat))
	}
	return chosen, nil
}
