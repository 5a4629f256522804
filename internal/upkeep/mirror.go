package upkeep

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"holdfast/internal/logarchive"
	"holdfast/repository"
	"holdfast/repository/blob"
	"holdfast/repository/id"
	"holdfast/storage"
)

// A mirror is a byte copy of a whole repository: its keys and config, packs,
// index and snapshots, and everything below holdfast/. It has the repository's
// ID and opens with its passwords. Only locks are left out: they say who works
// on a repository in one place.
//
// # What a crash leaves
//
// Whoever opens a mirror in the middle of a copy must find no snapshot that
// lacks something. So files go over in the order in which a backup writes
// them: keys and config (BeginMirror), packs, index files, snapshots. Config
// comes before the data because it claims the place: from then on two mirrors
// of different repositories cannot mix, and one that was cut off goes on.
// Until snapshots arrive, a mirror is a repository without any.
//
// # Backups at work meanwhile
//
// The source is under a shared lock, so that nothing is removed from it, but
// backups may add to it. Its files are listed in the opposite order: snapshots
// first, then index files, then packs. Whatever a listed snapshot needs was
// indexed before it was written, and whatever a listed index file names was
// stored before that; so the lists hold a complete state, and some more. The
// mirror is under a lock as well: a prune there would take packs for orphans
// that are not listed yet.
//
// # What is not passed on
//
// Damage: each file is hashed on the way and compared with its name, and one
// that does not fit is reported and left out; what the mirror already has of
// it stays, unless its size proves that the mirror's own is damaged and the
// source's hash that the new one is not: then it is replaced. Deletions: without MirrorOptions.Delete nothing is ever removed
// from a mirror, so that whoever wipes the source wipes only that. With it, what
// the source does not have goes only while the source has all that its snapshots
// need: packs that it lost are in the mirror, and perhaps nowhere else.
//
// # What others do in the mirror
//
// While files go over, others may read there, and even write. Deleting needs the
// exclusive lock, so it takes turns with them; each time it looks whether the
// mirror still is what was planned: all index files of the repository are there,
// else somebody pruned the mirror and what is surplus may be needed; and no
// snapshot or index file that the plan does not know, for it may need what is
// surplus. Otherwise all is compared anew.

// mirrorsAtOnce bounds the files on their way: enough to hide the latency of
// remote stores, and the room for spools (a pack each, at most 128 MiB).
const mirrorsAtOnce = 8

// maxDeletedShare is how much of the mirror's snapshots a deletion may remove.
// An attacker who forgets all snapshots of the source, and waits for the next
// mirror, gets no further.
const maxDeletedShare = 0.5

// foreignFolder is where everything lies that is no part of restic's format.
const foreignFolder = "holdfast/"

// evidenceFolder is where evidence lies; see package evidence.
const evidenceFolder = foreignFolder + "evidence/"

// mirrored are the kinds of files in the order in which they are copied.
var mirrored = [...]repository.FileKind{repository.KeyFile, repository.PackFile, repository.IndexFile, repository.SnapshotFile}

// MirrorOptions tell how a repository is mirrored.
type MirrorOptions struct {
	// Delete removes from the mirror the files that the repository does not
	// have, but nothing below holdfast/.
	Delete bool
	// Watch, if set, is told how far the work is.
	Watch Watch
	// OnProblem, if set, is told of each file that is not as it should be, in
	// either place; the others are still copied. One call at a time.
	OnProblem func(key string, err error)
}

// MirrorReceipt tells what a mirror run did.
type MirrorReceipt struct {
	// Copied are the files that the mirror lacked, Present those it had.
	Copied, Present Amount
	// Replaced counts the files among Copied that were damaged in the mirror.
	Replaced int
	// Deleted counts the files that were removed from the mirror, Surplus those
	// that it has beside those of the repository still.
	Deleted, Surplus int
	// Problems counts the files reported to OnProblem.
	Problems int
}

// MirrorPlan says what brings a mirror in line with its repository.
type MirrorPlan struct {
	from, to *repository.Repository
	options  MirrorOptions
	bulk     id.Set // packs of data, as the index of the source says

	// files are those that the mirror lacks, in the order of mirrored; records
	// those below holdfast/.
	files   [len(mirrored)][]mirrorFile
	records []mirrorFile
	// surplus are files of the mirror that the repository does not have.
	surplus [len(mirrored)][]id.ID
	// indexed are the index files of the repository, known the snapshots and
	// index files of both.
	indexed, known id.Set

	missing, present Amount
	snapshots        int // in the mirror
	// heldBack is why nothing is deleted, although it is asked for.
	heldBack error
}

