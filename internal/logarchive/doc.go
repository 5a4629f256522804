// Package logarchive keeps the continuous change log of a database: what lies
// between two snapshots, so that any instant can be restored.
//
// # Words
//
// A log is an endless stream of bytes in which each byte has a Position. It
// is archived in segments: immutable pieces that follow one another. A stream
// is the log of one database cluster (PostgreSQL: one system identifier), a
// line one course of its history (a timeline): after a failover a new line
// branches off.
//
// A segment is two objects below holdfast/log/ in a repository's store: its
// payload, the bytes in zstd inside age, and its record, which says what the
// payload is and is signed with ed25519. A segment is archived when its record
// is there; a payload without one is left from an upload that was cut off.
//
// # Guarantees
//
//   - A record is written after its payload. Nobody is told that a segment is
//     archived before all segments before it are, and before the archive says
//     so itself, in a later record or a mark: what was acknowledged and is
//     missing is a gap. A crash may leave some beyond a hole; Extent tells
//     those from the ones after a gap.
//   - Content never changes under a name. Appending the same bytes again
//     changes nothing and succeeds; other bytes are storage.ErrConflict.
//   - Each record names the one before it, by a digest over what both say of
//     the log itself. A segment that was replaced, forged, or comes from
//     another stream breaks that chain, and Fetch refuses it.
//   - Whoever appends needs the public recipients and its own signing key. It
//     can read nothing that was archived.
//
// The format is in docs/format/log-archive.md.
package logarchive
