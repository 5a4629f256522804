package repair

import (
	"context"
	"fmt"
	"os"
	"slices"

	"holdfast/internal/snapfs"
	"holdfast/repository"
	"holdfast/repository/blob"
	"holdfast/repository/id"
	"holdfast/repository/snapshot"
	"holdfast/repository/tree"
)

// RecoverOptions tell how lost folders are recovered.
type RecoverOptions struct {
	// Snapshots are all there are.
	Snapshots []*snapshot.Snapshot
	// Record is stored, with the tree that leads to what was found.
	Record snapshot.Snapshot
	// DryRun stores nothing.
	DryRun bool
	Writer repository.WriterOptions
	// Damaged, if set, is told of each tree that cannot be read: what it led to
	// may be found by itself.
	Damaged func(err error)
}

// RecoverReport tells what was found.
type RecoverReport struct {
	// Trees counts those that were read, Damaged those that could not be.
	Trees, Damaged int
	// Roots are the folders that nothing leads to, by the IDs of their trees.
	Roots []id.ID
	// Snapshot leads to them; nil if there are none, or in a dry run.
	Snapshot *snapshot.Snapshot
}

// Recover makes a snapshot of all folders in the repository that no snapshot
// leads to and that are in no other folder: what is left of snapshots that were
// forgotten, or lost, and are not pruned. Each is a folder in the root of the
// snapshot, named after the ID of its tree.
//
// It needs the exclusive lock, or it finds what running backups have stored so
// far, and the index.
func Recover(ctx context.Context, r *repository.Repository, o RecoverOptions) (*RecoverReport, error) {
	s := &search{r: r, options: o, trees: snapfs.NewBlobSet(r), led: snapfs.NewBlobSet(r)}
	if err := s.readTrees(ctx); err != nil {
		return nil, err
	}
	for _, sn := range o.Snapshots {
		s.led.Add(treeHandle(sn.Tree))
	}
	s.trees.Subtract(s.led)
	for b := range s.trees.All() {
		s.report.Roots = append(s.report.Roots, b.ID)
	}
	slices.SortFunc(s.report.Roots, id.ID.Compare)
	if o.DryRun || len(s.report.Roots) == 0 {
		return &s.report, nil
	}
	return &s.report, s.save(ctx)
}

// search looks for trees that nothing leads to.
type search struct {
	r       *repository.Repository
	options RecoverOptions
	// trees are those that can be read, led those that something leads to.
	trees, led *snapfs.BlobSet
	report     RecoverReport
}

func treeHandle(i id.ID) blob.Handle { return blob.Handle{ID: i, Type: blob.Tree} }

// readTrees reads all trees, pack by pack, and notes where they lead to.
func (s *search) readTrees(ctx context.Context) error {
	return s.r.Index().ByPack(ctx, nil, func(pack id.ID, blobs []blob.Blob) error {
		wanted := slices.DeleteFunc(slices.Clone(blobs), func(b blob.Blob) bool { return b.Type != blob.Tree || s.trees.Has(b.Handle) })
		if len(wanted) == 0 {
			return nil
		}
		err := s.r.StreamPack(ctx, pack, wanted, func(b blob.Blob, plain []byte, err error) error {
			if err == nil {
				err = s.take(b, plain)
			}
			if err != nil {
				s.damaged(fmt.Errorf("tree %s: %w", b.ID.Short(), err))
			}
			return nil
		})
		if err != nil && ctx.Err() == nil {
			s.damaged(fmt.Errorf("pack %s: %w", pack.Short(), err))
			return nil
		}
		return err
	})
}

func (s *search) damaged(err error) {
	s.report.Damaged++
	if s.options.Damaged != nil {
		s.options.Damaged(err)
	}
}

// take notes a tree, and what is in it.
func (s *search) take(b blob.Blob, plain []byte) error {
	scanner := tree.NewLightScanner(plain)
	for scanner.Next() {
		if below := scanner.Node().Subtree; below != nil {
			s.led.Add(treeHandle(*below))
		}
	}
	if err := scanner.Err(); err != nil {
		return err
	}
	s.report.Trees++
	s.trees.Add(b.Handle)
	return nil
}

// save stores the snapshot.
func (s *search) save(ctx context.Context) error {
	w, err := s.r.NewWriter(ctx, s.options.Writer)
	if err != nil {
		return err
	}
	defer w.Close() //nolint:errcheck // Flush tells
	record := s.options.Record.Clone()
	root := tree.NewBuilder()
	for _, i := range s.report.Roots {
		err := root.Add(&tree.Node{
			Name: i.String(), Type: tree.Dir, Mode: os.ModeDir | 0o755, UID: record.UID, GID: record.GID, User: record.Username,
			ModTime: record.Time, AccessTime: record.Time, ChangeTime: record.Time, Subtree: &i,
		})
		if err != nil {
			return err
		}
	}
	saved, err := w.Save(ctx, blob.Tree, root.Bytes())
	if err != nil {
		return err
	}
	if err := w.Flush(ctx); err != nil {
		return err
	}
	record.Tree = saved.ID
	if err := s.r.SaveSnapshot(ctx, record); err != nil {
		return err
	}
	s.report.Snapshot = record
	return nil
}
