// Package proof sabotages backups in every way that people have lost theirs,
// and holds restore tests, status and evidence to it: each has to be caught,
// named, and kept on record.
package proof
