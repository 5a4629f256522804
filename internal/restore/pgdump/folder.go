package pgdump

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
)

// format is how pg_dump calls the format of a dump.
func format(db *database) string {
	if db.Directory {
		return "directory"
	}
	return "custom"
}

// contentsFile lists what a dump in directory format has.
const contentsFile = "toc.dat"

// needsFile tells whether a file is needed to restore what is chosen. Large
// objects come along whenever anything does.
func (db *database) needsFile(name string) bool {
	// The data of a table is named after its entry in the list of contents.
	number, isData := strings.CutSuffix(name, ".dat")
	id, err := strconv.Atoi(number)
	return !isData || err != nil || db.chosen == nil || db.chosen(id)
}

// keepFolder puts files of a dump in directory format into a scratch folder,
// which the caller removes.
func (r *restorer) keepFolder(ctx context.Context, db *database, needed func(name string) bool) (folder string, err error) {
	folder, err = os.MkdirTemp(r.Scratch, "holdfast-dump-")
	if err != nil {
		return "", fmt.Errorf("make a scratch folder: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(folder))
		}
	}()
	names, err := r.Content.Files(ctx, db.File)
	if err != nil {
		return "", err
	}
	for _, name := range names {
		if !needed(name) {
			continue
		}
		if err := r.keepFile(ctx, path.Join(db.File, name), filepath.Join(folder, name)); err != nil {
			return "", err
		}
	}
	return folder, nil
}

func (r *restorer) keepFile(ctx context.Context, from, to string) error {
	file, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("put the dump into a scratch folder: %w", err)
	}
	if err := errors.Join(r.Content.WriteFile(ctx, from, file), file.Close()); err != nil {
		return fmt.Errorf("put the dump into a scratch folder: %w", err)
	}
	return nil
}
