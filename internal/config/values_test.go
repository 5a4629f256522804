package config

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestDuration(t *testing.T) {
	cases := map[string]time.Duration{
		"15m": 15 * time.Minute, "1h30m": 90 * time.Minute, "35d": 35 * 24 * time.Hour,
		"2w": 14 * 24 * time.Hour, "90s": 90 * time.Second, "0s": 0,
		"": -1, "15": -1, "m": -1, "-1h": -1, "1.5h": -1, "1y": -1, "1h ": -1,
		"99999999999999999999h": -1, "9999999999h": -1, "15250w15250w": -1,
	}
	for text, want := range cases {
		var d Duration
		err := d.UnmarshalText([]byte(text))
		if (err != nil) != (want < 0) || err == nil && time.Duration(d) != want {
			t.Errorf("%q: got %v, %v", text, time.Duration(d), err)
		}
	}
}

func TestDurationRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := Duration(rapid.Int64Range(0, 1<<33).Draw(t, "seconds")) * Duration(time.Second)
		var back Duration
		if err := back.UnmarshalText([]byte(d.String())); err != nil || back != d {
			t.Fatalf("%s reads back as %s, %v", d, back, err)
		}
	})
}

func TestSize(t *testing.T) {
	cases := map[string]Size{
		"0": 0, "4096": 4096, "500K": 500 << 10, "10MiB": 10 << 20, "10mb": 10 << 20, "2G": 2 << 30, "1t": 1 << 40, "7b": 7,
		"": -1, "K": -1, "-1": -1, "1.5M": -1, "1KK": -1, "1iB": -1, "1P": -1, "8388608T": -1, "99999999999999999999": -1,
	}
	for text, want := range cases {
		var s Size
		err := s.UnmarshalText([]byte(text))
		if (err != nil) != (want < 0) || err == nil && s != want {
			t.Errorf("%q: got %d, %v", text, s, err)
		}
	}
}

func TestSuggest(t *testing.T) {
	known := []string{"password", "site", "url"}
	for name, want := range map[string]string{
		"pasword": `did you mean "password"?`, "URL": `did you mean "url"?`, "usr": `did you mean "url"?`,
		"stie": `did you mean "site"?`, "colour": "known here: password, site, url", "": "known here: password, site, url",
	} {
		if got := suggest(name, known); got != want {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
}
