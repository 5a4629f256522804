package cli

import (
	"fmt"
	"strings"
	"testing"
)

func TestLastLines(t *testing.T) {
	for _, c := range []struct{ said, want string }{
		{"", ""},
		{"no disk\n", "no disk"},
		{"one\ntwo\n\n three \nfour", "two; three; four"},
		{"\xff\n", "?"},
	} {
		var l lastLines
		fmt.Fprint(&l, c.said)
		if got := l.String(); got != c.want {
			t.Errorf("of %q is kept %q, not %q", c.said, got, c.want)
		}
	}
	var l lastLines
	for range 10_000 {
		fmt.Fprint(&l, strings.Repeat("x", 99), "\n")
	}
	fmt.Fprint(&l, strings.Repeat("ü", 5000))
	if got := l.String(); len(got) > saidBytes+3 || len(l.text) > 2*saidBytes || !strings.HasPrefix(got, "...ü") {
		t.Errorf("%d bytes are kept, as %q", len(l.text), got)
	}
}
