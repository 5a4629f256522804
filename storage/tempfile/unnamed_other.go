//go:build !linux

package tempfile

import "os"

// unnamed makes a file that never has a name: Linux alone can.
func unnamed(string) *os.File { return nil }
