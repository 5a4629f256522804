package index

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"

	"holdfast/repository/id"
)

// maxDepth bounds the nesting of values that are skipped.
const maxDepth = 1000

var errTooDeep = errors.New("values are nested too deeply")

// scanner reads JSON (RFC 8259) token by token from memory, without copying.
// A method that returns an error leaves the position near the fault.
type scanner struct {
	data []byte
	pos  int
}

// peek skips white space and returns the next byte, or 0 at the end.
func (s *scanner) peek() byte {
	for s.pos < len(s.data) {
		switch c := s.data[s.pos]; c {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return c
		}
	}
	return 0
}

// open reads an opening brace or bracket.
func (s *scanner) open(c byte) error {
	if s.peek() != c {
		return fmt.Errorf("expected %q", c)
	}
	s.pos++
	return nil
}

// nextItem moves to the next item of an array, or past its end.
func (s *scanner) nextItem(first bool) (more bool, err error) {
	switch c := s.peek(); {
	case c == ']':
		s.pos++
		return false, nil
	case first:
		return true, nil
	case c == ',':
		s.pos++
		if s.peek() == ']' {
			return false, errors.New("comma at the end of an array")
		}
		return true, nil
	}
	return false, errors.New("expected ',' or ']'")
}

// nextKey reads the next key of an object and moves to its value, or past the
// end of the object.
func (s *scanner) nextKey(first bool) (key []byte, more bool, err error) {
	c := s.peek()
	if first && c == '}' {
		s.pos++
		return nil, false, nil
	}
	if !first {
		s.pos++
		switch c {
		case '}':
			return nil, false, nil
		case ',':
		default:
			return nil, false, errors.New("expected ',' or '}'")
		}
	}
	if key, err = s.str(); err != nil {
		return nil, false, err
	}
	if s.peek() != ':' {
		return nil, false, errors.New("expected ':'")
	}
	s.pos++
	return key, true, nil
}

// str reads a string. The result lies in the data unless it needed
// unescaping.
func (s *scanner) str() ([]byte, error) {
	if s.peek() != '"' {
		return nil, errors.New("expected a string")
	}
	start := s.pos + 1
	escaped := false
	for i := start; i < len(s.data); i++ {
		switch c := s.data[i]; {
		case c == '"':
			s.pos = i + 1
			if escaped {
				return unescape(s.data[start-1 : s.pos])
			}
			return s.data[start:i], nil
		case c == '\\':
			escaped = true
			i++
		case c < ' ':
			return nil, errors.New("control character in a string")
		}
	}
	return nil, errors.New("string without end")
}

func unescape(quoted []byte) ([]byte, error) {
	var text string
	if err := json.Unmarshal(quoted, &text); err != nil {
		return nil, err
	}
	return []byte(text), nil
}

// hexID reads a string that is an ID, as nearly all strings of an index file
// are, and otherwise moves nowhere and returns false.
func (s *scanner) hexID(i *id.ID) bool {
	const quoted = 2*id.Size + 2
	if s.peek() != '"' || len(s.data)-s.pos < quoted || s.data[s.pos+quoted-1] != '"' {
		return false
	}
	digits := s.data[s.pos+1 : s.pos+quoted-1]
	bad := byte(0)
	for k := range i {
		high, low := hexValue[digits[2*k]], hexValue[digits[2*k+1]]
		bad |= high | low
		i[k] = high<<4 | low&0xf
	}
	if bad > 0xf {
		return false
	}
	s.pos += quoted
	return true
}

// hexValue maps lower-case hex digits to their values, all else to 0xff.
var hexValue = func() (table [256]byte) {
	for c := range table {
		table[c] = 0xff
	}
	for v, c := range []byte("0123456789abcdef") {
		table[c] = byte(v)
	}
	return table
}()

// uint32 reads a whole number.
func (s *scanner) uint32() (uint32, error) {
	s.peek()
	start := s.pos
	var n uint64
	for ; s.pos < len(s.data); s.pos++ {
		c := s.data[s.pos] - '0'
		if c > 9 {
			break
		}
		if n = n*10 + uint64(c); n > math.MaxUint32 {
			return 0, errors.New("number is too large")
		}
	}
	digits := s.data[start:s.pos]
	if len(digits) == 0 || digits[0] == '0' && len(digits) > 1 {
		return 0, errors.New("expected a whole number")
	}
	return uint32(n), nil
}

// null reads a null, if one is next.
func (s *scanner) null() bool { return s.peek() == 'n' && s.literal("null") == nil }

func (s *scanner) literal(word string) error {
	end := s.pos + len(word)
	if end > len(s.data) || string(s.data[s.pos:end]) != word {
		return fmt.Errorf("expected %s", word)
	}
	s.pos = end
	return nil
}

// skip reads any value and forgets it.
func (s *scanner) skip(depth int) (err error) {
	if depth > maxDepth {
		return errTooDeep
	}
	switch s.peek() {
	case '{':
		return s.skipObject(depth)
	case '[':
		return s.skipArray(depth)
	case '"':
		_, err = s.str()
		return err
	case 't':
		return s.literal("true")
	case 'f':
		return s.literal("false")
	case 'n':
		return s.literal("null")
	}
	return s.skipNumber()
}

func (s *scanner) skipObject(depth int) error {
	s.pos++
	for first := true; ; first = false {
		_, more, err := s.nextKey(first)
		if err != nil || !more {
			return err
		}
		if err := s.skip(depth + 1); err != nil {
			return err
		}
	}
}

func (s *scanner) skipArray(depth int) error {
	s.pos++
	for first := true; ; first = false {
		more, err := s.nextItem(first)
		if err != nil || !more {
			return err
		}
		if err := s.skip(depth + 1); err != nil {
			return err
		}
	}
}

func (s *scanner) skipNumber() error {
	start := s.pos
	for s.pos < len(s.data) && strings.IndexByte("0123456789-+.eE", s.data[s.pos]) >= 0 {
		s.pos++
	}
	if !json.Valid(s.data[start:s.pos]) {
		return errors.New("expected a value")
	}
	return nil
}
