package tree

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"unicode/utf8"
)

// SyntaxError says where a tree stops being one.
type SyntaxError struct {
	// Offset counts the bytes before the mistake.
	Offset int
	Reason string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("invalid tree at byte %d: %s", e.Offset, e.Reason)
}

// maxDepth bounds the nesting of values that are skipped, as encoding/json
// does: beyond it a hostile tree could exhaust the stack.
const maxDepth = 10000

// lexer reads JSON (RFC 8259) in place. Its methods return false once there
// is an error, which stays.
type lexer struct {
	data []byte
	pos  int
	err  *SyntaxError
}

func (l *lexer) fail(offset int, reason string) bool {
	if l.err == nil {
		l.err = &SyntaxError{Offset: offset, Reason: reason}
	}
	return false
}

// peek skips white space and returns the byte behind it, or 0 at the end.
func (l *lexer) peek() byte {
	for l.pos < len(l.data) {
		switch c := l.data[l.pos]; c {
		case ' ', '\t', '\r', '\n':
			l.pos++
		default:
			return c
		}
	}
	return 0
}

// accept reads c, behind white space, if it is there.
func (l *lexer) accept(c byte) bool {
	if l.peek() != c || l.pos == len(l.data) {
		return false
	}
	l.pos++
	return true
}

// expect reads c, behind white space.
func (l *lexer) expect(c byte) bool {
	if l.pos < len(l.data) && l.data[l.pos] == c {
		l.pos++
		return true
	}
	return l.accept(c) || l.fail(l.pos, fmt.Sprintf("want %q", c))
}

// literal reads a word such as null.
func (l *lexer) literal(word string) bool {
	return l.word(word) || l.fail(l.pos, "want "+word)
}

// word reads exactly these bytes if they are there.
func (l *lexer) word(word string) bool {
	end := l.pos + len(word)
	if end > len(l.data) || string(l.data[l.pos:end]) != word {
		return false
	}
	l.pos = end
	return true
}

// more tells whether another element comes in an array or object that ends
// with end. It reads the comma before the element, or the end.
func (l *lexer) more(first bool, end byte) bool {
	if !first && l.pos < len(l.data) && l.data[l.pos] == ',' {
		l.pos++
		return true
	}
	if l.accept(end) {
		return false
	}
	return first || l.expect(',')
}

// key reads the name of a member and the colon behind it.
func (l *lexer) key() (raw []byte, plain, ok bool) {
	raw, plain, ok = l.text()
	return raw, plain, ok && l.expect(':')
}

// text reads a string and returns what is between its quotation marks, as
// it stands. It is plain if it is ASCII without escapes, and so its own
// meaning; if not, unescape gives that.
func (l *lexer) text() (raw []byte, plain, ok bool) {
	if !l.expect('"') {
		return nil, false, false
	}
	start := l.pos
	plain = true
	for {
		l.skipPlain()
		if l.pos == len(l.data) {
			return nil, false, l.fail(start-1, "string without end")
		}
		switch c := l.data[l.pos]; {
		case c == '"':
			l.pos++
			return l.data[start : l.pos-1], plain, true
		case c == '\\':
			plain = false
			if !l.escape() {
				return nil, false, false
			}
		case c < ' ':
			return nil, false, l.fail(l.pos, "control character in string")
		default:
			plain = false
			for l.pos < len(l.data) && l.data[l.pos] >= utf8.RuneSelf {
				l.pos++
			}
		}
	}
}

// skipPlain skips the bytes of a string that need no attention, eight at a
// time: strings are most of a tree.
func (l *lexer) skipPlain() {
	const ones = 0x0101010101010101
	for l.pos+8 <= len(l.data) {
		w := binary.LittleEndian.Uint64(l.data[l.pos:])
		// In each term, the high bit of a byte is set for a quotation mark,
		// a backslash, a control character and a byte beyond ASCII. Borrows
		// spoil only the bytes above the first hit, which is all that counts.
		quote, slash := w^(ones*'"'), w^(ones*'\\')
		hits := ((quote-ones)&^quote | (slash-ones)&^slash | (w-ones*' ')&^w | w) & (ones * 0x80)
		if hits != 0 {
			l.pos += bits.TrailingZeros64(hits) / 8
			return
		}
		l.pos += 8
	}
	for l.pos < len(l.data) {
		if c := l.data[l.pos]; c == '"' || c == '\\' || c < ' ' || c >= utf8.RuneSelf {
			return
		}
		l.pos++
	}
}

// escape reads a backslash and what belongs to it.
func (l *lexer) escape() bool {
	start := l.pos
	l.pos += 2
	if l.pos > len(l.data) {
		return l.fail(start, "string without end")
	}
	switch l.data[start+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return true
	case 'u':
		if l.pos += 4; l.pos <= len(l.data) {
			if _, ok := hexRune(l.data[start:]); ok {
				return true
			}
		}
	}
	return l.fail(start, "invalid escape")
}

// uint reads a whole number of at most size bits.
func (l *lexer) uint(size int) (uint64, bool) {
	l.peek()
	start := l.pos
	limit := uint64(1)<<size - 1 // a shift by 64 gives 0, and so all ones
	var v uint64
	for l.pos < len(l.data) {
		c := l.data[l.pos] - '0'
		if c > 9 {
			break
		}
		if v > (limit-uint64(c))/10 {
			return 0, l.fail(start, "number too large")
		}
		v = v*10 + uint64(c)
		l.pos++
	}
	digits := l.pos - start
	if digits == 0 || (digits > 1 && l.data[start] == '0') {
		return 0, l.fail(start, "want a whole number")
	}
	return v, true
}

// skip reads any value and checks that it is JSON, since it may be written
// again as part of another tree.
func (l *lexer) skip(depth int) bool {
	if depth > maxDepth {
		return l.fail(l.pos, "nested too deep")
	}
	switch l.peek() {
	case '"':
		_, _, ok := l.text()
		return ok
	case '{':
		return l.skipObject(depth)
	case '[':
		return l.skipArray(depth)
	case 't':
		return l.literal("true")
	case 'f':
		return l.literal("false")
	case 'n':
		return l.literal("null")
	}
	return l.skipNumber()
}

func (l *lexer) skipObject(depth int) bool {
	l.pos++
	for first := true; l.more(first, '}'); first = false {
		if _, _, ok := l.key(); !ok || !l.skip(depth+1) {
			return false
		}
	}
	return l.err == nil
}

func (l *lexer) skipArray(depth int) bool {
	l.pos++
	for first := true; l.more(first, ']'); first = false {
		if !l.skip(depth + 1) {
			return false
		}
	}
	return l.err == nil
}

func (l *lexer) skipNumber() bool {
	start := l.pos
	l.skipByte("-")
	whole := l.pos
	ok := l.skipDigits() && (l.data[whole] != '0' || l.pos == whole+1)
	if ok && l.skipByte(".") {
		ok = l.skipDigits()
	}
	if ok && l.skipByte("eE") {
		l.skipByte("+-")
		ok = l.skipDigits()
	}
	return ok || l.fail(start, "want a value")
}

// skipByte reads one byte if it is among those of set.
func (l *lexer) skipByte(set string) bool {
	if l.pos == len(l.data) {
		return false
	}
	for i := range len(set) {
		if l.data[l.pos] == set[i] {
			l.pos++
			return true
		}
	}
	return false
}

// skipDigits reads one digit or more.
func (l *lexer) skipDigits() bool {
	start := l.pos
	for l.pos < len(l.data) && l.data[l.pos]-'0' <= 9 {
		l.pos++
	}
	return l.pos > start
}
