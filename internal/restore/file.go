package restore

import (
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"sync/atomic"

	"holdfast/repository/tree"
)

// file is a file of the target whose content is on its way.
type file struct {
	folder   *folder
	name     string
	metadata metadata
	// aside is the name that the file has until it is whole, if it replaces
	// another file; "" if it does not, or does no longer. See aside.go.
	aside string
	// size is the length of the content in bytes.
	size int64
	// number is that of the file in the order of the walk.
	number uint64
	// left counts the parts that are not written.
	left atomic.Int64
	// spoiled is set when a part cannot be had: the file is then removed.
	spoiled atomic.Bool
	// disk is the state of a file that takes more than one write, or was there
	// before the first. It is nil for all others.
	disk *onDisk
}

// onDisk is what must be known of a file between one write and the next.
type onDisk struct {
	slot slot[fileHandle]
	// made says that the file is there, under the identity id. It is guarded
	// by the opening of slot.
	made bool
	id   fileID
	// reserved says that the file got room for all of its content when it was
	// made, which reads as zeros where nothing was written. It is guarded as
	// made is.
	reserved bool
	// foreign says that the file was there before the restore; is is its
	// state then.
	foreign bool
	is      state
	// action is what becomes of the file.
	action Action
	// writing is held by whoever writes a part: the kernel lets one write to
	// a file at a time, and those that wait for it there do so on the CPU.
	writing sync.Mutex
	// touched says that something was written; writing guards it.
	touched bool

	mu sync.Mutex
	// links are the other names given to it. A spoiled file gets no more.
	links []link
	gone  bool
}

func (r *restorer) newFile(at *folder, n *tree.Node) *file {
	return &file{folder: at, name: n.Name, metadata: r.metadataOf(n)}
}

// writeMode is the mode of a file that is being written.
const writeMode fs.FileMode = 0o600

// errNoPlace says that the place of a file, found free, no longer is.
var errNoPlace = errors.New("something appeared in its place while it was being restored")

// writeWhole makes a file, writes its content and gives it its metadata.
func (r *restorer) writeWhole(f *file, content []byte) error {
	d, err := r.use(f.folder)
	if err != nil {
		return err
	}
	defer r.release(f.folder)
	mode := writeMode
	if len(f.metadata.attributes) == 0 && f.metadata.mode&privilegedBits == 0 {
		mode = f.metadata.mode.Perm()
	}
	h, err := d.create(f.nameNow(), mode)
	if errors.Is(err, fs.ErrExist) {
		return errNoPlace
	}
	if err != nil {
		return err
	}
	err = r.writePart(h, f, content, 0)
	var unset error
	if err == nil {
		unset = r.setNewFile(d, f, h, mode)
	}
	if err = errors.Join(err, h.close()); err == nil {
		err = r.place(d, f)
	}
	if err != nil {
		return errors.Join(err, d.remove(f.nameNow(), false))
	}
	if unset != nil {
		r.failed(f.folder.join(f.name), unset)
	}
	return nil
}

// setNewFile gives a file that this restore made its metadata, and asks for
// what it has now only if that cannot be known.
func (r *restorer) setNewFile(d dirHandle, f *file, h fileHandle, created fs.FileMode) error {
	if !f.folder.plain {
		is, err := h.state()
		if err != nil {
			return err
		}
		return r.setFile(d, f.nameNow(), h, &f.metadata, &is, true)
	}
	is := state{uid: r.process.uid, gid: r.process.gid, mode: created &^ fs.FileMode(r.process.umask)} //nolint:gosec // see plain
	return r.setFile(d, f.nameNow(), h, &f.metadata, &is, false)
}

// writePart writes content at an offset. Where there are zeros it does not
// write zeros: disk images are full of them.
func (r *restorer) writePart(h fileHandle, f *file, content []byte, offset int64) error {
	if f.disk != nil && f.disk.reserved && isZero(content) {
		return nil
	}
	if r.options.Sparse && (f.disk == nil || !f.disk.foreign) {
		if f.disk == nil {
			if err := h.truncate(f.size); err != nil {
				return err
			}
		}
		return writeSparse(h, content, offset)
	}
	return h.writeAt(content, offset)
}

// write writes a part of a file, the only one or one of many.
func (r *restorer) write(f *file, content []byte, offset int64) error {
	if f.spoiled.Load() {
		return nil
	}
	if f.disk == nil {
		return r.writeWhole(f, content)
	}
	h, err := r.useFile(f)
	if err != nil {
		return err
	}
	defer r.files.release(&f.disk.slot)
	f.disk.writing.Lock()
	defer f.disk.writing.Unlock()
	if f.spoiled.Load() {
		return nil
	}
	f.disk.touched = true
	return r.writePart(h, f, content, offset)
}

// useFile returns the handle of a file that takes several writes, and makes
// the file with the first.
func (r *restorer) useFile(f *file) (fileHandle, error) {
	return r.files.use(&f.disk.slot, func() (fileHandle, error) {
		d, err := r.use(f.folder)
		if err != nil {
			return noFile, err
		}
		defer r.release(f.folder)
		if !f.disk.made {
			return r.makeFile(d, f)
		}
		return reopen(d, f)
	})
}

