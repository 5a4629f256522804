// Package restore puts the files of a snapshot back into a folder.
//
// One goroutine walks the trees of the snapshot. It makes the folders, has a few
// others compare what is in the target already, and plans for files which part of
// which pack goes where. Plans go in batches of bounded size to a few
// workers, which read each pack once, in the order of its bytes, and write
// every blob to all its places. A file that is a single blob, as most are,
// is made, written and given its metadata in one go. Whoever writes the last
// part of a file gives it its metadata; whoever finishes the last file of a
// folder does that for the folder.
//
// # What is never done
//
//   - Nothing outside the target is touched. Every operation takes a single,
//     checked name relative to an open folder and follows no symlink, whatever
//     the snapshot says and whoever changes the target meanwhile. A file of
//     the target that has other hard links is replaced, not written to.
//   - Nothing is overwritten or deleted that Options do not say.
//   - No file is left that looks good and is not: what this restore made of a
//     file that it cannot restore whole is removed and reported, and the rest
//     goes on. A file that was there stays: untouched, if the new one was to be
//     put into its place (aside.go) or nothing of it was overwritten yet; else
//     as it was overwritten so far, and that is said. A file gets its
//     modification time only when its content is complete, so one that was
//     cut off is not taken for a good one later.
//
// # Going on
//
// A restore that was killed is run again with the overwrite mode IfChanged,
// the default: what is there already is compared with the snapshot blob by
// blob, and only what is missing or different is fetched. As is usual for
// restores nothing is synced to disk file by file; after a crash of the
// machine, run it again.
//
// # Memory
//
// A batch holds at most batchParts parts of files. A file takes about 200
// bytes and 24 for each part, and at most three batches live at once: 30 MiB
// at most, and 80 MiB from a service that charges for requests (batchPartsFar),
// whatever the number of files in the snapshot. Files that are compared
// with what is there take 3 MiB more, and each goroutine that compares
// them two parts, of 4 MiB together, or one that is larger. Beside that stay
// about 300 bytes for each hard-linked file, one bit per file with Verify, and the trees on
// the way from the root to the folder that is walked.
package restore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"holdfast/internal/snapfs"
	"holdfast/repository"
	"holdfast/repository/snapshot"
	"holdfast/repository/tree"
)

// Options tell what is restored, and how.
type Options struct {
	// Target is the folder to restore to; it is made if it does not exist.
	// Its own metadata are left alone.
	Target string
	// Below is a folder that Target lies in, reached from there without any
	// symlink, or the restore does not begin: for a target that was checked
	// before, when something else may have been there. "" is for whoever names
	// the target of their own.
	Below string
	// Subfolder is the folder of the snapshot whose content is restored; ""
	// is all of it.
	Subfolder string
	// Filter says what is restored. Its paths begin at Subfolder.
	Filter Filter
	// Attribute, if set, tells which extended attributes are restored, by their
	// names. All others are left as they are.
	Attribute func(name string) bool
	// OwnersByName gives items to the user and group who have the recorded
	// names on this machine, whatever their numbers are; where nobody has, the
	// numbers count. Access control lists know numbers only.
	OwnersByName bool
	// Overwrite says what happens to what is in the target already.
	Overwrite Overwrite
	// Delete removes what the snapshot does not have from the folders that
	// are restored, but nothing that Filter leaves out.
	Delete bool
	// Protected are files that Delete never removes, and folders that it removes
	// nothing from, such as that of the repository and the file of its password.
	Protected []string
	// Apart are folders that the target must not lie in: those of the
	// repository that is read, and of its cache.
	Apart []string
	// Verify reads every restored file again and compares it with the
	// snapshot.
	Verify bool
	// Sparse makes holes of long runs of zeros.
	Sparse bool
	// DryRun changes nothing, and only tells what would be done.
	DryRun bool
	// Workers is the number of packs read at once; 0 chooses.
	Workers int
	// Progress, if set, is counted up while the restore runs.
	Progress *Progress
	// OnError, if set, is told of every item that could not be restored as it
	// should be, by its path in the snapshot. It is called by several
	// goroutines, one at a time.
	OnError func(path string, err error)
	// OnItem, if set, is told of every item that is done; as OnError.
	OnItem func(Item)
}

// Receipt tells what a restore did.
type Receipt struct {
	// Errors counts what OnError was told.
	Errors uint64
	// Verified counts the files that were read again and found to be right.
	Verified uint64
	// OwnersKept counts the items that belong to whoever restored them, since
	// only root may give files to others.
	OwnersKept uint64
	// PrivilegesLost counts the items that for that reason went without their
	// setuid or setgid bit.
	PrivilegesLost uint64
	// AttributesLost counts the extended attributes that this user, or the
	// file system of the target, does not permit.
	AttributesLost uint64
	Duration       time.Duration
}

