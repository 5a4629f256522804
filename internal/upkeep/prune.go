package upkeep

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"holdfast/internal/size"
	"holdfast/repository"
	"holdfast/repository/id"
	"holdfast/repository/snapshot"
)

// PruneOptions tell how much work prune may do to free how much.
type PruneOptions struct {
	// MaxUnused is how much unused data may stay, in packs that also hold
	// used data. The zero value lets nothing stay; see DefaultMaxUnused.
	MaxUnused size.Unused
	// MaxRepack bounds the size of the packs that are rewritten; nil is no
	// bound.
	MaxRepack *size.Bytes
	// RepackSmall rewrites packs below 80 % of the pack size, not only those
	// below 4 %.
	RepackSmall bool
	// RepackSmallerThan, if not 0, is the size below which packs are
	// rewritten, whatever RepackSmall says.
	RepackSmallerThan size.Bytes
	// RepackUncompressed rewrites packs of file content in which something is
	// not compressed, as old repositories have them, and compresses it: all of
	// it, even what does not get smaller, so that it is done once. Packs of
	// folders are always rewritten for that.
	RepackUncompressed bool
	// RepackCacheableOnly rewrites no packs of file content, which on cold
	// storage are slow or expensive to read.
	RepackCacheableOnly bool
	// Cold says what becomes of packs in colder storage classes. The zero
	// value treats all classes alike, but for packs that cannot be read: those
	// are never rewritten.
	Cold ColdRules
	// MaxTime bounds how long packs are rewritten, and then deleted: what is
	// under way then is ended, and the rest is for another prune. 0 is no bound.
	MaxTime time.Duration
	// Slice bounds how long one call of Execute deletes packs, so that others
	// get to the repository in between; see PrunePlan.Left. 0 is no bound.
	Slice time.Duration
	// Writer tells how the new packs are written.
	Writer repository.WriterOptions
	// Without are snapshots that count as gone: for dry runs.
	Without id.Set
	// Watch, if set, is told how far the work is.
	Watch Watch
	// Warn, if set, is told of what does not stop prune. It may be called from
	// several goroutines at once.
	Warn func(item string, err error)

	// alone tells that nobody adds anything while the plan is made.
	alone bool
}

// DefaultMaxUnused is restic's: with 5 % of unused data allowed, hardly any
// pack is rewritten for the sake of a few blobs.
func DefaultMaxUnused() size.Unused {
	u, err := size.ParseUnused("5%")
	if err != nil {
		panic("upkeep: " + err.Error())
	}
	return u
}

var (
	// ErrIncomplete says that the repository lacks something its snapshots
	// need. Prune then deletes nothing: what looks useless may be what a
	// repair needs.
	ErrIncomplete = errors.New("the repository lacks data that its snapshots need; nothing was deleted; `holdfast check` tells what is wrong")
	// ErrOutdated says that somebody else removed from the repository since the
	// plan was made. Nothing was deleted by it; another plan has to be made.
	ErrOutdated = errors.New("others removed something meanwhile; run the command again")
	// errExecuted says that a plan no longer describes the repository.
	errExecuted = errors.New("the plan was executed already")
	// errPointless says that packs would be rewritten for nothing, every time.
	errPointless = errors.New("packs cannot be rewritten to be compressed with compression switched off")
)

// PruneStats says what a plan found and what it will do. Bytes are stored
// bytes, without the headers of packs.
type PruneStats struct {
	// Used, Duplicate and Unused divide all blobs: needed by snapshots, each
	// blob once; further copies of those; not needed.
	Used      Amount `json:"used"`
	Duplicate Amount `json:"duplicate"`
	Unused    Amount `json:"unused"`
	// Remove is what goes with packs that are deleted as a whole, Repack what
	// is in packs that are rewritten, RepackRemoved the part of it that is
	// left behind.
	Remove        Amount `json:"remove"`
	Repack        Amount `json:"repack"`
	RepackRemoved Amount `json:"repack_removed"`

	// Limited tells that packs stay that would have been rewritten, because of
	// MaxRepack: there is more to do.
	Limited bool `json:"limited,omitempty"`

	// The packs: kept, rewritten, deleted.
	PacksKeep   int `json:"packs_keep"`
	PacksRepack int `json:"packs_repack"`
	PacksRemove int `json:"packs_remove"`
	// Unindexed are packs in no index file, as interrupted work leaves them.
	Unindexed Amount `json:"unindexed"`
	// PacksMissing counts packs that are listed, gone, and not needed.
	PacksMissing int `json:"packs_missing"`
	// IndexFiles counts the index files that are replaced.
	IndexFiles int `json:"index_files"`

	// Cold are packs that stay because of their storage class, with the bytes
	// in them that are of no use. ColdFee is what the service charges for
	// deleting packs before their time: those that go, or, where none of them
	// goes, those that stay for that reason.
	Cold    Amount  `json:"cold"`
	ColdFee float64 `json:"cold_fee"`
	// Locked are packs that are under a retention: where the place keeps
	// versions they go from sight now, and their bytes when the last of the
	// retentions has ended, at LockedUntil; elsewhere they stay.
	Locked      Amount    `json:"locked"`
	LockedUntil time.Time `json:"locked_until,omitzero"`
	// LockedStay tells that the locked packs stay.
	LockedStay bool `json:"locked_stay,omitempty"`
}

