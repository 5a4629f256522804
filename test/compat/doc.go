// Package compat proves that holdfast and restic understand one another: what
// either writes, the other lists, restores, checks, copies, edits and prunes.
// It holds nothing but tests, which need Linux.
package compat