func (r *restorer) makeFile(d dirHandle, f *file) (fileHandle, error) {
	h, err := d.create(f.nameNow(), writeMode)
	if errors.Is(err, fs.ErrExist) {
		return noFile, errNoPlace
	}
	if err != nil {
		return noFile, err
	}
	is, err := h.state()
	switch {
	case err != nil:
	case r.options.Sparse:
		err = h.truncate(f.size)
	default:
		f.disk.reserved, err = h.reserve(f.size)
	}
	if err != nil {
		return noFile, errors.Join(err, h.close(), d.remove(f.nameNow(), false))
	}
	f.disk.made, f.disk.id = true, is.fileID
	return h, nil
}

// reopen opens a file again and makes sure that it is what it was.
func reopen(d dirHandle, f *file) (fileHandle, error) {
	h, err := d.open(f.nameNow(), true)
	if err != nil {
		return noFile, err
	}
	is, err := h.state()
	if err == nil && (is.kind != tree.File || is.fileID != f.disk.id) {
		err = errReplaced
	}
	if err != nil {
		return noFile, errors.Join(err, h.close())
	}
	return h, nil
}

// spoil marks a file that cannot be restored, and reports it once. What this
// restore made of it goes away with its last part. The error is fatal, or nil.
func (r *restorer) spoil(f *file, err error) error {
	fatal := judge(err)
	if f.disk != nil && f.disk.foreign {
		f.disk.writing.Lock() // what is said of the file must stay true
		defer f.disk.writing.Unlock()
	}
	if !f.spoiled.Swap(true) {
		r.failed(f.folder.join(f.name), f.explainKept(err))
		r.unproven.add(f.number)
	}
	return fatal
}

// explainKept adds what became of the file that was there.
func (f *file) explainKept(err error) error {
	switch {
	case f.aside != "":
		return fmt.Errorf("%w; the file that was there is kept", err)
	case f.disk == nil || !f.disk.foreign:
		return err
	case !f.disk.touched:
		return fmt.Errorf("%w; the file that was there is left as it was", err)
	}
	return fmt.Errorf("%w; the file that was there is overwritten in part: it is neither what it was nor what it should be, until a restore from another copy completes it", err)
}

// partDone counts a part that is written or given up, and finishes the file
// with its last one.
func (r *restorer) partDone(f *file) {
	if f.left.Add(-1) > 0 {
		return
	}
	r.finishFile(f)
	r.finished(f.folder)
}

// finishFile gives a file whose content is complete its metadata, and removes
// one that is not.
func (r *restorer) finishFile(f *file) {
	switch {
	case f.disk == nil:
	case f.spoiled.Load():
		r.removeSpoiled(f)
	default:
		if err := r.completeFile(f); err != nil {
			r.failed(f.folder.join(f.name), err)
		}
	}
	if !f.spoiled.Load() {
		r.done(f.folder, f.name, tree.File, f.action(), uint64(f.size)) //nolint:gosec // not negative
	}
}

func (f *file) action() Action {
	if f.disk == nil {
		return Restored
	}
	return f.disk.action
}

func (r *restorer) completeFile(f *file) error {
	h, err := r.useFile(f)
	if err != nil {
		return err
	}
	r.files.detach(&f.disk.slot)
	if f.disk.foreign && f.disk.is.size != f.size {
		err = h.truncate(f.size)
	}
	if err == nil {
		err = r.setWrittenFile(f, h)
	}
	return errors.Join(err, h.close(), r.placeWritten(f))
}

func (r *restorer) setWrittenFile(f *file, h fileHandle) error {
	d, err := r.use(f.folder)
	if err != nil {
		return err
	}
	defer r.release(f.folder)
	if f.disk.foreign {
		return r.setFile(d, f.nameNow(), h, &f.metadata, &f.disk.is, true)
	}
	return r.setNewFile(d, f, h, writeMode)
}

// removeSpoiled removes all names that this restore gave a file, so that nobody
// takes it for what it is not.
func (r *restorer) removeSpoiled(f *file) {
	f.disk.mu.Lock()
	f.disk.gone = true
	names := f.disk.links
	f.disk.mu.Unlock()
	if !f.disk.made {
		return
	}
	if h, ok := r.files.take(&f.disk.slot); ok {
		r.files.detach(&f.disk.slot)
		h.close() //nolint:errcheck // it is given up
	}
	for _, name := range names {
		r.unproven.add(name.number)
		if r.removeIncomplete(name, f.disk.id) {
			r.failed(name.folder.join(name.name), errSpoiled)
		}
	}
	if !f.disk.foreign {
		r.removeIncomplete(link{f.folder, f.nameNow(), f.number}, f.disk.id)
	}
}

// removeIncomplete removes a name of a file that is not whole, and tells
// whether it is gone.
func (r *restorer) removeIncomplete(l link, want fileID) bool {
	err := r.removeName(l, want)
	if err != nil {
		r.failed(l.folder.join(l.name), fmt.Errorf("remove the incomplete file: %w", err))
	}
	return err == nil
}

// removeName removes a name of a file, unless it became that of another.
func (r *restorer) removeName(l link, want fileID) error {
	d, err := r.use(l.folder)
	if err != nil {
		return err
	}
	defer r.release(l.folder)
	is, err := d.lstat(l.name)
	if err != nil {
		return err
	}
	if is.fileID != want {
		return errReplaced
	}
	return d.remove(l.name, false)
}