// Freed returns how many bytes the repository gets smaller by, about.
func (s *PruneStats) Freed() uint64 {
	return s.Remove.Bytes + s.RepackRemoved.Bytes + s.Unindexed.Bytes
}

// UnusedAfter returns how many bytes stay although no snapshot needs them.
func (s *PruneStats) UnusedAfter() uint64 {
	return s.Unused.Bytes + s.Duplicate.Bytes - s.Remove.Bytes - s.RepackRemoved.Bytes
}

// toMove returns what is read and stored again.
func (s *PruneStats) toMove() Amount {
	return Amount{Count: s.Repack.Count - s.RepackRemoved.Count, Bytes: s.Repack.Bytes - s.RepackRemoved.Bytes}
}

// PrunePlan is what prune will do to a repository. It is good as long as the
// lock is held under which it was made, and for one execution.
//
// The lock may be a shared one, so that nobody waits for what takes long:
//
//	p := PlanPrune   // shared lock: finds out what snapshots need
//	p.Prepare        // shared lock: stores new packs and index files
//	p.CatchUp        // exclusive lock: looks at what others did meanwhile
//	p.Execute        // exclusive lock: deletes
//
// Whatever arrived between the locks stays, and so does all that it needs.
// Prune does all of this.
type PrunePlan struct {
	Stats PruneStats

	repo *repository.Repository
	o    PruneOptions
	// index is the table the plan was made with, used the positions of the
	// blobs that snapshots need.
	index *repository.Index
	used  bitset
	// looked are the snapshots whose needs are in used, and files the index
	// files that must be there for the plan to hold.
	looked id.Set
	files  []id.ID
	// reindex replaces index files, once Prepare has made it. Packs in rescued
	// are needed since.
	reindex *repository.Reindex
	rescued id.Set
	// packs are all packs in the index, by their IDs.
	packs []packState
	// unindexed are packs in no index file.
	unindexed []id.ID
	// damaged are index files that cannot be used. All that is needed is
	// listed elsewhere.
	damaged  []id.ID
	prepared bool
	executed bool
	// left are packs in no index file any more that are to be deleted.
	left []id.ID
	// began is when the rewriting and deleting did, and cut tells that it ended
	// before all was done.
	began time.Time
	cut   bool
	// indexLocked says that no index file may be replaced.
	indexLocked bool
}

// PlanPrune finds out what a repository needs and what it does not. The error
// wraps ErrIncomplete, or a *repository.CorruptError, when the repository is
// not sound enough to delete anything from it.
func PlanPrune(ctx context.Context, r *repository.Repository, o PruneOptions) (*PrunePlan, error) {
	if o.Writer.PackSizeBytes == 0 {
		o.Writer.PackSizeBytes = repository.DefaultPackSize
	}
	o.Writer.Rewrite = true
	if o.RepackUncompressed {
		if o.Writer.Compression == repository.CompressionOff {
			return nil, fmt.Errorf("prune: %w", errPointless)
		}
		o.Writer.CompressAll = true
	}
	p := newPrunePlan(r, o)
	if err := p.look(ctx); err != nil {
		return nil, err
	}
	p.choose()
	if err := p.spareLocked(ctx); err != nil {
		return nil, err
	}
	if p.indexLocked {
		return p, nil
	}
	p.Stats.IndexFiles = len(r.PlanReindex(p.isForgotten, p.damaged).Replaced)
	return p, nil
}

func newPrunePlan(r *repository.Repository, o PruneOptions) *PrunePlan {
	return &PrunePlan{repo: r, o: o, looked: make(id.Set), rescued: make(id.Set)}
}

