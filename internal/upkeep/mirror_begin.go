package upkeep

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"holdfast/repository"
	"holdfast/repository/id"
	"holdfast/storage"
)

// errOccupied says that a mirror cannot begin where something else lies.
var errOccupied = errors.New("no mirror can begin there")

// BeginMirror opens the mirror of a repository in a store, and makes it if
// there is none: the keys, then the config. It refuses a place that holds
// another repository, or what is left of one. A mirror whose config was lost
// gets it back.
func BeginMirror(ctx context.Context, from *repository.Repository, to storage.Store, o repository.Options) (*repository.Repository, error) {
	m, err := from.OpenMirror(ctx, to, o)
	if errors.Is(err, repository.ErrOtherRepository) {
		if torn, terr := dropTornConfig(ctx, from, to); !torn {
			return nil, errors.Join(err, terr)
		}
	} else if !errors.Is(err, repository.ErrNoRepository) {
		return m, err
	}
	keys, err := listOf(ctx, from.Store(), repository.KeyFile)
	if err != nil {
		return nil, err
	}
	if err := mayBegin(ctx, from, to, keys); err != nil {
		return nil, fmt.Errorf("mirror at %s: %w", to.Location(), err)
	}
	for _, f := range keys {
		if err := copyFile(ctx, from.Store(), to, f, storage.PutOptions{}); err != nil {
			return nil, err
		}
	}
	if err := copyConfig(ctx, from, to); err != nil {
		return nil, err
	}
	// Whoever was faster to begin a mirror of another repository has the place:
	// this tells.
	return from.OpenMirror(ctx, to, o)
}

// mayBegin tells whether a place without a config may become the mirror: it
// is empty but for keys of the repository, which a run that was cut off left,
// or it holds snapshots or index files of this very repository.
func mayBegin(ctx context.Context, from *repository.Repository, to storage.Store, keys []mirrorFile) error {
	for _, kind := range []repository.FileKind{repository.SnapshotFile, repository.IndexFile} {
		shared, err := share(ctx, from.Store(), to, kind)
		if shared || err != nil {
			return err
		}
	}
	known := make(map[string]struct{}, len(keys))
	for _, f := range keys {
		known[f.key] = struct{}{}
	}
	for _, folder := range []string{"keys/", "data/", "index/", "snapshots/", foreignFolder} {
		err := to.List(ctx, folder, func(info storage.Info) error {
			if _, ok := known[info.Key]; ok {
				return nil
			}
			return fmt.Errorf("%w: %s is of another repository, whose config is lost; choose an empty place", errOccupied, info.Key)
		})
		if err != nil && !errors.Is(err, storage.ErrUnsupported) { // then nothing of holdfast's own is there
			return err
		}
	}
	return nil
}

// share tells whether two stores have a file of a kind in common. Names are
// hashes of what only one key seals, so they then belong to one repository.
func share(ctx context.Context, a, b storage.Store, kind repository.FileKind) (bool, error) {
	ours, err := listOf(ctx, a, kind)
	if err != nil {
		return false, err
	}
	known := make(map[string]struct{}, len(ours))
	for _, f := range ours {
		known[f.key] = struct{}{}
	}
	theirs, err := listOf(ctx, b, kind)
	for _, f := range theirs {
		if _, ok := known[f.key]; ok {
			return true, nil
		}
	}
	return false, err
}

// listOf lists the files of a small kind.
func listOf(ctx context.Context, s storage.Store, kind repository.FileKind) ([]mirrorFile, error) {
	var files []mirrorFile
	prefix := kind.Key(id.ID{})
	prefix = prefix[:len(prefix)-2*len(id.ID{})]
	err := s.List(ctx, prefix, func(info storage.Info) error {
		i, err := id.Parse(info.Key[len(prefix):])
		if err == nil {
			files = append(files, mirrorFile{key: info.Key, kind: kind, id: i, sizeBytes: info.SizeBytes})
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list %s files at %s: %w", kind, s.Location(), err)
	}
	return files, nil
}

// dropTornConfig deletes a config that is a mere beginning of the
// repository's own: a store that breaks its promise left it of an earlier run.
func dropTornConfig(ctx context.Context, from *repository.Repository, to storage.Store) (bool, error) {
	key := repository.ConfigFile.Key(id.ID{})
	ours, err := storage.ReadAll(ctx, from.Store(), key)
	if err != nil {
		return false, err
	}
	theirs, err := storage.ReadAll(ctx, to, key)
	if err != nil || len(theirs) >= len(ours) || !bytes.HasPrefix(ours, theirs) {
		return false, err
	}
	return true, to.Delete(ctx, key)
}

// copyConfig copies the config, the only file that no hash proves: that it
// opens with the key does.
func copyConfig(ctx context.Context, from *repository.Repository, to storage.Store) error {
	if err := from.VerifyFile(ctx, repository.ConfigFile, id.ID{}); err != nil {
		return err
	}
	key := repository.ConfigFile.Key(id.ID{})
	config, err := storage.ReadAll(ctx, from.Store(), key)
	if err != nil {
		return err
	}
	err = to.Put(ctx, key, storage.Bytes(config), storage.PutOptions{})
	if err != nil && !isThere(err) {
		return fmt.Errorf("mirror: %w", err)
	}
	return nil
}
