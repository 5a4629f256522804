//go:build !linux

package storage

import "os"

// unnamedFile makes a temporary file that never has a name: Linux alone can.
func unnamedFile() (*os.File, bool) { return nil, false }
