package expect_test

import (
	"testing"
	"time"

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

func TestAges(t *testing.T) {
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		expectation, answer string
		want                bool
	}{
		{"< 1h", "2026-05-01 11:30:00+00", true},
		{"< 1h", "2026-05-01 10:30:00+00", false},
		{"< 1h", "2026-05-01 13:30:00.25+02", true},
		{"< 1h", "2026-05-01T11:59:59Z", true},
		{"<= 2d", "2026-04-29 12:00:00", true},
		{"> 2d", "2026-04-29", true},
		{"> 3", "5", true},
		{"5s", "2026-05-01 11:59:55", true},
	} {
		e, err := expect.Parse(test.expectation)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := e.HoldsAt(test.answer, now); err != nil || got != test.want {
			t.Errorf("%q %s: %t, %v", test.answer, e, got, err)
		}
	}
	e, err := expect.Parse("< 1h")
	if err != nil {
		t.Fatal(err)
	}
	for _, answer := range []string{"", "17", "never"} {
		if _, err := e.HoldsAt(answer, now); err == nil {
			t.Errorf("%q has an age", answer)
		}
	}
}
