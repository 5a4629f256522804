// Package mount shows a repository as a folder, through FUSE: every snapshot
// is a folder in it, in several places (by ID, by time, by host, by tag), and
// nothing can be changed.
//
// Inode numbers are derived from paths, so that they stay the same from one
// mount to the next; the names of a hard linked file share one. New snapshots
// appear by themselves. A file whose content is damaged gives EIO and is
// reported.
//
// Memory is bounded for content and folders; the kernel decides how many
// files it wants to know of, at about 1 KiB each.
package mount

import (
	"errors"
	"time"

	"holdfast/repository/snapshot"
)

// ErrUnsupported says that this system has no FUSE that holdfast can use.
var ErrUnsupported = errors.New("mounting works on Linux, FreeBSD and macOS only; use `holdfast dump` or `holdfast restore` instead")

// Options tell how a repository is mounted.
type Options struct {
	// AllowOther lets other users in.
	AllowOther bool
	// NoPermissions lets them read everything, whatever its mode.
	NoPermissions bool
	// OwnerRoot shows root as the owner of everything.
	OwnerRoot bool
	Layout    Layout
	Filter    snapshot.Filter
	// Refresh is how old the list of snapshots may get.
	Refresh time.Duration
	// Warn is told of what could not be read.
	Warn func(item string, err error)
	// Mounted is called once the file system can be used.
	Mounted func()
}
