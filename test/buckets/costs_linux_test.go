package buckets

import (
	"strings"
	"testing"
)

// The table of prices can be replaced, and its date is shown.
func TestCostsByATableOfOnesOwn(t *testing.T) {
	s := newSite(t, "")
	s.owner.Run(t, "init")
	s.write("src/a", noise(1, 1<<20))
	s.owner.Run(t, "backup", "src")
	if out := s.owner.Run(t, "stats", "--cost"); strings.Contains(out, "2031-02-03") {
		t.Errorf("the built-in table: %s", out)
	}
	s.write("prices.json", []byte(`{
  "date": "2031-02-03", "currency": "CHF",
  "services": [{
    "name": "Ours", "kind": "s3", "egress_gb": 0, "default_class": "STANDARD",
    "classes": [
      { "name": "STANDARD", "gb_month": 1000 },
      { "name": "COLD", "gb_month": 1, "minimum_days": 90 }
    ]
  }]
}`))
	out := s.owner.Run(t, "stats", "--cost", "--prices", "prices.json")
	for _, want := range []string{"2031-02-03", "CHF", "COLD"} {
		if !strings.Contains(out, want) {
			t.Errorf("the table of ours, without %q: %s", want, out)
		}
	}
	s.write("prices.json", []byte(`{"date": "2031-02-03", "currency": "CHF", "gb_moth": 1}`))
	if r := s.owner.Exits(t, 1, "stats", "--cost", "--prices", "prices.json"); !strings.Contains(r.Stderr, "gb_moth") {
		t.Errorf("a misspelt table: %s", r.Output())
	}
}
