package history

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"strconv"
)

// A line is the CRC-32C of the rest, in 8 hexadecimal digits, a space, the value
// as JSON, and a newline.
const sumDigits = 8

// maxLine bounds a line: what a run may take.
const maxLine = 256 << 10

var errBadLine = errors.New("not a line of a history")

func encode(v any) ([]byte, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	if len(text) > maxLine-sumDigits-2 {
		return nil, fmt.Errorf("it takes %d bytes, at most %d are possible", len(text), maxLine)
	}
	line := make([]byte, 0, sumDigits+2+len(text))
	line = fmt.Appendf(line, "%0*x ", sumDigits, sum(text))
	return append(append(line, text...), '\n'), nil
}

// content returns what a line holds, without its newline, if it is whole.
func content(line []byte) ([]byte, error) {
	if len(line) < sumDigits+1 || line[sumDigits] != ' ' {
		return nil, errBadLine
	}
	want, err := strconv.ParseUint(string(line[:sumDigits]), 16, 32)
	text := bytes.TrimSuffix(line[sumDigits+1:], []byte("\n"))
	if err != nil || uint32(want) != sum(text) {
		return nil, errBadLine
	}
	return text, nil
}

func decode[T any](line []byte) (*T, error) {
	text, err := content(line)
	if err != nil {
		return nil, err
	}
	v := new(T)
	if err := json.Unmarshal(text, v); err != nil {
		return nil, err
	}
	return v, nil
}

func sum(text []byte) uint32 { return crc32.Checksum(text, crc32.MakeTable(crc32.Castagnoli)) }
