// Package archive writes snapshots as files that outlive holdfast: a tar in
// zstd in age, with a manifest, for tape, optical discs and cold storage. The
// plain tools bring one back:
//
//	cat NAME* | age -d -i key.txt | zstd -d | tar x
//
// An archive is a folder of the name of the archive, in any storage.Store:
//
//	NAME/NAME.tar.zst.age          or .000, .001, ... where it is split
//	NAME/manifest.json             what is in it, what it is relative to
//	NAME/SHA256SUMS                of all the above; written last
//
// An archive without SHA256SUMS is not complete, and is never taken for one.
// docs/format/archive.md has the format.
//
// A full archive holds all of a snapshot. An incremental or differential one
// holds what changed since an earlier archive, its parent, and a list of what
// went away; it names its parent by the hash of the tar.zst, so that a chain
// with a wrong or missing link is known before anything is read.
//
// The tar.zst of the same snapshot and the same parent is the same, byte for
// byte, whenever and wherever the same version of holdfast makes it. What is
// around it is not: age chooses a new key each time.
//
// Memory is bounded: a few dozen MiB of content on its way, the names of hard
// links, and the list of deletions. Writing takes temporary space for the part
// that is made and those that travel, however large the archive: 192 MiB unless
// a size of parts is chosen, and none where the store can take over a spool.
package archive
