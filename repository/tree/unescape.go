package tree

import (
	"unicode/utf16"
	"unicode/utf8"
)

// unescape appends the meaning of raw, which lexer.text has read, to dst:
// escapes resolved, and U+FFFD for what is not UTF-8, as encoding/json does.
func unescape(dst, raw []byte) []byte {
	for len(raw) > 0 {
		switch c := raw[0]; {
		case c == '\\':
			var size int
			dst, size = appendMeaning(dst, raw)
			raw = raw[size:]
		case c < utf8.RuneSelf:
			dst = append(dst, c)
			raw = raw[1:]
		default:
			r, size := utf8.DecodeRune(raw)
			dst = utf8.AppendRune(dst, r)
			raw = raw[size:]
		}
	}
	return dst
}

// appendMeaning resolves the escape that raw begins with and returns its size.
func appendMeaning(dst, raw []byte) ([]byte, int) {
	const size = len(`\n`)
	switch c := raw[1]; c {
	case 'b':
		return append(dst, '\b'), size
	case 'f':
		return append(dst, '\f'), size
	case 'n':
		return append(dst, '\n'), size
	case 'r':
		return append(dst, '\r'), size
	case 't':
		return append(dst, '\t'), size
	case 'u':
		return appendHexRune(dst, raw)
	default: // a quotation mark, a backslash or a slash
		return append(dst, c), size
	}
}

// appendHexRune resolves \uXXXX. Runes beyond U+FFFF are written as two of
// them, a surrogate pair; half a pair means U+FFFD.
func appendHexRune(dst, raw []byte) ([]byte, int) {
	const size = len(`\u0000`)
	r, _ := hexRune(raw)
	if !utf16.IsSurrogate(r) {
		return utf8.AppendRune(dst, r), size
	}
	if second, ok := hexRune(raw[size:]); ok {
		if pair := utf16.DecodeRune(r, second); pair != utf8.RuneError {
			return utf8.AppendRune(dst, pair), 2 * size
		}
	}
	return utf8.AppendRune(dst, utf8.RuneError), size
}

// hexRune reads \uXXXX at the start of b.
func hexRune(b []byte) (rune, bool) {
	if len(b) < len(`\u0000`) || b[0] != '\\' || b[1] != 'u' {
		return 0, false
	}
	var r rune
	for _, c := range b[2:6] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}
