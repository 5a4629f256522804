package postgres

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strconv"
)

// ControlFile is where in a data directory the state of the cluster is kept.
const ControlFile = "global/pg_control"

const (
	// controlBytes is how long the file is.
	controlBytes = 8192
	// minControl and maxControl are where its checksum may be: it ends the
	// state, which versions have of different lengths
	// (src/include/catalog/pg_control.h).
	minControl = 200
	maxControl = 512
)

// CheckControl tells whether the content of a control file is whole. One that
// is read while the server writes it may not be.
func CheckControl(content []byte) error {
	if len(content) != controlBytes {
		return fmt.Errorf("%s has %d bytes instead of %d", ControlFile, len(content), controlBytes)
	}
	table := crc32.MakeTable(crc32.Castagnoli)
	for at := minControl; at <= maxControl; at += 4 {
		if crc32.Checksum(content[:at], table) == binary.NativeEndian.Uint32(content[at:]) {
			return nil
		}
	}
	return fmt.Errorf("%s does not match its checksum", ControlFile)
}

// SystemOf returns the identifier of the cluster in a data directory. It is
// written once, when the cluster is made.
func SystemOf(data string) (string, error) {
	content, err := os.ReadFile(filepath.Join(data, filepath.FromSlash(ControlFile)))
	if err != nil {
		return "", fmt.Errorf("find the identity of the cluster: %w", err)
	}
	return SystemIn(content)
}

// SystemIn is SystemOf for the content of a control file.
func SystemIn(content []byte) (string, error) {
	if len(content) < 8 {
		return "", fmt.Errorf("%s is too short", ControlFile)
	}
	return strconv.FormatUint(binary.NativeEndian.Uint64(content), 10), nil
}
