package wal

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// controlFile is where a data directory says which cluster it is; its first
// eight bytes are the system identifier, in all versions.
const controlFile = "global/pg_control"

// systemOf returns the system identifier of a data directory.
func systemOf(dataDir string) (uint64, error) {
	content, err := os.ReadFile(filepath.Join(dataDir, controlFile))
	if err != nil {
		return 0, fmt.Errorf("find out which cluster this is: %w", err)
	}
	if len(content) < 8 {
		return 0, fmt.Errorf("find out which cluster this is: %s has %d bytes", controlFile, len(content))
	}
	return binary.LittleEndian.Uint64(content), nil
}

// SystemOf returns the stream that the log of a data directory belongs to: its
// system identifier.
func SystemOf(dataDir string) (string, error) {
	system, err := systemOf(dataDir)
	return streamName(system), err
}

// dataDirOf returns the data directory of a file in pg_wal. PostgreSQL gives
// paths relative to it.
func dataDirOf(walFile string) string { return filepath.Dir(filepath.Dir(walFile)) }

func streamName(system uint64) string { return strconv.FormatUint(system, 10) }
