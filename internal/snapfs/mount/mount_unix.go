//go:build linux || darwin || freebsd

package mount

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"holdfast/internal/snapfs"
	"holdfast/repository"
)

const (
	// blobRoom bounds the memory for content: some readers of large files at
	// once, each in a blob of up to 8 MiB.
	blobRoom = 96 << 20
	// contentTimeout is how long the kernel may believe what it was told of
	// the inside of snapshots, which never changes.
	contentTimeout = time.Hour
	// listTimeout is the same for the folders above them.
	listTimeout = time.Second
	// maxReadBytes is how much the kernel asks for at once.
	maxReadBytes = 1 << 20
	// maxWarned bounds the messages that are remembered, so that each is
	// told once.
	maxWarned = 1000
)

// mounted is what all nodes of a mounted file system share.
type mounted struct {
	shared    *snapfs.Shared
	snapshots *snapshots
	folders   *folders
	o         *Options
	started   time.Time

	mu     sync.Mutex
	warned map[string]bool
}

// Run shows the repository at dir until ctx ends or somebody unmounts it. The
// index of the repository is loaded.
func Run(ctx context.Context, r *repository.Repository, dir string, o Options) error {
	m := &mounted{
		shared: snapfs.NewShared(r, blobRoom), snapshots: newSnapshots(r, &o), folders: newFolders(),
		o: &o, started: time.Now(), warned: make(map[string]bool),
	}
	if _, err := m.snapshots.current(ctx); err != nil {
		return err
	}
	server, err := fs.Mount(dir, &listNode{m: m}, m.options())
	if err != nil {
		return fmt.Errorf("mount at %s: %w; is FUSE there (package fuse3), and may you write to the folder?", dir, err)
	}
	o.Mounted()
	ended := make(chan struct{})
	go func() {
		server.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
	}
	if err := server.Unmount(); err == nil {
		<-ended
		return nil
	}
	o.Warn(dir, fmt.Errorf("somebody still uses it; it is gone as soon as they have left"))
	if err := detach(dir); err != nil {
		return fmt.Errorf("unmount %s: %w; try `umount -l %s`", dir, err, dir)
	}
	return nil
}

func (m *mounted) options() *fs.Options {
	list := listTimeout
	o := &fs.Options{
		EntryTimeout: &list, AttrTimeout: &list, NegativeTimeout: &list,
		NullPermissions: true,
		RootStableAttr:  &fs.StableAttr{Ino: rootInode},
		MountOptions: fuse.MountOptions{
			AllowOther: m.o.AllowOther, FsName: "holdfast", Name: "holdfast",
			MaxWrite: maxReadBytes, MaxReadAhead: maxReadBytes, EnableSymlinkCaching: true,
			DirectMount: os.Geteuid() == 0, Options: []string{"ro"},
		},
	}
	if m.o.AllowOther && !m.o.NoPermissions {
		o.Options = append(o.Options, "default_permissions")
	}
	return o
}

// warn tells of something once.
func (m *mounted) warn(item string, err error) {
	message := item + ": " + err.Error()
	m.mu.Lock()
	seen := m.warned[message]
	if !seen && len(m.warned) < maxWarned {
		m.warned[message] = true
	}
	m.mu.Unlock()
	if !seen {
		m.o.Warn(item, err)
	}
}
