package repository

import (
	"context"
	"fmt"
	"strings"

	"holdfast/repository/id"
	"holdfast/storage"
)

// FileKind is one of the kinds of files a repository is made of.
type FileKind uint8

// The kinds of files (doc/design.rst, "Repository Layout").
const (
	ConfigFile FileKind = iota
	KeyFile
	LockFile
	SnapshotFile
	IndexFile
	PackFile
	// RecordFile is no file of restic's but a record of holdfast's own: see
	// SaveRecord. Its key is not made from its ID alone.
	RecordFile
)

// String returns the word used in messages.
func (k FileKind) String() string {
	return [...]string{"config", "key", "lock", "snapshot", "index", "pack", "record"}[k]
}

// folder returns the prefix under which files of the kind are stored.
func (k FileKind) folder() string {
	return [...]string{"", "keys/", "locks/", "snapshots/", "index/", "data/", foreignFolder}[k]
}

const (
	// configKey is where the config is stored.
	configKey = "config"
	// foreignFolder is where everything lies that is no part of the format.
	foreignFolder = "holdfast/"
)

// Key returns the storage key of a file. Packs are spread over 256 folders
// named after the first byte of their ID.
func (k FileKind) Key(i id.ID) string {
	switch k {
	case ConfigFile:
		return configKey
	case PackFile:
		s := i.String()
		return k.folder() + s[:2] + "/" + s
	}
	return k.folder() + i.String()
}

// ListFiles calls visit for every file of a kind with its size in bytes.
// Names that are not IDs are skipped: they belong to others.
func (r *Repository) ListFiles(ctx context.Context, k FileKind, visit func(i id.ID, sizeBytes int64) error) error {
	return listFiles(ctx, r.store, k, visit)
}

func listFiles(ctx context.Context, s storage.Store, k FileKind, visit func(id.ID, int64) error) error {
	err := s.List(ctx, k.folder(), func(info storage.Info) error {
		name := info.Key[strings.LastIndexByte(info.Key, '/')+1:]
		i, err := id.Parse(name)
		if err != nil {
			return nil
		}
		return visit(i, info.SizeBytes)
	})
	if err != nil {
		return fmt.Errorf("list %s files: %w", k, err)
	}
	return nil
}

// fileIDs lists the IDs of all files of a kind.
func fileIDs(ctx context.Context, s storage.Store, k FileKind) ([]id.ID, error) {
	var ids []id.ID
	err := listFiles(ctx, s, k, func(i id.ID, _ int64) error {
		ids = append(ids, i)
		return nil
	})
	return ids, err
}

// RemoveFile deletes a file. One that is gone already is no error, so that a
// deletion may be repeated.
func (r *Repository) RemoveFile(ctx context.Context, k FileKind, i id.ID) error {
	if err := r.writable(); err != nil {
		return err
	}
	return r.removeFile(ctx, k, i)
}

func (r *Repository) removeFile(ctx context.Context, k FileKind, i id.ID) error {
	return removeFile(ctx, r.store, k, i)
}

func removeFile(ctx context.Context, s storage.Store, k FileKind, i id.ID) error {
	err := s.Delete(ctx, k.Key(i))
	if err != nil && !isNotFound(err) {
		return fmt.Errorf("delete %s %s: %w", k, i.Short(), err)
	}
	return nil
}
