package preflight

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"holdfast/internal/size"
	"holdfast/internal/verify/proof"
)

// littleRoom is how much free space is dubious: the next run may fill it.
const littleRoom = 1 << 30

// Room tells of a folder with little free space. One that is not there yet is
// judged by the one around it.
func (r *Report) Room(path string) {
	for {
		_, err := os.Stat(path)
		if !errors.Is(err, fs.ErrNotExist) || path == filepath.Dir(path) {
			break
		}
		path = filepath.Dir(path)
	}
	free, err := proof.FreeBytes(path)
	if err != nil {
		return // whoever needs the folder tells what is wrong with it
	}
	if free < littleRoom {
		r.Warn("only "+size.FormatBytes(free)+" are free on the disk of "+path, "make room there, or use another disk")
	}
}

// Paths tells of paths that cannot be read.
func (r *Report) Paths(paths []string) {
	wrong := false
	for _, path := range paths {
		if err := readable(path); err != nil {
			wrong = true
			r.Wrong(withoutOp(err), "protect what is there, and what the user of holdfast may read")
		}
	}
	if !wrong {
		r.OK("can be read")
	}
}

func readable(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !info.IsDir() && !info.Mode().IsRegular() {
		return nil // a device or a pipe: only its metadata is backed up
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return f.Close()
}

// withoutOp leaves out of an error what was done with the path.
func withoutOp(err error) string {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Path + ": " + pe.Err.Error()
	}
	return err.Error()
}

// Program tells of a program that cannot be run.
func (r *Report) Program(path string) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		r.Wrong(withoutOp(err), "install the program, or correct its path")
	case !info.Mode().IsRegular():
		r.Wrong(path+" is not a program", "write the whole path of the program")
	case !executable(info):
		r.Wrong(path+" may not be executed", "chmod +x "+path)
	}
}
