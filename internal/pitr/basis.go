package pitr

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"holdfast/repository/snapshot"
)

// NewBackup is a base backup that is about to be taken.
type NewBackup struct {
	// Type is the one asked for.
	Type snapshot.Type
	// Source is what is backed up, Host where that is done. Without a host the
	// earlier backup may come from any.
	Source, Host string
	// Begins is when, by the clock of this host.
	Begins time.Time
	// Need is the part of the log it needs, as far as that is known: Start and
	// the rest, or nothing.
	Need Need
	// FullEvery makes every so manieth backup read everything; 0 does not.
	FullEvery int
	// Doubt is why nothing from before can be relied on, or "".
	Doubt string
}

// Basis chooses the earlier base backup that a new one is compared with: the
// newest, for a differential one the newest full one. It returns nil when
// everything has to be read, and why, unless that is what was asked for.
//
// Whatever puts the state of files in doubt makes a full backup of it: the
// cluster may be another one, or an older state of itself, or the times of
// its files may not mean what they say.
func Basis(snapshots []*snapshot.Snapshot, b NewBackup) (basis *snapshot.Snapshot, why string) {
	if b.Type == snapshot.Full {
		return nil, ""
	}
	points := slices.DeleteFunc(Points(snapshots, b.Source), func(p Point) bool { return b.Host != "" && p.Snapshot.Hostname != b.Host })
	if len(points) == 0 {
		why := "there is no base backup of this source yet"
		if b.Host != "" {
			why += " that was taken by this host"
		}
		return nil, why
	}
	newest := points[len(points)-1]
	if why := b.doubts(points, newest); why != "" {
		return nil, why
	}
	if b.Type == snapshot.Incremental {
		return newest.Snapshot, ""
	}
	for _, p := range slices.Backward(points) {
		if p.Snapshot.Type() == snapshot.Full {
			if why := cmp.Or(b.mismatch(p), damageOf(p)); why != "" {
				return nil, why
			}
			return p.Snapshot, ""
		}
	}
	return nil, "there is no full base backup of this source yet"
}

// doubts says why nothing is to be relied on, or "".
func (b *NewBackup) doubts(points []Point, newest Point) string {
	if b.Doubt != "" {
		return b.Doubt
	}
	if newest.Snapshot.Time.After(b.Begins) {
		return fmt.Sprintf("the clock was set back: snapshot %s is of %s", newest.Snapshot.ID.Short(), newest.Snapshot.Time.Format(time.DateTime))
	}
	if why := b.mismatch(newest); why != "" {
		return why
	}
	for _, p := range points {
		if p.System == newest.System && p.Timeline == newest.Timeline && p.Start > newest.Start {
			return fmt.Sprintf("the clock was set back once: snapshot %s is older than %s, but was taken later", p.Snapshot.ID.Short(), newest.Snapshot.ID.Short())
		}
	}
	if why := damageOf(newest); why != "" {
		return why
	}
	if b.FullEvery > 0 && sinceFull(points)+1 >= b.FullEvery {
		return fmt.Sprintf("every %d backups everything is read", b.FullEvery)
	}
	return ""
}

// mismatch says why an earlier backup is not of what is backed up now, or "".
func (b *NewBackup) mismatch(p Point) string {
	now, short := b.Need, p.Snapshot.ID.Short()
	switch {
	case now.System == "":
		return ""
	case p.System != now.System:
		return fmt.Sprintf("snapshot %s is of another cluster (system identifier %s, and this one has %s)", short, p.System, now.System)
	case p.Timeline != now.Timeline:
		return fmt.Sprintf("the server is on timeline %d, and snapshot %s is of timeline %d", now.Timeline, short, p.Timeline)
	case p.Start > now.Start:
		return fmt.Sprintf("the server stands at %s, before %s where snapshot %s begins: it was set back", now.Start, p.Start, short)
	}
	return ""
}

// damageOf says what of an earlier backup is damaged, or "".
func damageOf(p Point) string {
	if what := p.Snapshot.Damaged(); what != "" {
		return fmt.Sprintf("snapshot %s has damaged %s", p.Snapshot.ID.Short(), what)
	}
	return ""
}

// sinceFull counts the backups after the newest full one.
func sinceFull(points []Point) (n int) {
	for _, p := range slices.Backward(points) {
		if p.Snapshot.Type() == snapshot.Full {
			break
		}
		n++
	}
	return n
}
