// Package temporary knows the names under which files are written before they
// are objects, in the stores that keep objects as files.
package temporary

import "strings"

// Prefix begins the names of our temporary files.
const Prefix = ".holdfast-tmp-"

// Is tells whether a file of this name is an unfinished Put: ours, or one of
// restic, which appends to the final name "-tmp-" and digits in a local
// folder, and "-restic-temp-" and hex digits over SFTP.
func Is(name string) bool {
	return strings.HasPrefix(name, Prefix) ||
		isRestic(name, "-tmp-", "0123456789") ||
		isRestic(name, "-restic-temp-", hexDigits)
}

const hexDigits = "0123456789abcdef"

func isRestic(name, mark, digits string) bool {
	final, random, ok := strings.Cut(name, mark)
	return ok && random != "" && strings.Trim(random, digits) == "" && isResticName(final)
}

// isResticName tells whether name is one of the files of a repository: the
// config, or a file named after the hash of its content.
func isResticName(name string) bool {
	const hashDigits = 64
	return name == "config" || len(name) == hashDigits && strings.Trim(name, hexDigits) == ""
}
