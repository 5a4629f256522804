package restore

import (
	"sync/atomic"

	"holdfast/repository/tree"
)

// Progress counts what a restore has done so far. It may be read at any time.
// Items are files, folders and all else.
type Progress struct {
	// ItemsTotal and BytesTotal count what is known to be restored: they grow
	// until the whole snapshot has been walked.
	ItemsTotal, BytesTotal atomic.Uint64
	// ItemsRestored and BytesRestored count what was written.
	ItemsRestored, BytesRestored atomic.Uint64
	// ItemsSkipped and BytesSkipped count what was right already, or was not
	// to be overwritten.
	ItemsSkipped, BytesSkipped atomic.Uint64
	ItemsDeleted               atomic.Uint64
	// BytesVerified counts the content that was read again.
	BytesVerified atomic.Uint64
	Errors        atomic.Uint64
}

// Action says what became of an item.
type Action string

// The actions.
const (
	Restored  Action = "restored"
	Updated   Action = "updated"
	Unchanged Action = "unchanged"
	Deleted   Action = "deleted"
)

// Item is something that is done.
type Item struct {
	// Path is where it is in the snapshot, or would be.
	Path   string
	Type   tree.Type
	Action Action
	// Size is the length of a file in bytes.
	Size uint64
}

// done counts an item and tells who wants to know.
func (r *restorer) done(at *folder, name string, t tree.Type, a Action, size uint64) {
	switch a {
	case Unchanged:
		r.progress.ItemsSkipped.Add(1)
	case Deleted:
		r.progress.ItemsDeleted.Add(1)
	default:
		r.progress.ItemsRestored.Add(1)
	}
	if r.options.OnItem == nil {
		return
	}
	r.report.Lock()
	defer r.report.Unlock()
	r.options.OnItem(Item{Path: at.join(name), Type: t, Action: a, Size: size})
}

// failed reports an item that could not be restored as it should be.
func (r *restorer) failed(path string, err error) {
	r.progress.Errors.Add(1)
	if r.options.OnError == nil {
		return
	}
	r.report.Lock()
	defer r.report.Unlock()
	r.options.OnError(path, err)
}
