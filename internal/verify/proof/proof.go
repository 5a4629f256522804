// Package proof restores a snapshot that was just made to a scratch folder,
// and holds what comes back against the source, item by item: types, modes,
// times, owners, link targets, hard links, extended attributes and every
// byte of content.
//
// Sources live on while they are proven. What changed since the backup is
// told by its size, times and inode, and is judged by what the snapshot
// recorded of it: the restored file must then hold the recorded content and
// metadata. It is counted, and no failure.
//
// Without a source, as long after the backup, all of it is judged so.
//
// Scratch space is bounded. A snapshot larger than the room there is comes
// back in parts, each a range of the snapshot in the order of its trees,
// removed before the next one. A single file larger than the room is not
// restored: it is read from the repository and compared as it streams by.
// Proof tells how many of both there were, so that nobody takes one kind of
// proof for the other.
package proof

import (
	"context"
	"fmt"
	"time"

	"holdfast/internal/snapfs"
	"holdfast/internal/source"
	"holdfast/repository/tree"
)

// Restored is what a restore of a part reports.
type Restored struct {
	Duration time.Duration
	// Bytes is the content that was written.
	Bytes uint64
	// NoOwners and NoAttributes tell that this user, or the file system of
	// the scratch folder, did not permit to restore these. What is missing
	// for that reason is no difference.
	NoOwners, NoAttributes bool
}

// Options tell what is proven, and with what.
type Options struct {
	// Snapshot holds what was backed up.
	Snapshot *snapfs.FS
	// Source is what it was backed up from. If it is nil, everything is held
	// against what the snapshot recorded.
	Source source.Source
	// Restore restores the part of the snapshot that within selects to a
	// folder. It reports what it could not restore to OnDifference.
	Restore func(ctx context.Context, target string, within func(path string) (selected, below bool)) (Restored, error)
	// Read makes a folder of this machine a source; it is given scratch
	// folders.
	Read func(path string) (source.Source, error)
	// Scratch makes and removes the folders that are restored to.
	Scratch *Scratch
	// Limit bounds the scratch space in bytes further than the disk does;
	// 0 does not.
	Limit uint64
	// Root tells that owners can be restored, so that they are compared.
	Root bool
	// Restored, if set, is called with the folder of each part that came back,
	// after it was compared and before it is removed. Whole tells that it is
	// all there is.
	Restored func(ctx context.Context, target string, whole bool) error
	// OnPhase, if set, is told when a long phase begins: "restore" or
	// "compare", and the bytes it is about.
	OnPhase func(phase string, part, parts int, bytes uint64)
	// Progress, if set, is counted up.
	Progress *Progress
	// OnDifference, if set, is told of everything that did not come back as
	// it should. It is called by several goroutines, one at a time.
	OnDifference func(path string, err error)
}

// Proof tells what was proven.
type Proof struct {
	// Files, Folders and Others count the items that came back right; Bytes
	// is the content of the files.
	Files, Folders, Others, Bytes uint64
	// ChangedSince counts the items that are no longer what they were when
	// they were backed up; they were held against the snapshot.
	ChangedSince uint64
	// Differences counts what did not come back as it should.
	Differences uint64
	// Parts is the number of parts that were restored one after the other.
	Parts int
	// TooLarge lists the files for which there was no room: they were read
	// from the repository and compared, but not restored. At most 10 are
	// named; TooLargeFiles counts all.
	TooLarge      []string
	TooLargeFiles uint64
	// Needed and Room are the scratch space that the whole restore needs and
	// that there was, in bytes.
	Needed, Room uint64
	// RestoreDuration is how long the restores took, RestoredBytes the
	// content they wrote.
	RestoreDuration time.Duration
	RestoredBytes   uint64
	// NoOwners and NoAttributes: see Restored.
	NoOwners, NoAttributes bool
	// Duration is that of the whole proof.
	Duration time.Duration
}

// Holds tells whether everything came back.
func (p *Proof) Holds() bool { return p.Differences == 0 }

