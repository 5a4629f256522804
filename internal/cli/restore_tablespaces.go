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
	"strings"

	"holdfast/internal/pitr"
	"holdfast/internal/restore"
	"holdfast/internal/snapfs"
	"holdfast/repository"
	"holdfast/repository/snapshot"
	"holdfast/storage"
)

// tablespaces are those of a base backup, by where they are restored to.
type tablespaces struct {
	// inside come to lie in the data directory itself.
	inside []pitr.Tablespace
	// outside come to lie at their Location.
	outside []pitr.Tablespace
}

// tablespacesOf finds the tablespaces of a base backup, and where the flags
// want them: "OLD=NEW" each.
func tablespacesOf(ctx context.Context, r *repository.Repository, s *snapshot.Snapshot, source string, moved []string) (tablespaces, error) {
	var t tablespaces
	places := map[string]string{}
	for _, pair := range moved {
		from, to, ok := strings.Cut(pair, "=")
		if !ok || !filepath.IsAbs(from) || !filepath.IsAbs(to) {
			return t, fmt.Errorf("--tablespace-map %s: write OLD=NEW, two absolute paths", pair)
		}
		places[filepath.Clean(from)] = filepath.Clean(to)
	}
	all, err := readTablespaceMap(ctx, r, s, source)
	if err != nil {
		return t, err
	}
	for _, one := range all {
		to, ok := places[filepath.Clean(one.Location)]
		if !ok {
			t.inside = append(t.inside, one)
			continue
		}
		delete(places, filepath.Clean(one.Location))
		t.outside = append(t.outside, pitr.Tablespace{OID: one.OID, Location: to})
	}
	for from := range places {
		return t, fmt.Errorf("--tablespace-map %s: the backup has no tablespace there", from)
	}
	return t, nil
}

// readTablespaceMap reads the map that a base backup brought along; a cluster
// without tablespaces has none.
func readTablespaceMap(ctx context.Context, r *repository.Repository, s *snapshot.Snapshot, source string) ([]pitr.Tablespace, error) {
	files, err := snapfs.Open(ctx, r, s.Tree)
	if err != nil {
		return nil, err
	}
	node, err := files.Lookup(ctx, path.Join("/", source, pitr.TablespaceMap))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, storage.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look for tablespaces: %w", err)
	}
	var content bytes.Buffer
	if err := files.WriteFile(ctx, node, &content); err != nil {
		return nil, fmt.Errorf("look for tablespaces: %w", err)
	}
	return pitr.ParseTablespaceMap(content.Bytes())
}

// check refuses places that something else lies in: before anything is
// written.
func (t tablespaces) check(o restore.Options) error {
	for _, one := range t.outside {
		entries, err := os.ReadDir(one.Location)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("look at the place of a tablespace: %w", err)
		}
		if len(entries) > 0 && !o.Delete {
			return fmt.Errorf("%s, where a tablespace is to be restored, is not empty; name another folder, or add --delete to replace what is there", one.Location)
		}
	}
	return nil
}

// without leaves the tablespaces that lie outside out of the restore of the
// data directory.
func (t tablespaces) without(o restore.Options) restore.Options {
	if len(t.outside) == 0 {
		return o
	}
	left := map[string]bool{}
	for _, one := range t.outside {
		left["/"+one.Folder()] = true
	}
	o.Filter.Within = func(path string) (selected, below bool) { return !left[path], !left[path] }
	return o
}

// restoreTablespaces restores those that lie outside of the data directory,
// and tells the server of them.
func (c *command) restoreTablespaces(ctx context.Context, r *repository.Repository, s *snapshot.Snapshot, t tablespaces, o restore.Options) error {
	data, source := o.Target, o.Subfolder
	for _, one := range t.outside {
		// The server makes a link there, and refuses to put it over a folder.
		if info, err := os.Lstat(filepath.Join(data, one.Folder())); err == nil && info.IsDir() && !o.DryRun {
			if err := os.RemoveAll(filepath.Join(data, one.Folder())); err != nil {
				return fmt.Errorf("prepare tablespaces: %w", err)
			}
		}
		o.Target, o.Subfolder = one.Location, source+"/"+one.Folder()
		if err := c.restore(ctx, r, s, o); err != nil {
			return fmt.Errorf("tablespace %s: %w", one.Location, err)
		}
		if o.DryRun {
			continue
		}
		if err := ownDataDirectory(one.Location); err != nil {
			return err
		}
	}
	if o.DryRun {
		return nil
	}
	return pitr.WriteTablespaceMap(data, t.outside)
}