// mirrorFile is a file to be copied. ID is zero for one that no hash proves.
type mirrorFile struct {
	key       string
	kind      repository.FileKind
	id        id.ID
	sizeBytes int64
	// replace tells that the mirror has it, but of another size.
	replace bool
}

// Missing is what would be copied.
func (p *MirrorPlan) Missing() Amount { return p.missing }

// Surplus counts the files that a deletion would remove.
func (p *MirrorPlan) Surplus() int {
	n := 0
	for _, ids := range p.surplus {
		n += len(ids)
	}
	return n
}

// PlanMirror compares a repository with its mirror, which BeginMirror opened.
// The index of the source is loaded; both are locked, with shared locks at
// least.
func PlanMirror(ctx context.Context, from, to *repository.Repository, o MirrorOptions) (*MirrorPlan, error) {
	p := &MirrorPlan{from: from, to: to, options: o, indexed: make(id.Set), known: make(id.Set)}
	for n := len(mirrored) - 1; n >= 0; n-- { // snapshots first: see above
		if err := p.compare(ctx, n); err != nil {
			return nil, err
		}
	}
	if err := p.compareRecords(ctx); err != nil {
		return nil, err
	}
	var err error
	if p.bulk, err = dataPacks(ctx, from); err != nil {
		return nil, err
	}
	if o.Delete {
		err = p.mayDelete()
	}
	if err == nil && o.Delete && p.Surplus() > 0 {
		p.heldBack = wantComplete(ctx, from, o.Watch)
	}
	return p, err
}

// HeldBack is why nothing would be deleted, or nil: the repository lacks what
// its snapshots need, and the mirror may have it.
func (p *MirrorPlan) HeldBack() error { return p.heldBack }

// compare lists the files of a kind in both places.
func (p *MirrorPlan) compare(ctx context.Context, n int) error {
	kind := mirrored[n]
	had := make(map[id.ID]int64)
	// The mirror is listed first: what comes to it meanwhile is copied twice,
	// which does nothing.
	err := p.to.ListFiles(ctx, kind, func(i id.ID, sizeBytes int64) error {
		had[i] = sizeBytes
		p.note(kind, i)
		return nil
	})
	if err != nil {
		return fmt.Errorf("mirror: %w", err)
	}
	if kind == repository.SnapshotFile {
		p.snapshots = len(had)
	}
	err = p.from.ListFiles(ctx, kind, func(i id.ID, sizeBytes int64) error {
		f := mirrorFile{key: kind.Key(i), kind: kind, id: i, sizeBytes: sizeBytes}
		p.note(kind, i)
		if kind == repository.IndexFile {
			p.indexed.Add(i)
		}
		size, ok := had[i]
		delete(had, i)
		if ok && size == sizeBytes {
			p.present.add(uint64(sizeBytes)) //nolint:gosec // sizes are not negative
			return nil
		}
		f.replace = ok
		p.files[n] = append(p.files[n], f)
		p.missing.add(uint64(sizeBytes)) //nolint:gosec // see above
		return nil
	})
	for i := range had {
		p.surplus[n] = append(p.surplus[n], i)
	}
	return err
}

// note remembers a file that says what is needed.
func (p *MirrorPlan) note(k repository.FileKind, i id.ID) {
	if k == repository.IndexFile || k == repository.SnapshotFile {
		p.known.Add(i)
	}
}

// compareRecords does the same below holdfast/, where the mirror may have
// records of its own.
func (p *MirrorPlan) compareRecords(ctx context.Context) error {
	had := make(map[string]struct{})
	err := p.to.Store().List(ctx, foreignFolder, func(info storage.Info) error {
		had[info.Key] = struct{}{}
		return nil
	})
	if err != nil && !errors.Is(err, storage.ErrUnsupported) { // then Put will say so, too
		return fmt.Errorf("mirror: list %s: %w", foreignFolder, err)
	}
	err = p.from.Store().List(ctx, foreignFolder, func(info storage.Info) error {
		if _, ok := had[info.Key]; ok || logarchive.IsMark(info.Key) {
			return nil // a mark speaks of the log in one place
		}
		f := mirrorFile{key: info.Key, kind: repository.RecordFile, sizeBytes: info.SizeBytes}
		if i, ok := repository.RecordID(info.Key); ok {
			f.id = i
		}
		p.records = append(p.records, f)
		p.missing.add(uint64(info.SizeBytes)) //nolint:gosec // sizes are not negative
		return nil
	})
	if err != nil && !errors.Is(err, storage.ErrUnsupported) { // then there is nothing
		return fmt.Errorf("list %s: %w", foreignFolder, err)
	}
	return nil
}

