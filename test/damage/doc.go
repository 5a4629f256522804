// Package damage holds the tests that damage repositories: one flipped bit, a
// truncation or a removal in every kind of file and at every kind of place.
// It has to be found, named with the snapshots and paths it hits, never read
// as if good, and repaired as far as that can be.
package damage
