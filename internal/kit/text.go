package kit

import (
	"fmt"
	"strings"
)

// The page is as wide as that in letters, and its headings.
const (
	width        = 80
	headingWidth = 13
)

// Text returns the page as text.
func (k *Kit) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n%s\n\n", title, intro)
	for _, f := range k.facts() {
		for n, line := range f.lines {
			heading := f.heading
			if n > 0 {
				heading = ""
			}
			fmt.Fprintf(&b, "  %-*s %s\n", headingWidth, heading, line)
		}
	}
	for _, s := range k.sections() {
		fmt.Fprintf(&b, "\n%s\n\n", strings.ToUpper(s.title))
		for _, c := range s.commands {
			fmt.Fprintf(&b, "  %s\n", c)
		}
		if s.text != "" && len(s.commands) > 0 {
			b.WriteByte('\n')
		}
		if s.text != "" {
			fmt.Fprintf(&b, "%s\n", wrap(s.text))
		}
	}
	return b.String()
}

// TextWithCodes returns the page with a QR code of each secret in it.
func (k *Kit) TextWithCodes() (string, error) {
	text := k.Text()
	for _, s := range k.secrets() {
		code, err := encode(s.text)
		if err != nil {
			return "", err
		}
		text += "\n" + strings.ToUpper(s.what) + ", TO BE READ BY A CAMERA\n\n" + code.text()
	}
	return text, nil
}

// wrap breaks lines that are too long for the page. A word stays whole.
func wrap(text string) string {
	var b strings.Builder
	for n, line := range strings.Split(text, "\n") {
		if n > 0 {
			b.WriteByte('\n')
		}
		room := width
		for k, word := range strings.Split(line, " ") {
			switch {
			case k == 0:
			case room < 1+len(word):
				b.WriteByte('\n')
				room = width
			default:
				b.WriteByte(' ')
				room--
			}
			b.WriteString(word)
			room -= len(word)
		}
	}
	return b.String()
}
