// Package tempfile makes temporary files that are gone with the process,
// however it ends.
package tempfile

import "os"

// Create makes a file for reading and writing in the folder for temporary
// files. It has no name where the system allows that, and on Linux, where the
// file system has such files, it never had one: a process that is killed leaves
// nothing. Elsewhere the caller removes what is left, a path, after closing it.
//
// Prefix begins the file's name, and what it is called in errors.
func Create(prefix string) (file *os.File, left string, err error) {
	if file := unnamed(prefix); file != nil {
		return file, "", nil
	}
	file, err = os.CreateTemp("", prefix)
	if err != nil {
		return nil, "", err
	}
	if os.Remove(file.Name()) != nil {
		left = file.Name()
	}
	return file, left, nil
}
