package cli

import (
	"bytes"
	"strings"
)

const (
	// saidLines and saidBytes bound what a command's own words take in the
	// reason why it failed. All of them are in the log.
	saidLines = 3
	saidBytes = 400
)

// lastLines keeps the last lines that a command prints.
type lastLines struct{ text []byte }

// Write implements io.Writer.
func (l *lastLines) Write(p []byte) (int, error) {
	l.text = append(l.text, p...)
	if most := 2 * saidBytes; len(l.text) > most {
		l.text = append(l.text[:0], l.text[len(l.text)-most:]...)
	}
	return len(p), nil
}

// String returns them as one line, without what terminals would take for
// commands.
func (l *lastLines) String() string {
	var kept []string
	for line := range bytes.Lines(bytes.TrimSpace(l.text)) {
		if text := printable(strings.TrimSpace(strings.ToValidUTF8(string(line), "?"))); text != "" {
			kept = append(kept, text)
		}
	}
	said := strings.Join(kept[max(0, len(kept)-saidLines):], "; ")
	if len(said) > saidBytes {
		said = "..." + strings.ToValidUTF8(said[len(said)-saidBytes:], "")
	}
	return said
}
