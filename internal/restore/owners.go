package restore

import (
	"sync/atomic"
)

// process is what decides about the rights of this process, and so about what
// it can restore.
type process struct {
	uid, gid uint32
	// umask is taken from the mode of new files; negative if it is not known.
	umask int32
}

func (p *process) isRoot() bool { return p.uid == 0 }

// limits counts what the rights of this process, or the file system, did not
// permit. Nobody can change that by looking at each file, so it is told once.
type limits struct {
	// owners counts items that now belong to the user who restored them.
	owners atomic.Uint64
	// privileges counts items that lost setuid or setgid with their owner.
	privileges atomic.Uint64
	// attributes counts extended attributes that only root may set.
	attributes atomic.Uint64
}
