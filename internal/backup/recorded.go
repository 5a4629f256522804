package backup

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"path"
	"time"

	"holdfast/internal/snapfs"
	"holdfast/repository"
	"holdfast/repository/blob"
	"holdfast/repository/snapshot"
	"holdfast/repository/tree"
)

// Recorded is what a snapshot recorded of one of its folders, for sources that
// tell by themselves what is unchanged since. Its errors are source.ErrEarlier
// when data are missing or damaged.
type Recorded struct {
	repo     *repository.Repository
	fs       *snapfs.FS
	folder   string
	snapshot *snapshot.Snapshot
}

// OpenRecorded opens a snapshot. The index of the repository is loaded.
func OpenRecorded(ctx context.Context, r *repository.Repository, s *snapshot.Snapshot, folder string) (*Recorded, error) {
	f, err := snapfs.Open(ctx, r, s.Tree)
	if err != nil {
		return nil, unusable(err)
	}
	return &Recorded{repo: r, fs: f, folder: folder, snapshot: s}, nil
}

// Start is when the backup began to read: nothing was read before, but by a
// source.Settling, which knows what it may read.
func (r *Recorded) Start() time.Time {
	if s := r.snapshot.Summary; s != nil {
		return s.BackupStart
	}
	return r.snapshot.Time
}

// Folder returns what is in a folder, by name. It has nothing if it is not
// there. Files whose content the repository does not hold any more are left
// out.
func (r *Recorded) Folder(ctx context.Context, name string) (map[string]*tree.Node, error) {
	node, err := r.fs.Lookup(ctx, path.Join(r.folder, name))
	if errors.Is(err, fs.ErrNotExist) || err == nil && node.Type != tree.Dir {
		return nil, nil //nolint:nilnil // a nil map is an empty one
	}
	if err != nil {
		return nil, unusable(err)
	}
	nodes, err := r.fs.ReadDir(ctx, node)
	if err != nil {
		return nil, unusable(err)
	}
	found := make(map[string]*tree.Node, len(nodes))
	for k := range nodes {
		if r.holds(&nodes[k]) {
			found[nodes[k].Name] = &nodes[k]
		}
	}
	return found, nil
}

func (r *Recorded) holds(n *tree.Node) bool {
	for _, i := range n.Content {
		if !r.repo.Index().Has(blob.Handle{ID: i, Type: blob.Data}) {
			return false
		}
	}
	return true
}

// Read returns the content of a file.
func (r *Recorded) Read(ctx context.Context, name string) ([]byte, error) {
	node, err := r.fs.Lookup(ctx, path.Join(r.folder, name))
	if err != nil {
		return nil, unusable(err)
	}
	var content bytes.Buffer
	err = r.fs.WriteFile(ctx, node, &content)
	return content.Bytes(), unusable(err)
}
