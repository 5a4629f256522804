//go:build !unix

package cli

// toJournal tells whether standard error is systemd's journal.
func toJournal() bool { return false }
