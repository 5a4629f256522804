package storage

import (
	"fmt"
	"strings"
)

// maxKeyBytes bounds a key: the shortest limit among the services we speak
// to (S3, Azure Blob and Google Cloud Storage all allow 1024 bytes).
const maxKeyBytes = 1024

// CheckKey returns an ErrInvalidKey when key breaks the rules given at
// Store. Every implementation calls it before it touches anything, so that
// no key can lead outside the place where the store lives.
func CheckKey(key string) error {
	if key == "" || len(key) > maxKeyBytes {
		return fmt.Errorf("%w: %d bytes long, want 1 to %d", ErrInvalidKey, len(key), maxKeyBytes)
	}
	for segment := range strings.SplitSeq(key, "/") {
		if segment == "" || segment == "." || segment == ".." {
			return fmt.Errorf("%w: %q has the segment %q", ErrInvalidKey, key, segment)
		}
	}
	for _, r := range key {
		if r < 0x20 || r == 0x7f || r == '\\' || r == 0xfffd {
			return fmt.Errorf("%w: %q holds %q", ErrInvalidKey, key, r)
		}
	}
	return nil
}

// CheckPrefix returns an ErrInvalidKey when prefix is not one that List
// takes: "", or a key followed by "/".
func CheckPrefix(prefix string) error {
	if prefix == "" {
		return nil
	}
	key, ok := strings.CutSuffix(prefix, "/")
	if !ok {
		return fmt.Errorf("%w: the prefix %q does not end in a slash", ErrInvalidKey, prefix)
	}
	return CheckKey(key)
}

// CheckRange returns an ErrInvalidRange when a Get cannot begin at offset in
// an object of the given size. It leaves an end after the end of the object
// to the reader, which answers with io.ErrUnexpectedEOF.
func CheckRange(key string, offset, sizeBytes int64) error {
	if offset < 0 || offset > sizeBytes {
		return fmt.Errorf("read %s: %w: offset %d of %d bytes", key, ErrInvalidRange, offset, sizeBytes)
	}
	return nil
}
