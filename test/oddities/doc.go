// Package oddities makes a folder of everything a file system can hold that
// backups get wrong, and compares two trees in all that a backup must keep.
// It is for tests. Both work on Linux only; being root adds device nodes,
// foreign owners and privileged attributes.
package oddities