// look finds out what snapshots need, in which packs it is, and that these are
// there.
func (p *PrunePlan) look(ctx context.Context) error {
	packs := newPackList(p)
	defer packs.abandon()
	snapshots, err := p.load(ctx, packs)
	if err != nil {
		return err
	}
	if err := p.findUsed(ctx, snapshots); err != nil {
		return err
	}
	if err := p.survey(ctx); err != nil {
		return err
	}
	return p.compareStored(packs)
}

// load loads the snapshots and the index, and asks for the list of packs. While
// others may add something the snapshots come first, and the packs last: whatever
// one needs was there before it. Otherwise all are asked for at once.
func (p *PrunePlan) load(ctx context.Context, packs *packList) ([]*snapshot.Snapshot, error) {
	if p.o.alone {
		packs.start(ctx)
		loaded := make(chan error, 1)
		go func() { loaded <- p.loadIndex(ctx) }()
		snapshots, err := p.loadSnapshots(ctx)
		return snapshots, errors.Join(err, <-loaded)
	}
	snapshots, err := p.loadSnapshots(ctx)
	if err != nil {
		return nil, err
	}
	if err := p.loadIndex(ctx); err != nil {
		return nil, err
	}
	packs.start(ctx)
	return snapshots, nil
}

func (p *PrunePlan) loadSnapshots(ctx context.Context) ([]*snapshot.Snapshot, error) {
	snapshots, err := p.repo.Snapshots(ctx)
	if err != nil {
		return nil, fmt.Errorf("load all snapshots, to find out what they need; nothing was deleted: %w", err)
	}
	return snapshots, nil
}

// wantComplete returns an error that wraps ErrIncomplete when a repository lacks
// what its snapshots need.
func wantComplete(ctx context.Context, r *repository.Repository, w Watch) error {
	return newPrunePlan(r, PruneOptions{Watch: w}).look(ctx)
}

// loadIndex loads the index. Damaged files are noted: if all that is needed
// is in the others, they are of no use.
func (p *PrunePlan) loadIndex(ctx context.Context) error {
	err := p.repo.LoadIndex(ctx)
	damaged, ok := repository.DamagedIndexFiles(err)
	if !ok {
		return err
	}
	if err != nil {
		p.warn("index", err)
	}
	p.damaged = damaged
	p.index, p.files = p.repo.Index().Frozen(), p.repo.Index().Files()
	if p.index.Len() > math.MaxUint32 {
		return fmt.Errorf("the index lists %d blobs: more than this program can prune", p.index.Len())
	}
	return nil
}

// findUsed walks the trees of all snapshots.
func (p *PrunePlan) findUsed(ctx context.Context, snapshots []*snapshot.Snapshot) error {
	trees, done := p.o.Watch.start("find used data", Amount{})
	defer done()
	p.used = newBitset(p.index.Len())
	var roots []id.ID
	for _, s := range snapshots {
		p.looked.Add(s.ID)
		if !p.o.Without.Has(s.ID) {
			roots = append(roots, s.Tree)
		}
	}
	w := reach{repo: p.repo, index: p.index, found: p.used, trees: trees}
	err := w.from(ctx, roots)
	if isLoss(err) {
		return fmt.Errorf("%w: %w", ErrIncomplete, err)
	}
	return err
}

// NothingToDo tells whether executing the plan changes anything.
func (p *PrunePlan) NothingToDo() bool {
	s := &p.Stats
	return s.PacksRepack == 0 && s.PacksRemove == 0 && s.PacksMissing == 0 && s.IndexFiles == 0 && len(p.unindexed) == 0
}

// Cut tells whether something of the plan is left for another prune, as
// PruneOptions.MaxTime says.
func (p *PrunePlan) Cut() bool { return p.cut || len(p.left) > 0 }

// Left returns how many packs another call of Execute would delete, after
// CatchUp and under the exclusive lock, as PruneOptions.Slice says.
func (p *PrunePlan) Left() int {
	if p.timeIsUp() {
		return 0
	}
	return len(p.left)
}

// Unindexed returns the packs in no index file, which are deleted first.
func (p *PrunePlan) Unindexed() []id.ID { return p.unindexed }

// Repack returns the packs that are rewritten and then deleted.
func (p *PrunePlan) Repack() []id.ID { return p.with(repackPack) }

// Remove returns the packs that are deleted as a whole.
func (p *PrunePlan) Remove() []id.ID { return p.with(removePack) }

func (p *PrunePlan) with(a packAction) []id.ID {
	var packs []id.ID
	for i := range p.packs {
		if p.packs[i].action == a {
			packs = append(packs, p.packs[i].id)
		}
	}
	return packs
}

func (p *PrunePlan) warn(item string, err error) {
	if p.o.Warn != nil {
		p.o.Warn(item, err)
	}
}
