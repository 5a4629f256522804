package repair

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"holdfast/repository"
	"holdfast/repository/blob"
	"holdfast/repository/id"
	"holdfast/storage"
)

// PacksOptions tell how packs are repaired.
type PacksOptions struct {
	// Packs are the packs to be salvaged.
	Packs []id.ID
	// BackupDir is where a copy of each is kept, as pack-<ID>; "" keeps none.
	BackupDir string
	Writer    repository.WriterOptions
	// From are copies, opened and with their index loaded, from which blobs
	// come that are damaged here.
	From []*repository.Repository
	// OnlyWhole leaves packs as they are of which some blob is lost: another
	// copy may have it.
	OnlyWhole bool
	// Lost, if set, is told of each blob that cannot be read.
	Lost   func(b blob.Blob, err error)
	Locked Locked
}

// PacksReport tells what became of the blobs of damaged packs.
type PacksReport struct {
	// Salvaged counts the blobs that were moved to new packs, Healed those of
	// them that came from a copy.
	Salvaged, Healed int
	// Lost are the blobs that no pack holds any more.
	Lost []blob.Handle
	// Copies are the files that were kept.
	Copies []string
	// Removed are the packs that were deleted.
	Removed []id.ID
}

// Packs moves the intact blobs of some packs to new ones, takes the packs out
// of the index, and deletes them. A pack that does not exist is taken out of
// the index.
func Packs(ctx context.Context, r *repository.Repository, o PacksOptions) (*PacksReport, error) {
	s := &salvage{r: r, options: o, packs: id.NewSet(o.Packs...), incomplete: make(id.Set)}
	if err := o.Locked.do(ctx, repository.Shared, s.moveAll); err != nil {
		return nil, err
	}
	if err := o.Locked.do(ctx, repository.Exclusive, s.giveUp); err != nil {
		return nil, err
	}
	s.report.Removed = s.removable()
	for _, h := range s.lost {
		if !soundElsewhere(r, h, s.packs) {
			s.report.Lost = append(s.report.Lost, h)
		}
	}
	return &s.report, nil
}

// moveAll stores what is whole in the packs again.
func (s *salvage) moveAll(ctx context.Context) error {
	bad, err := s.r.ReloadIndex(ctx)
	if err != nil {
		return err
	}
	if len(bad) > 0 {
		return fmt.Errorf("%w: %w", errDamagedIndex, bad[0])
	}
	if err := s.keepCopies(ctx); err != nil {
		return err
	}
	if err := s.move(ctx); err != nil {
		return err
	}
	s.files = s.r.Index().Files()
	return nil
}

// giveUp takes the packs that are needed no more out of the index, and deletes
// them.
func (s *salvage) giveUp(ctx context.Context) error {
	if err := s.options.Locked.catchUp(ctx, s.r, s.files); err != nil {
		return err
	}
	gone := id.NewSet(s.removable()...)
	if len(gone) == 0 {
		return nil
	}
	if err := s.r.PlanReindex(gone.Has, nil).Execute(ctx); err != nil {
		return err
	}
	return s.remove(ctx)
}

// remove deletes the packs that are needed no more. What a retention holds is
// listed nowhere now, and goes with a prune once it ends.
func (s *salvage) remove(ctx context.Context) error {
	var failed []error
	err := s.r.RemoveFiles(ctx, repository.PackFile, s.removable(), func(_ id.ID, err error) {
		if !errors.Is(err, storage.ErrImmutable) {
			failed = append(failed, err)
		}
	})
	return errors.Join(append(failed, err)...)
}

// removable returns the packs that are needed no more.
func (s *salvage) removable() []id.ID {
	if !s.options.OnlyWhole {
		return s.options.Packs
	}
	return slices.DeleteFunc(slices.Clone(s.options.Packs), s.incomplete.Has)
}

// soundElsewhere tells whether a pack that is not damaged holds a blob.
func soundElsewhere(r *repository.Repository, h blob.Handle, damaged id.Set) bool {
	for _, l := range r.Index().LookupAll(nil, h) {
		if !damaged.Has(l.Pack) {
			return true
		}
	}
	return false
}

// salvage is the work on some packs.
type salvage struct {
	r       *repository.Repository
	options PacksOptions
	packs   id.Set
	// files are the index files that must be there for what was moved to be.
	files []id.ID
	// incomplete are those of which a blob is lost.
	incomplete id.Set
	lost       []blob.Handle
	report     PacksReport
}

