package expect_test

import (
	"testing"

	"holdfast/internal/expect"
)

func TestHolds(t *testing.T) {
	for _, test := range []struct {
		expectation, answer string
		want                bool
	}{
		{"> 0", "1", true},
		{"> 0", "0", false},
		{">=10", "10", true},
		{"< 1.5", "1.25", true},
		{"<= 3", "4", false},
		{"100", "100.0", true},
		{"= paid", "paid", true},
		{"paid", "unpaid", false},
		{"!= paid", "unpaid", true},
		{"<> 3", "3", false},
		{"> 9007199254740992", "9007199254740993", true}, // beyond what a float64 tells apart
		{"", "whatever", true},
	} {
		e, err := expect.Parse(test.expectation)
		if err != nil {
			t.Fatal(err)
		}
		got, err := e.Holds(test.answer)
		if err != nil || got != test.want {
			t.Errorf("%q %s: %t, %v", test.answer, e, got, err)
		}
	}
}

func TestRefused(t *testing.T) {
	for _, bad := range []string{">", "  >=  "} {
		if e, err := expect.Parse(bad); err == nil {
			t.Errorf("%q is taken for %s", bad, e)
		}
	}
	e, err := expect.Parse("> 5")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Holds("many"); err == nil {
		t.Error("a word is compared with a number")
	}
}
