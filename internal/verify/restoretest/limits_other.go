//go:build !linux

package restoretest

import "errors"

func lower(int) error { return errors.ErrUnsupported }
