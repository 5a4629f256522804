package api

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// PathText writes a name or a path out of a snapshot as text for JSON, URLs,
// forms and people. Names of files are any bytes: those that are no UTF-8, and
// characters that a form or a page would change, hide or act upon (control
// characters, and what turns the direction of writing), are written byte by
// byte as \xHH, and a backslash as two. All else is as it is. PathOf reads it.
func PathText(raw string) string {
	if !needsText(raw) {
		return raw
	}
	var b strings.Builder
	for len(raw) > 0 {
		r, n := utf8.DecodeRuneInString(raw)
		switch {
		case r == '\\':
			b.WriteString(`\\`)
		case r == utf8.RuneError && n == 1 || isUnseen(r):
			for i := range n {
				fmt.Fprintf(&b, `\x%02x`, raw[i])
			}
		default:
			b.WriteString(raw[:n])
		}
		raw = raw[n:]
	}
	return b.String()
}

func needsText(raw string) bool {
	for i := range len(raw) {
		if c := raw[i]; c < ' ' || c == '\\' || c >= 0x7f {
			return !utf8.ValidString(raw) || strings.ContainsFunc(raw, func(r rune) bool { return r == '\\' || isUnseen(r) })
		}
	}
	return false
}

// isUnseen tells of control characters, those that turn the direction of
// writing (Bidi_Control), and those that end a line.
func isUnseen(r rune) bool {
	switch {
	case r < ' ', r >= 0x7f && r < 0xa0,
		r == 0x61c, r == 0x200e, r == 0x200f, r >= 0x2028 && r <= 0x202e, r >= 0x2066 && r <= 0x2069:
		return true
	}
	return false
}

// PathOf reads what PathText wrote. The error wraps ErrInvalid.
func PathOf(text string) (raw string, err error) {
	if !strings.Contains(text, `\`) {
		return text, nil
	}
	var b strings.Builder
	for rest := text; rest != ""; {
		before, after, found := strings.Cut(rest, `\`)
		b.WriteString(before)
		if !found {
			break
		}
		switch {
		case strings.HasPrefix(after, `\`):
			b.WriteByte('\\')
			rest = after[1:]
		case len(after) >= 3 && after[0] == 'x' && isHex(after[1]) && isHex(after[2]):
			b.WriteByte(hexValue(after[1])<<4 | hexValue(after[2]))
			rest = after[3:]
		default:
			return "", fmt.Errorf(`%w: in the path %q a backslash is followed by neither xHH nor another one; write a backslash of a name as \\`, ErrInvalid, text)
		}
	}
	return b.String(), nil
}

func isHex(c byte) bool { return hexValue(c) < 16 }

func hexValue(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10
	}
	return 16
}
