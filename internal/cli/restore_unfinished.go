package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"holdfast/internal/postgres"
	"holdfast/internal/restore"
	"holdfast/internal/snapfs"
	"holdfast/internal/wal"
	"holdfast/repository"
	"holdfast/repository/snapshot"
)

// unfinishedControl is the control file of a data directory as long as that is
// restored. No server starts without the file under its own name: one that did
// would take what is there for all, and rows that are not back for rows that never
// were. It also tells which cluster is to come, so that a restore that was cut off
// can be done again.
const unfinishedControl = postgres.ControlFile + ".unfinished"

// beginTarget takes the control file away from the target of a restore.
func (run *recovery) beginTarget(ctx context.Context, r *repository.Repository, s *snapshot.Snapshot) error {
	control, err := run.controlOf(ctx, r, s)
	if err != nil {
		return fmt.Errorf("snapshot %s: %w", s.ID.Short(), err)
	}
	if err := os.MkdirAll(run.o.Target, 0o700); err != nil {
		return fmt.Errorf("make the data directory: %w", err)
	}
	return run.inTarget(func(target *os.Root) error {
		if err := target.Mkdir(path.Dir(unfinishedControl), 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		f, err := target.OpenFile(unfinishedControl, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		_, err = f.Write(control)
		if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
			return err
		}
		if err := target.Remove(postgres.ControlFile); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	})
}

// controlOf returns the control file in a snapshot.
func (run *recovery) controlOf(ctx context.Context, r *repository.Repository, s *snapshot.Snapshot) ([]byte, error) {
	files, err := snapfs.Open(ctx, r, s.Tree)
	if err != nil {
		return nil, err
	}
	control, err := files.Lookup(ctx, path.Join("/", run.source, postgres.ControlFile))
	if err != nil {
		return nil, err
	}
	if control.Size > maxControlBytes {
		return nil, fmt.Errorf("%s has %d bytes", postgres.ControlFile, control.Size)
	}
	var content bytes.Buffer
	if err := files.WriteFile(ctx, control, &content); err != nil {
		return nil, err
	}
	return content.Bytes(), nil
}

// maxControlBytes bounds a control file; a real one has 8 KiB.
const maxControlBytes = 1 << 20

// finishTarget gives the control file its name: all else is there, and stays there
// when the power goes.
func (run *recovery) finishTarget(spaces tablespaces) error {
	for _, one := range spaces.outside {
		if err := syncFolder(one.Location); err != nil {
			return fmt.Errorf("tablespace %s: %w", one.Location, err)
		}
	}
	if err := syncFolder(run.o.Target); err != nil {
		return fmt.Errorf("the data directory: %w", err)
	}
	err := run.inTarget(func(target *os.Root) error { return target.Rename(unfinishedControl, postgres.ControlFile) })
	if err != nil {
		return err
	}
	return syncFolder(filepath.Join(run.o.Target, filepath.Dir(filepath.FromSlash(postgres.ControlFile))))
}

// inTarget does something in the data directory, and never outside of it.
func (run *recovery) inTarget(do func(*os.Root) error) error {
	target, err := os.OpenRoot(run.o.Target)
	if err == nil {
		err = errors.Join(do(target), target.Close())
	}
	if err != nil {
		return fmt.Errorf("the control file of the data directory: %w", err)
	}
	return nil
}

// withoutControl leaves the control file out of a restore, under both names.
func withoutControl(o restore.Options) restore.Options {
	inner := o.Filter.Within
	o.Filter.Within = func(path string) (selected, below bool) {
		switch {
		case path == "/"+postgres.ControlFile, path == "/"+unfinishedControl:
			return false, false
		case inner == nil:
			return true, true
		}
		return inner(path)
	}
	return o
}

// clusterIn returns which cluster a data directory is of, or is to be when the
// restore that was cut off there is done again.
func clusterIn(target string) (system string, unfinished bool, err error) {
	if system, err = wal.SystemOf(target); err == nil {
		return system, false, nil
	}
	content, uerr := os.ReadFile(filepath.Join(target, filepath.FromSlash(unfinishedControl)))
	if uerr != nil {
		return "", false, err
	}
	system, err = postgres.SystemIn(content)
	return system, true, err
}
