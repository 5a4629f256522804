package api

import "testing"

func TestNamesOfDownloads(t *testing.T) {
	for name, want := range map[string]string{
		"a.txt":                  `attachment; filename=a.txt`,
		"two words.txt":          `attachment; filename="two words.txt"`,
		"ä.txt":                  `attachment; filename*=utf-8''%C3%A4.txt`,
		"\xff\x1b[31m\u202e.txt": `attachment; filename="__[31m_.txt"`,
		"..\\..\\a":              `attachment; filename=.._.._a`,
	} {
		if got := Attachment(name); got != want {
			t.Errorf("%q: got %s, want %s", name, got, want)
		}
	}
}
