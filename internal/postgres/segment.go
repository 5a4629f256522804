package postgres

import (
	"fmt"
	"strconv"
)

const (
	// MinSegmentBytes and MaxSegmentBytes bound the size of WAL segments,
	// a power of two chosen when a cluster is made (initdb --wal-segsize).
	MinSegmentBytes = 1 << 20
	MaxSegmentBytes = 1 << 30
	// DefaultSegmentBytes is what nearly all clusters have.
	DefaultSegmentBytes = 16 << 20
)

// IsSegmentSize tells whether a cluster can have segments of so many bytes.
func IsSegmentSize(n int64) bool {
	return n >= MinSegmentBytes && n <= MaxSegmentBytes && n&(n-1) == 0
}

// FileKind is a kind of file that PostgreSQL archives.
type FileKind int

const (
	// SegmentFile is a whole segment of WAL.
	SegmentFile FileKind = iota
	// PartialFile is the last segment of a timeline that was left by a
	// promotion: NAME.partial.
	PartialFile
	// HistoryFile tells where a timeline branches off: 0000000N.history.
	HistoryFile
	// BackupFile is the label of a base backup: NAME.OFFSET.backup.
	BackupFile
)

// FileName is the name of an archived file, taken apart.
type FileName struct {
	Kind     FileKind
	Timeline uint32
	// High and Low are the two numbers of a segment's name.
	High, Low uint32
	// Offset is where in its segment a backup begins.
	Offset uint32
}

// ParseFileName reads the name of a file that PostgreSQL gives to
// archive_command or asks restore_command for.
func ParseFileName(name string) (FileName, error) {
	bad := fmt.Errorf("%q is not the name of a WAL file", name)
	if line, ok := cutSuffix(name, ".history", 8); ok {
		t, err := parseHex(line)
		if err != nil {
			return FileName{}, bad
		}
		return FileName{Kind: HistoryFile, Timeline: t}, nil
	}
	if len(name) < 24 {
		return FileName{}, bad
	}
	var f FileName
	for k, field := range []*uint32{&f.Timeline, &f.High, &f.Low} {
		v, err := parseHex(name[8*k : 8*k+8])
		if err != nil {
			return FileName{}, bad
		}
		*field = v
	}
	switch rest := name[24:]; {
	case rest == "":
		return f, nil
	case rest == ".partial":
		f.Kind = PartialFile
		return f, nil
	default:
		offset, ok := cutSuffix(rest, ".backup", 9)
		if !ok || offset[0] != '.' {
			return FileName{}, bad
		}
		v, err := parseHex(offset[1:])
		if err != nil {
			return FileName{}, bad
		}
		f.Kind, f.Offset = BackupFile, v
		return f, nil
	}
}

// cutSuffix cuts a suffix off and wants so many bytes before it.
func cutSuffix(s, suffix string, before int) (string, bool) {
	if len(s) != before+len(suffix) || s[before:] != suffix {
		return "", false
	}
	return s[:before], true
}

// parseHex reads 8 digits as PostgreSQL writes them: in upper case.
func parseHex(s string) (uint32, error) {
	v, err := strconv.ParseUint(s, 16, 32)
	if err != nil || fmt.Sprintf("%08X", v) != s {
		return 0, fmt.Errorf("%q is not 8 hexadecimal digits", s)
	}
	return uint32(v), nil
}

// String writes the name.
func (f FileName) String() string {
	if f.Kind == HistoryFile {
		return fmt.Sprintf("%08X.history", f.Timeline)
	}
	segment := fmt.Sprintf("%08X%08X%08X", f.Timeline, f.High, f.Low)
	switch f.Kind {
	case PartialFile:
		return segment + ".partial"
	case BackupFile:
		return fmt.Sprintf("%s.%08X.backup", segment, f.Offset)
	default:
		return segment
	}
}

// Start returns where the segment begins, in a cluster with segments of so
// many bytes.
func (f FileName) Start(segmentBytes int64) LSN {
	return LSN(uint64(f.High)<<32 + uint64(f.Low)*uint64(segmentBytes))
}

// SegmentAt returns the name of the segment that holds a position.
func SegmentAt(timeline uint32, at LSN, segmentBytes int64) FileName {
	return FileName{
		Kind: SegmentFile, Timeline: timeline,
		High: uint32(at >> 32), Low: uint32(uint64(uint32(at)) / uint64(segmentBytes)),
	}
}
