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
