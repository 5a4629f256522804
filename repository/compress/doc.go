// Package compress makes and reads Zstandard frames (RFC 8878) of plaintext
// that is whole in memory: blobs of a few hundred bytes to a few megabytes.
//
// A general encoder must take streams, of which it sees one block at a time,
// and keeps tables that fit the largest of them. This one sees all of a blob
// before it begins. Its tables are as large as the blob needs, so that they
// stay in the CPU's cache, and matches are found in the blob itself, which is
// never copied.
//
// A frame is made in three steps for each block of at most 128 KiB: find the
// matches (search.go), name and count what they are made of (sequences.go),
// write that down with as few bits as it takes (literals.go, fse.go).
//
// It is read in two: the literals (decode_literals.go, decode_huffman.go), then
// the sequences, which are carried out as they are read (decode_fse.go,
// decode_sequences.go). Whatever is read, nothing outside the frame and the
// memory for its plaintext is touched.
package compress
