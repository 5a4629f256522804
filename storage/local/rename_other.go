//go:build !linux && !darwin

package local

import "errors"

// renameNew is not to be had here; hard links do its work.
func renameNew(string, string) error { return errors.ErrUnsupported }
