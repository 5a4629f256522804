package upkeep

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"holdfast/repository"
	"holdfast/repository/id"
	"holdfast/repository/snapshot"
)

// Edit is a snapshot and what is to be stored in its place.
type Edit struct {
	Old *snapshot.Snapshot
	// New has its ID once it is stored.
	New *snapshot.Snapshot
}

// EditTurns tells which snapshots are edited, and how that takes turns with the
// work of others.
type EditTurns struct {
	Locks
	// Load returns all snapshots, and Choose says which of them are edited. Load
	// is called again, when others removed something meanwhile; both are under a
	// shared lock.
	Load   func(ctx context.Context) ([]*snapshot.Snapshot, error)
	Choose func(ctx context.Context, all []*snapshot.Snapshot) ([]*snapshot.Snapshot, error)
	// Allowed is asked under the exclusive lock, before any of the snapshots that
	// are left goes; an error keeps it from that.
	Allowed func(ctx context.Context, left []*snapshot.Snapshot) error
}

// editor puts edited snapshots in the place of others, in turns with whoever
// works in the repository besides. Whenever the lock is free each snapshot is
// there once, old or new: a policy counts none of them twice.
type editor struct {
	repo  *repository.Repository
	turns EditTurns
	// make stores what the new snapshots need, and returns what changes. It is
	// called under a shared lock.
	make func(ctx context.Context, some []*snapshot.Snapshot) ([]Edit, error)
	// lock is the one under which that was done.
	lock int
	// files are the index files that must be there for the edits to be whole: a
	// prune takes what nobody needs yet for useless.
	files      []id.ID
	replacer   *replacer
	left, done []Edit
}

// inTurns returns the edits that were done, also beside an error.
func (e *editor) inTurns(ctx context.Context) (done []Edit, err error) {
	for again := range plansAtMost {
		err = e.turns.Locked(ctx, repository.Shared, func(ctx context.Context) error { return e.plan(ctx, again > 0) })
		if err == nil && len(e.left) > 0 {
			err = inSlices(ctx, e.turns, e.slice)
		}
		if !errors.Is(err, ErrOutdated) {
			break
		}
	}
	return e.done, err
}

// plan finds out what changes, or what is left of that.
func (e *editor) plan(ctx context.Context, again bool) error {
	e.lock = e.turns.Number()
	all, err := e.turns.Load(ctx)
	if err != nil {
		return err
	}
	var some []*snapshot.Snapshot
	if again {
		some = e.stillIn(all)
	} else if some, err = e.turns.Choose(ctx, all); err != nil {
		return err
	}
	if e.left, err = e.make(ctx, some); err != nil {
		return err
	}
	if i := e.repo.Index(); i != nil {
		e.files = i.Files()
	}
	e.replacer, err = newReplacer(e.repo, all)
	return err
}

// stillIn returns those of the snapshots that are left which others did not
// remove.
func (e *editor) stillIn(all []*snapshot.Snapshot) []*snapshot.Snapshot {
	there := make(id.Set, len(all))
	for _, s := range all {
		there.Add(s.ID)
	}
	return slices.DeleteFunc(e.olds(), func(s *snapshot.Snapshot) bool { return !there.Has(s.ID) })
}

// olds returns the snapshots that are left.
func (e *editor) olds() (list []*snapshot.Snapshot) {
	for _, edit := range e.left {
		list = append(list, edit.Old)
	}
	return list
}

// slice replaces snapshots until the time is up, and returns how many are left.
func (e *editor) slice(ctx context.Context) (left int, err error) {
	if wereOthers(e.turns, e.lock) {
		if err := e.catchUp(ctx); err != nil {
			return 0, err
		}
	}
	if err := e.turns.Allowed(ctx, e.olds()); err != nil { // holds are placed without a lock
		return 0, err
	}
	for began := time.Now(); len(e.left) > 0 && time.Since(began) < aloneAtMost; e.left = e.left[1:] {
		edit := e.left[0]
		if err := e.replacer.replace(ctx, &edit); err != nil {
			return 0, err
		}
		e.done = append(e.done, edit)
	}
	return len(e.left), nil
}

// catchUp leaves out what others removed meanwhile: what is forgotten does not
// come back. The error wraps ErrOutdated when they pruned.
func (e *editor) catchUp(ctx context.Context) error {
	there, err := listed(ctx, e.repo, repository.SnapshotFile)
	if err != nil {
		return err
	}
	e.replacer.only(there)
	e.left = slices.DeleteFunc(e.left, func(edit Edit) bool { return !there.Has(edit.Old.ID) })
	if len(e.files) == 0 || len(e.left) == 0 {
		return nil
	}
	index, err := listed(ctx, e.repo, repository.IndexFile)
	if err != nil {
		return err
	}
	for _, i := range e.files {
		if !index.Has(i) {
			return fmt.Errorf("%w: index file %s is gone", ErrOutdated, i.Short())
		}
	}
	return nil
}

// listed returns the files of a kind that a repository has.
func listed(ctx context.Context, r *repository.Repository, k repository.FileKind) (id.Set, error) {
	there := make(id.Set)
	return there, r.ListFiles(ctx, k, func(i id.ID, _ int64) error {
		there.Add(i)
		return nil
	})
}

// replacer stores edited snapshots in the place of others. An edit that an
// earlier run stored, but whose old snapshot it did not live to remove, is
// not stored again.
type replacer struct {
	repo *repository.Repository
	// stored finds snapshots by what they say.
	stored map[string]*snapshot.Snapshot
}

func newReplacer(r *repository.Repository, snapshots []*snapshot.Snapshot) (*replacer, error) {
	p := &replacer{repo: r, stored: make(map[string]*snapshot.Snapshot, len(snapshots))}
	for _, s := range snapshots {
		content, err := contentID(s)
		if err != nil {
			return nil, err
		}
		p.stored[content] = s
	}
	return p, nil
}

// only forgets the snapshots that are not there any more.
func (p *replacer) only(there id.Set) {
	for content, s := range p.stored {
		if !there.Has(s.ID) {
			delete(p.stored, content)
		}
	}
}

// contentID tells snapshots apart by what they say.
func contentID(s *snapshot.Snapshot) (string, error) {
	plain, err := s.Encode()
	if err != nil {
		return "", fmt.Errorf("snapshot %s: %w", s.ID.Short(), err)
	}
	return id.Hash(plain).String(), nil
}

// add stores e.New unless a snapshot says the same already.
func (p *replacer) add(ctx context.Context, e *Edit) error {
	content, err := contentID(e.New)
	if err != nil {
		return err
	}
	if same := p.stored[content]; same != nil {
		e.New.ID = same.ID
		return nil
	}
	if err := p.repo.SaveSnapshot(ctx, e.New); err != nil {
		return err
	}
	p.stored[content] = e.New
	return nil
}

// replace stores e.New, then removes e.Old.
func (p *replacer) replace(ctx context.Context, e *Edit) error {
	if err := p.add(ctx, e); err != nil {
		return err
	}
	if e.New.ID == e.Old.ID {
		return nil
	}
	return p.repo.RemoveFile(ctx, repository.SnapshotFile, e.Old.ID)
}
