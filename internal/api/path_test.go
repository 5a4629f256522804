package api

import (
	"encoding/json"
	"net/url"
	"testing"

	"pgregory.net/rapid"
)

// Every name a file can have comes through text, JSON and a URL as it is.
func TestAnyPathComesThrough(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		raw := string(rapid.SliceOf(rapid.SampledFrom([]byte{'a', '/', '\\', 'x', '6', '1', ' ', 0xff, 0xc3, 0xa4, 0xe2, 0x80, 0xae, '\n', '\r', 0x7f, '<', '%'})).Draw(t, "path"))
		text := PathText(raw)
		encoded, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		var decoded string
		if err := json.Unmarshal(encoded, &decoded); err != nil {
			t.Fatal(err)
		}
		fromURL, err := url.QueryUnescape(url.QueryEscape(decoded))
		if err != nil {
			t.Fatal(err)
		}
		got, err := PathOf(fromURL)
		if err != nil || got != raw {
			t.Fatalf("%q came back as %q (%v) through %q", raw, got, err, text)
		}
		for _, r := range text {
			if isUnseen(r) {
				t.Fatalf("%q holds %q", text, r)
			}
		}
	})
}

func TestPathText(t *testing.T) {
	for raw, want := range map[string]string{
		"/home/ann/übung.txt": "/home/ann/übung.txt",
		`a\b`:                 `a\\b`,
		"bad\xff":             `bad\xff`,
		"line\nbreak":         `line\x0abreak`,
		"txt.\u202eexe":       `txt.\xe2\x80\xaeexe`,
		"👩‍🚀 <b>":             "👩‍🚀 <b>",
	} {
		if got := PathText(raw); got != want {
			t.Errorf("%q: got %q, want %q", raw, got, want)
		}
	}
	for _, bad := range []string{`\`, `a\n`, `\x0`, `\xg0`} {
		if _, err := PathOf(bad); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}
