// Package verify proves that a repository is what was written: that every
// file of it is sound, that everything a snapshot needs is there, and, if
// asked, that every byte reads back. It tells of whatever is not so which
// snapshots and paths it hits.
//
// # How
//
// Index files are read anew, never from a cache, and compared with the packs
// that are there. Packs that hold trees are read from beginning to end, each
// in one request; on the way every tree is decoded and every blob it names is
// looked up. So a repository in which all that holds is proven sound without
// following a single path, in the order in which the store reads fastest.
//
// Only when something does not hold are the snapshots walked, to tell what of
// the damage is reachable and where. Trees and blobs that no snapshot reaches
// may be incomplete: that is what an interrupted prune leaves.
//
// # Memory
//
// It does not grow with the amount of data: a few buffers for each worker, a
// few bytes for each pack; a walk takes a bit for each blob, and 40 bytes for
// each folder in which there is damage.
package verify

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"holdfast/internal/size"
	"holdfast/repository"
	"holdfast/repository/id"
	"holdfast/repository/snapshot"
)

// Options tell what is checked.
type Options struct {
	// ReadData reads every pack, Subset those of a part. Packs that hold
	// trees, and packs of a wrong size, are always read.
	ReadData bool
	Subset   size.Subset
	// SkipCold, if set, names storage classes in which reading costs extra:
	// packs of file content there are left out of what ReadData and Subset
	// ask for. Packs that cannot be read at once always are.
	SkipCold func(class string) bool
	// Opened tells that the repository was opened, and locked, for this check:
	// that has read the config, the key in use and all locks.
	Opened bool
	// Workers is the number of packs read at once; 0 means the number of CPUs.
	Workers int
	// Progress, if set, is counted up while the check runs.
	Progress *Progress
	// Stage, if set, is told of each part of the work as it begins.
	Stage func(name string)
}

// Progress counts the packs read. It may be read at any time.
type Progress struct {
	Packs, Bytes           atomic.Uint64
	TotalPacks, TotalBytes atomic.Uint64
	Problems               atomic.Uint64
}

// Report tells what a check has found.
type Report struct {
	// Problems are the first of what is wrong, and of hints: at most
	// maxProblems. Those that concern no snapshot come first.
	Problems []Problem
	// Errors and Hints count all of them.
	Errors, Hints int

	// BrokenPacks are those that `repair packs` salvages.
	BrokenPacks []id.ID
	// DamagedSnapshots are snapshots that lack something, oldest first.
	DamagedSnapshots []id.ID

	// RepairIndex, RepairSnapshots and Prune tell what would help.
	RepairIndex, RepairSnapshots, Prune bool

	Snapshots, IndexFiles, Packs, Blobs int
	PacksRead, BytesRead                uint64
	// PackBytes is what all packs take.
	PackBytes uint64
	// ColdPacks and ColdBytes were not read because of their storage class.
	ColdPacks, ColdBytes uint64
	Duration             time.Duration
}

// Sound tells whether nothing but hints was found.
func (r *Report) Sound() bool { return r.Errors == 0 }

// checker holds the state of one check.
type checker struct {
	r         *repository.Repository
	options   Options
	snapshots []*snapshot.Snapshot

	packs map[id.ID]packState
	// coldPacks and coldBytes count what was asked for and is left out.
	coldPacks, coldBytes uint64
	// suspect is set by whatever may concern snapshots, which are then walked.
	suspect atomic.Bool

	mu       sync.Mutex
	problems problems
	damage   map[id.ID]*packDamage
}

// Check checks a repository. The caller holds a lock, or knows that nobody
// removes anything. What others add meanwhile is not checked: at most it gives
// hints. Damage is reported, not returned as an error: an error
// means that the check could not be done.
func Check(ctx context.Context, r *repository.Repository, o Options) (*Report, error) {
	start := time.Now()
	if o.Progress == nil {
		o.Progress = new(Progress)
	}
	if o.Workers == 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	c := &checker{r: r, options: o, packs: make(map[id.ID]packState), damage: make(map[id.ID]*packDamage)}
	report := new(Report)
	steps := []struct {
		name string
		run  func(context.Context, *Report) error
	}{
		{"check config, keys and locks", c.checkSmallFiles},
		{"load snapshots", c.loadSnapshots},
		{"load index files", c.loadIndex},
		{"compare packs with the index", c.comparePacks},
		{"read packs", c.readPacks},
		{"find what the damage hits", c.findAffected},
	}
	for _, step := range steps {
		if o.Stage != nil && (step.name != "find what the damage hits" || c.suspect.Load()) {
			o.Stage(step.name)
		}
		if err := step.run(ctx, report); err != nil {
			return nil, err
		}
	}
	c.finish(report)
	report.Duration = time.Since(start)
	return report, nil
}

// finish moves what was found into the report.
func (c *checker) finish(report *Report) {
	p := c.options.Progress
	report.PacksRead, report.BytesRead = p.Packs.Load(), p.Bytes.Load()
	report.ColdPacks, report.ColdBytes = c.coldPacks, c.coldBytes
	report.Problems = c.problems.list
	report.Errors, report.Hints = c.problems.errors, c.problems.hints
	for kind := range c.problems.kinds {
		report.RepairIndex = report.RepairIndex || kind.fix() == fixIndex
		report.RepairSnapshots = report.RepairSnapshots || kind.fix() == fixSnapshots
		// An orphan pack may hold what is missing: prune would delete it.
		report.Prune = report.Prune || kind.fix() == fixPrune && report.Sound()
	}
	report.RepairIndex = report.RepairIndex || c.problems.has(MissingBlob) && c.problems.has(OrphanPack)
	for pack, d := range c.damage {
		if d.salvage {
			report.BrokenPacks = append(report.BrokenPacks, pack)
		}
	}
	slices.SortFunc(report.BrokenPacks, id.ID.Compare)
	report.RepairSnapshots = report.RepairSnapshots || len(report.DamagedSnapshots) > 0
}

// found records a problem and returns its number.
func (c *checker) found(p Problem) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !p.Kind.IsHint() {
		c.options.Progress.Problems.Add(1)
	}
	return c.problems.add(p)
}

// Has tells whether a problem of a kind with a kind of file is listed.
func (r *Report) Has(k Kind, file repository.FileKind) bool {
	return slices.ContainsFunc(r.Problems, func(p Problem) bool { return p.Kind == k && p.File == file })
}
