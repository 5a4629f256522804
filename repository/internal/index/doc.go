// Package index knows every blob of a repository and where it is stored.
//
// A repository lists its blobs in index files: sealed JSON, each for some
// packs (Encode, Decode). Reading them all at every start, and holding them in
// memory, would cost gigabytes for a large repository. So an Index keeps
// what they say as segments: compact files, sorted by blob, in a cache folder
// of this machine, which are mapped and searched in place. Its anonymous
// memory does not grow with the number of blobs.
//
//	index file  JSON in the repository; names packs and the blobs in them
//	segment     cached table of the blobs of one or more whole index files
//	entry       one line of a segment: a blob and one place where it is stored
//	copy        an entry of a blob that has several
//	position    the number of an entry, for bitsets and arrays over all blobs
//
// # Guarantees
//
// Sync makes an Index hold exactly the entries of the index files it is told
// about; a blob stored several times keeps all of its places. Each index file
// is covered by exactly one segment in use.
//
// The cache is never trusted. A segment is checked as a whole when it is
// opened: its length against its header, a checksum of every byte, every
// number that is used as a subscript. One that is damaged is deleted and made
// again from the index files.
//
// A segment is written under a temporary name, synced, renamed to a name
// derived from the index files it covers, and never changed again; so any
// number of processes may share the folder, and at worst one deletes what the
// other would have used next time. A mapped segment that another process
// deletes or replaces stays readable on Unix; Windows refuses the deletion,
// and a later Sync repeats it. Nothing else keeps someone from truncating a
// file that is in use; like a disk that fails under the mapping, that ends
// the process. It cannot lead to a wrong answer.
//
// # Cost
//
// An entry takes 48 bytes of disk. A lookup asks each segment; their number
// stays logarithmic (like a log-structured merge tree: a segment is merged
// with the newer ones before these are half as large), and never passes
// maxSegments. Building and merging sort outside of memory, with buffers of
// fixed size.
package index
