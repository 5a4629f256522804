package restore

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io/fs"
	"strconv"
	"sync"
)

// A file that replaces another one is written under a name of its own, and takes
// the other's place when it is whole: what cannot be restored leaves what was
// there.

// asides are the files that are written so.
type asides struct {
	// prefix begins their names, of this restore and of no other.
	prefix string

	mu    sync.Mutex
	next  uint64
	files map[*file]struct{}
}

func newAsides() *asides {
	random := make([]byte, 8)
	rand.Read(random) //nolint:errcheck // never fails
	return &asides{prefix: ".holdfast-restore-" + hex.EncodeToString(random) + "-", files: make(map[*file]struct{})}
}

// add has a file written under a name of its own.
func (a *asides) add(f *file) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.next++
	f.aside = a.prefix + strconv.FormatUint(a.next, 10)
	a.files[f] = struct{}{}
}

func (a *asides) remove(f *file) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.files, f)
}

// nameNow is the name that the file has as long as it is written.
func (f *file) nameNow() string {
	if f.aside != "" {
		return f.aside
	}
	return f.name
}

// place puts a file that is whole into its place.
func (r *restorer) place(d dirHandle, f *file) error {
	if f.aside == "" {
		return nil
	}
	if err := d.rename(f.aside, f.name); err != nil {
		return err
	}
	r.asides.remove(f)
	f.aside = ""
	return nil
}

// placeWritten is place for a file that may have other names by now.
func (r *restorer) placeWritten(f *file) error {
	d, err := r.use(f.folder)
	if err != nil {
		return err
	}
	defer r.release(f.folder)
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	return r.place(d, f)
}

// removeAsides removes what a restore that ended early has left unfinished.
func (r *restorer) removeAsides() error {
	var errs []error
	for f := range r.asides.files {
		d, err := r.use(f.folder)
		if err != nil {
			return err
		}
		if err := d.remove(f.aside, false); !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
		r.release(f.folder)
	}
	return errors.Join(errs...)
}
