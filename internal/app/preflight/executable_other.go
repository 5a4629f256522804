//go:build !unix

package preflight

import "io/fs"

// executable is true: what may be executed does not show in the mode.
func executable(fs.FileInfo) bool { return true }