// Run restores a snapshot. The caller holds a shared lock and has loaded the
// index.
//
// Items that cannot be restored do not end the restore: they are counted in
// the receipt. An error means that it could not go on; what was restored
// until then stays, and the next run goes on from there.
func Run(ctx context.Context, repo *repository.Repository, s *snapshot.Snapshot, o Options) (*Receipt, error) {
	start := time.Now()
	if o.Progress == nil {
		o.Progress = new(Progress)
	}
	if err := o.validate(); err != nil {
		return nil, err
	}
	r := newRestorer(repo, o)
	root, err := r.openSnapshot(ctx, s)
	if err != nil {
		return nil, err
	}
	target, err := r.openTarget()
	if err != nil {
		return nil, fmt.Errorf("open target %s: %w", o.Target, err)
	}
	defer r.folders.closeAll()
	receipt := new(Receipt)
	if err := r.restore(ctx, target, root); err != nil {
		return nil, fmt.Errorf("restore to %s: %w", o.Target, err)
	}
	if o.Verify && !o.DryRun {
		if receipt.Verified, err = r.verify(ctx, root); err != nil {
			return nil, fmt.Errorf("verify %s: %w", o.Target, err)
		}
	}
	receipt.Errors = o.Progress.Errors.Load()
	receipt.OwnersKept = r.limits.owners.Load()
	receipt.PrivilegesLost = r.limits.privileges.Load()
	receipt.AttributesLost = r.limits.attributes.Load()
	receipt.Duration = time.Since(start)
	return receipt, nil
}

// errDeleteEverything guards against the loss of a whole system.
var errDeleteEverything = errors.New("deleting in the root folder of this machine needs an include pattern that says where")

func (o *Options) validate() error {
	if o.Target == "" {
		return errors.New("restore: no target folder given")
	}
	if err := o.Overwrite.validate(); err != nil {
		return err
	}
	real, err := filepath.Abs(o.Target)
	if err != nil {
		return fmt.Errorf("find target folder: %w", err)
	}
	if resolved, err := filepath.EvalSymlinks(real); err == nil {
		real = resolved
	}
	if o.Delete && len(o.Filter.Include) == 0 && filepath.Dir(real) == real {
		return errDeleteEverything
	}
	return o.validateApart(real)
}

// validateApart looks whether the target is, or would be made, in a folder that
// it must not lie in.
func (o *Options) validateApart(target string) error {
	for _, path := range o.Apart {
		apart, err := os.Stat(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("look at %s: %w", path, err)
		}
		if liesIn(target, apart) {
			return fmt.Errorf("the target %s lies in %s, which holdfast itself works with; name another folder", o.Target, path)
		}
	}
	return nil
}

// liesIn tells whether a path, which need not exist, is a folder or lies in it.
func liesIn(path string, folder fs.FileInfo) bool {
	for filepath.Dir(path) != path {
		if real, err := filepath.EvalSymlinks(path); err == nil {
			path = real
			break
		}
		path = filepath.Dir(path)
	}
	for {
		if is, err := os.Stat(path); err == nil && os.SameFile(is, folder) {
			return true
		}
		if filepath.Dir(path) == path {
			return false
		}
		path = filepath.Dir(path)
	}
}

// openSnapshot returns the folder of the snapshot that is restored.
func (r *restorer) openSnapshot(ctx context.Context, s *snapshot.Snapshot) (*tree.Node, error) {
	f, err := snapfs.Open(ctx, r.repo, s.Tree)
	if err != nil {
		return nil, fmt.Errorf("open snapshot %s: %w", s.ID.Short(), err)
	}
	r.snapshot = f
	n, err := f.Lookup(ctx, r.options.Subfolder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("snapshot %s has no %s: %w; `holdfast ls %[1]s` lists what it has", s.ID.Short(), r.options.Subfolder, fs.ErrNotExist)
	}
	if err == nil && n.Type != tree.Dir {
		err = fmt.Errorf("%s: %w; restore its folder with an include pattern for it", r.options.Subfolder, snapfs.ErrNotFolder)
	}
	if err != nil {
		return nil, fmt.Errorf("open snapshot %s: %w", s.ID.Short(), err)
	}
	return n, nil
}

// openTarget returns the folder that is restored to.
func (r *restorer) openTarget() (*folder, error) {
	f := &folder{made: true}
	f.pending.Store(1)
	if !r.options.DryRun && r.options.Below == "" {
		if err := os.MkdirAll(r.options.Target, 0o700); err != nil {
			return nil, err
		}
	}
	d, err := r.folders.use(&f.slot, func() (dirHandle, error) {
		if r.options.Below != "" {
			return openBelow(r.options.Below, r.options.Target, !r.options.DryRun)
		}
		return openTarget(r.options.Target)
	})
	if r.options.DryRun && errors.Is(err, os.ErrNotExist) {
		f.absent, f.fresh = true, true
		return f, nil
	}
	if err != nil {
		return nil, err
	}
	// The target stays in use, and so open, until the end: its name may be
	// given to another folder meanwhile.
	return f, r.inspect(f, d)
}
