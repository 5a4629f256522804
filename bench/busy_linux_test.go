package main

import "testing"

func TestParseBusy(t *testing.T) {
	for name, c := range map[string]struct {
		stat string
		want float64
	}{
		"all fields": {"cpu  100 20 30 9999 888 4 5 6 50 60\ncpu0 1 2 3\n", 1.65},
		"not a stat": {"cpu what\n", 0},
		"empty":      {"", 0},
	} {
		if got := parseBusy(c.stat); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
