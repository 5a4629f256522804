package tree

import (
	"strconv"
	"unicode/utf8"
)

const lowerHex = "0123456789abcdef"

// quotedNameBytes holds a quoted name of 255 bytes, the most that Linux,
// BSD and macOS file systems allow, when each byte needs four (\xff).
const quotedNameBytes = 255*4 + 2

// appendName writes a raw name without its quotation marks. A name may hold
// any bytes while JSON may not, so the format puts it through strconv.Quote
// first and escapes the result as a JSON string.
func appendName(dst []byte, name string) []byte {
	for i := range len(name) {
		if !isPlain(name[i]) || name[i] == 0x7f {
			return appendQuotedName(dst, name)
		}
	}
	return append(dst, name...)
}

func appendQuotedName(dst []byte, name string) []byte {
	var buf [quotedNameBytes]byte
	quoted := strconv.AppendQuote(buf[:0], name)
	return appendEscaped(dst, quoted[1:len(quoted)-1])
}

// appendString writes s as a JSON string.
func appendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	dst = appendEscaped(dst, s)
	return append(dst, '"')
}

// appendEscaped writes s as encoding/json does inside a string: with <, >, &
// and the two line separators of Unicode escaped, and U+FFFD for each byte
// that is not UTF-8.
func appendEscaped[T string | []byte](dst []byte, s T) []byte {
	done := 0
	for i := 0; i < len(s); {
		if isPlain(s[i]) {
			i++
			continue
		}
		if s[i] < utf8.RuneSelf {
			dst = append(dst, s[done:i]...)
			dst = appendEscape(dst, s[i])
			i++
			done = i
			continue
		}
		// A rune is at most four bytes; converting only these keeps the
		// conversion off the heap for both types of s.
		r, size := utf8.DecodeRuneInString(string(s[i:min(i+utf8.UTFMax, len(s))]))
		switch {
		case r == utf8.RuneError && size == 1:
			dst = append(dst, s[done:i]...)
			dst = append(dst, `\ufffd`...)
			done = i + size
		case r == '\u2028' || r == '\u2029':
			dst = append(dst, s[done:i]...)
			dst = append(dst, `\u202`...)
			dst = append(dst, lowerHex[r&0xf])
			done = i + size
		}
		i += size
	}
	return append(dst, s[done:]...)
}

func appendEscape(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\b':
		return append(dst, '\\', 'b')
	case '\f':
		return append(dst, '\\', 'f')
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	}
	return append(dst, '\\', 'u', '0', '0', lowerHex[c>>4], lowerHex[c&0xf])
}

// isPlain tells whether c stands for itself in a JSON string as
// encoding/json writes it.
func isPlain(c byte) bool {
	return c >= ' ' && c < utf8.RuneSelf &&
		c != '"' && c != '\\' && c != '<' && c != '>' && c != '&'
}