// Run proves a snapshot. The caller holds a shared lock on its repository.
//
// Differences are counted in the proof. An error means that there is no
// proof either way.
func Run(ctx context.Context, o Options) (*Proof, error) {
	start := time.Now()
	if o.Progress == nil {
		o.Progress = new(Progress)
	}
	room, err := o.room()
	if err != nil {
		return nil, err
	}
	plan, err := makePlan(ctx, o.Snapshot, room)
	if err != nil {
		return nil, fmt.Errorf("plan the restore test: %w", err)
	}
	r := &run{Options: o}
	r.proof.Needed, r.proof.Room = plan.need, room
	for k, part := range plan.parts {
		r.part, r.parts = k+1, len(plan.parts)
		if err := r.prove(ctx, part); err != nil {
			return nil, err
		}
	}
	r.proof.Differences = o.Progress.Differences.Load()
	r.proof.Duration = time.Since(start)
	return &r.proof, r.proof.covers(plan.items)
}

// covers makes sure that a proof without differences speaks of every item:
// one that looked at nothing has found nothing either.
func (p *Proof) covers(items uint64) error {
	if seen := p.Files + p.Folders + p.Others; p.Holds() && seen != items {
		return fmt.Errorf("the restore test compared %d items, and the snapshot has %d: this is a bug, please report it", seen, items)
	}
	return nil
}

// room returns how much may be restored at once.
func (o *Options) room() (uint64, error) {
	room, err := o.Scratch.Room()
	if err != nil {
		return 0, err
	}
	if o.Limit > 0 {
		room = min(room, o.Limit)
	}
	return room, nil
}

// run is the state of one proof.
type run struct {
	Options
	proof       Proof
	part, parts int
}

// prove restores a part, compares it and removes it.
func (r *run) prove(ctx context.Context, p part) (err error) {
	if p.streamed {
		r.phase("compare", p.bytes)
		return r.compare(ctx, p, nil)
	}
	target, err := r.Scratch.Make()
	if err != nil {
		return err
	}
	defer func() {
		if rerr := r.Scratch.Remove(target); err == nil {
			err = rerr
		}
	}()
	r.phase("restore", p.bytes)
	restored, err := r.Restore(ctx, target, p.judge)
	if err != nil {
		return fmt.Errorf("restore to the scratch folder: %w", err)
	}
	r.proof.Parts++
	r.proof.RestoreDuration += restored.Duration
	r.proof.RestoredBytes += restored.Bytes
	r.proof.NoOwners = r.proof.NoOwners || restored.NoOwners
	r.proof.NoAttributes = r.proof.NoAttributes || restored.NoAttributes
	src, err := r.Read(target)
	if err != nil {
		return fmt.Errorf("read the scratch folder: %w", err)
	}
	back, err := openFolder(ctx, src, target)
	if err != nil {
		return fmt.Errorf("read the scratch folder: %w", err)
	}
	defer back.Close() //nolint:errcheck // it was only read
	r.phase("compare", p.bytes)
	if err := r.compare(ctx, p, back); err != nil || r.Restored == nil {
		return err
	}
	return r.Restored(ctx, target, r.parts == 1)
}

func (r *run) phase(name string, bytes uint64) {
	if r.OnPhase != nil {
		r.OnPhase(name, r.part, r.parts, bytes)
	}
}

// compare holds a part of the snapshot against the source and, unless it is
// nil, what came back.
func (r *run) compare(ctx context.Context, p part, back source.Dir) error {
	var live source.Dir
	if r.Source != nil {
		var err error
		if live, err = r.Source.Open(ctx); err != nil {
			return fmt.Errorf("open the source: %w", err)
		}
		defer live.Close() //nolint:errcheck // it was only read
	}
	c := &comparison{run: r, part: p, links: make(map[fileKey]fileKey)}
	root := r.Snapshot.Root()
	return c.folder(ctx, "", *root.Subtree, back, live)
}

// maxNamed bounds the names of a list that is printed.
const maxNamed = 10

func (p *Proof) addTooLarge(path string) {
	p.TooLargeFiles++
	if len(p.TooLarge) < maxNamed {
		p.TooLarge = append(p.TooLarge, path)
	}
}

// cost is how much scratch space an item takes: its content in whole blocks,
// and some for its entry and what the file system keeps about it.
func cost(n *tree.Node) uint64 {
	const block = 4 << 10
	const entry = 512
	switch n.Type {
	case tree.File:
		return (n.Size+block-1)/block*block + entry
	case tree.Dir:
		return block + entry
	}
	return entry
}
