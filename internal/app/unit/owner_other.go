//go:build !unix

package unit

import "errors"

func countForeign(string, ids) (int, error) { return 0, errors.ErrUnsupported }

func give(string, ids) error { return errors.ErrUnsupported }

func mayWrite(string, ids) (bool, error) { return false, errors.ErrUnsupported }
