package pattern

import (
	"bytes"
	"encoding/binary"
	"os"
	"strings"
	"unicode/utf16"
)

// File is what a pattern file (--exclude-file, --include-file and their
// case-insensitive twins) holds.
type File struct {
	// Patterns in the order of their lines, variables replaced.
	Patterns []string

	// Unset names the variables that the file uses and the environment does
	// not have, each once. They were replaced by nothing, so that
	// "$CACHE/*" became "/*", the whole machine: the user must hear of it.
	Unset []string
}

// ParseFile reads the content of a pattern file: one pattern a line, white
// space around it removed, lines that are empty or begin with "#" skipped.
// $VAR and ${VAR} are replaced by what lookup (such as [os.LookupEnv]) gives
// and "$$" by a dollar sign. A byte order mark is removed; UTF-16 is
// understood if the file begins with one.
//
// The patterns are not checked: Parse does that.
func ParseFile(data []byte, lookup func(name string) (value string, ok bool)) File {
	var f File
	seen := make(map[string]bool)
	expand := func(name string) string {
		if name == "$" {
			return "$"
		}
		value, ok := lookup(name)
		if !ok && !seen[name] {
			seen[name] = true
			f.Unset = append(f.Unset, name)
		}
		return value
	}
	for line := range strings.Lines(decode(data)) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		if p := os.Expand(line, expand); p != "" {
			f.Patterns = append(f.Patterns, p)
		}
	}
	return f
}

// decode turns text with or without a byte order mark into UTF-8. Without one
// the text is taken as it is.
func decode(data []byte) string {
	switch {
	case bytes.HasPrefix(data, []byte{0xef, 0xbb, 0xbf}):
		return string(data[3:])
	case bytes.HasPrefix(data, []byte{0xfe, 0xff}):
		return decodeUTF16(data[2:], binary.BigEndian)
	case bytes.HasPrefix(data, []byte{0xff, 0xfe}):
		return decodeUTF16(data[2:], binary.LittleEndian)
	default:
		return string(data)
	}
}

func decodeUTF16(data []byte, order binary.ByteOrder) string {
	units := make([]uint16, 0, len(data)/2)
	for len(data) >= 2 {
		units = append(units, order.Uint16(data))
		data = data[2:]
	}
	return string(utf16.Decode(units))
}
