// Package copies carries snapshots and whole repositories between stores of
// every kind, as the program's users do, and lets copies fall in for each
// other and heal each other.
package copies