// mayDelete refuses a deletion that looks like an attack or an accident.
func (p *MirrorPlan) mayDelete() error {
	gone := len(p.surplus[len(mirrored)-1])
	if float64(gone) <= maxDeletedShare*float64(p.snapshots) {
		return nil
	}
	return fmt.Errorf("--delete would remove %d of the %d snapshots of the mirror at %s, because %s does not have them; nothing was done. "+
		"If that is meant, remove them there with `holdfast forget` first", gone, p.snapshots, p.to.Location(), p.from.Location())
}

// dataPacks returns the packs that hold content of files, which lifecycle
// rules may move to a colder class.
func dataPacks(ctx context.Context, r *repository.Repository) (id.Set, error) {
	packs := make(id.Set)
	err := r.Index().ByPack(ctx, nil, func(pack id.ID, blobs []blob.Blob) error {
		for _, b := range blobs {
			if b.Type != blob.Data {
				return nil
			}
		}
		packs.Add(pack)
		return nil
	})
	return packs, err
}

// Execute copies what is missing. It may be cut off at any instant; the next
// run goes on. Damage of single files is a problem of the receipt, not an error.
func (p *MirrorPlan) Execute(ctx context.Context) (*MirrorReceipt, error) {
	counter, done := p.options.Watch.start("mirror", p.missing)
	defer done()
	m := &mirrorer{plan: p, counter: counter}
	m.receipt.Present = p.present
	for _, files := range p.files {
		if err := m.copyAll(ctx, files); err != nil {
			return &m.receipt, err
		}
	}
	return &m.receipt, m.copyRecords(ctx)
}

// mirrorer executes a plan.
type mirrorer struct {
	plan    *MirrorPlan
	counter *Counter

	mu      sync.Mutex
	receipt MirrorReceipt
}

// problem reports a file that is not as it should be.
func (m *mirrorer) problem(f mirrorFile, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.receipt.Problems++
	if m.plan.options.OnProblem != nil {
		m.plan.options.OnProblem(f.key, err)
	}
}

// copyAll copies files of one kind, several at once. When it returns nil, all
// that are sound are in the mirror.
func (m *mirrorer) copyAll(ctx context.Context, files []mirrorFile) error {
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(mirrorsAtOnce)
	for _, f := range files {
		if gctx.Err() != nil {
			break
		}
		g.Go(func() error {
			err := m.copy(gctx, f)
			// What is damaged in the mirror and locked there cannot be replaced;
			// what got damaged on its way there was removed (ErrConflict).
			if (repository.IsCorrupt(err) || errors.Is(err, storage.ErrImmutable) || errors.Is(err, storage.ErrConflict)) && gctx.Err() == nil {
				m.problem(f, err)
				return nil
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return context.Cause(ctx)
}

// copyRecords copies what is holdfast's own. A store that holds nothing but
// restic's files is told of once, and only if more is left out than evidence,
// which speaks of the repository as it was elsewhere.
func (m *mirrorer) copyRecords(ctx context.Context) error {
	err := m.copyAll(ctx, m.plan.records)
	if !errors.Is(err, storage.ErrUnsupported) {
		return err
	}
	for _, f := range m.plan.records {
		if !strings.HasPrefix(f.key, evidenceFolder) {
			m.problem(f, fmt.Errorf("nothing below %s is in the mirror: %w", foreignFolder, err))
			break
		}
	}
	return nil
}

// copy brings one file over, and counts it.
func (m *mirrorer) copy(ctx context.Context, f mirrorFile) error {
	p := m.plan
	put := storage.PutOptions{Bulk: f.kind == repository.PackFile && p.bulk.Has(f.id)}
	if err := copyFile(ctx, p.from.Store(), p.to.Store(), f, put); err != nil {
		return err
	}
	size := uint64(f.sizeBytes) //nolint:gosec // sizes are not negative
	m.counter.Items.Add(1)
	m.counter.Bytes.Add(size)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.receipt.Copied.add(size)
	if f.replace {
		m.receipt.Replaced++
	}
	return nil
}

// isThere tells whether err says that the object is stored already, which is
// as good as storing it: its name is its hash.
func isThere(err error) bool { return errors.Is(err, storage.ErrExists) }
