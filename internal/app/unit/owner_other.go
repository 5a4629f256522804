//go:build !unix

package unit

import (
	"errors"
	"io/fs"
)

func countForeign(string, ids) (int, error) { return 0, errors.ErrUnsupported }

func give(string, ids) error { return errors.ErrUnsupported }

func may(string, ids, fs.FileMode) (bool, error) { return false, errors.ErrUnsupported }