// keepCopies saves the packs as they are.
func (s *salvage) keepCopies(ctx context.Context) error {
	if s.options.BackupDir == "" {
		return nil
	}
	for _, pack := range s.options.Packs {
		name := filepath.Join(s.options.BackupDir, "pack-"+pack.String())
		err := s.keepCopy(ctx, pack, name)
		if errors.Is(err, storage.ErrNotFound) {
			continue
		}
		if err != nil {
			return fmt.Errorf("keep a copy of pack %s: %w", pack.Short(), err)
		}
		s.report.Copies = append(s.report.Copies, name)
	}
	return nil
}

// keepCopy copies a pack to a new file. A file of that name may be the only
// copy left: it is never overwritten.
func (s *salvage) keepCopy(ctx context.Context, pack id.ID, name string) error {
	stored, err := s.r.Store().Get(ctx, repository.PackFile.Key(pack), 0, -1)
	if err != nil {
		return err
	}
	defer stored.Close() //nolint:errcheck // it was only read
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, stored)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// move stores what is intact again, and makes it durable.
func (s *salvage) move(ctx context.Context) error {
	o := s.options.Writer
	o.Rewrite = true // copies elsewhere may be damaged as well
	w, err := s.r.NewWriter(ctx, o)
	if err != nil {
		return err
	}
	listed := make(id.Set)
	err = s.r.Index().ByPack(ctx, s.packs.Has, func(pack id.ID, blobs []blob.Blob) error {
		listed.Add(pack)
		return s.movePack(ctx, w, pack, blobs)
	})
	for pack := range s.packs {
		if err == nil && !listed.Has(pack) {
			err = s.moveUnlisted(ctx, w, pack)
		}
	}
	if err == nil {
		err = w.Flush(ctx)
	}
	return errors.Join(err, w.Close())
}

// movePack stores the intact blobs of a pack again.
func (s *salvage) movePack(ctx context.Context, w *repository.Writer, pack id.ID, blobs []blob.Blob) error {
	err := s.r.NewPackVerifier().Verify(ctx, pack, blobs, func(b blob.Blob, plain []byte, err error) error {
		if err != nil {
			return s.lose(ctx, w, pack, b, err)
		}
		s.report.Salvaged++
		_, err = w.Save(ctx, b.Type, plain)
		return err
	})
	if errors.Is(err, storage.ErrNotFound) {
		for _, b := range blobs {
			if err := s.lose(ctx, w, pack, b, err); err != nil {
				return err
			}
		}
		return nil
	}
	if repository.IsCorrupt(err) {
		return nil
	}
	return err
}

// lose deals with a blob that cannot be had from its pack: a copy may have it.
func (s *salvage) lose(ctx context.Context, w *repository.Writer, pack id.ID, b blob.Blob, cause error) error {
	plain, err := fromCopies(ctx, s.options.From, b.Handle)
	if err == nil {
		s.report.Salvaged++
		s.report.Healed++
		_, err = w.Save(ctx, b.Type, plain)
		return err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	s.incomplete.Add(pack)
	s.lost = append(s.lost, b.Handle)
	if s.options.Lost != nil {
		s.options.Lost(b, errors.Join(cause, err))
	}
	return nil
}

// errNoCopy says that no copy was given.
var errNoCopy = errors.New("no copy has it")

// fromCopies reads a blob from the first copy that has it whole.
func fromCopies(ctx context.Context, copies []*repository.Repository, h blob.Handle) ([]byte, error) {
	var errs []error
	for _, c := range copies {
		plain, err := c.LoadBlob(ctx, h, nil)
		if err == nil {
			return plain, nil
		}
		errs = append(errs, fmt.Errorf("copy at %s: %w", c.Location(), err))
	}
	if len(errs) == 0 {
		return nil, errNoCopy
	}
	return nil, errors.Join(errs...)
}

// moveUnlisted does the same with a pack that no index lists, if its header
// can be read.
func (s *salvage) moveUnlisted(ctx context.Context, w *repository.Writer, pack id.ID) error {
	info, err := s.r.Store().Stat(ctx, repository.PackFile.Key(pack))
	if err != nil {
		return fmt.Errorf("repair pack %s: %w", pack.Short(), err)
	}
	blobs, err := s.r.ReadPackHeader(ctx, pack, info.SizeBytes)
	if err != nil {
		return fmt.Errorf("repair pack %s: no index lists it, and %w", pack.Short(), err)
	}
	return s.movePack(ctx, w, pack, blobs)
}
