package tree

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestClockReadsWhatPackageTimeReads(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(
			rapid.Custom(func(t *rapid.T) string { return string(appendTime(nil, anyTime().Draw(t, "time"))) }),
			rapid.StringMatching(`"[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9](\.[0-9]{1,10})?(Z|[+-][0-2][0-9]:[0-6][0-9])"`),
		).Draw(t, "text")
		var want time.Time
		wantErr := want.UnmarshalJSON([]byte(text))
		got, err := new(clock).parse([]byte(text[1 : len(text)-1]))
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("%s: %v, want %v", text, err, wantErr)
		}
		if err == nil && (!got.Equal(want) || got.Format(time.RFC3339Nano) != want.Format(time.RFC3339Nano)) {
			t.Fatalf("%s: %v, want %v", text, got, want)
		}
	})
}

func TestClockReadsTheUsualShapesItself(t *testing.T) {
	for _, text := range []string{
		"0000-01-01T00:00:00Z", "2024-02-29T23:59:59.1+05:30", "9999-12-31T23:59:59.999999999-23:59", "1969-12-31T00:00:00Z",
	} {
		if _, ok := new(clock).parseUsual([]byte(text)); !ok {
			t.Errorf("%s was left to package time", text)
		}
	}
}

func TestStoredTimeIsInUTC(t *testing.T) {
	now := time.Now()
	got := StoredTime(now.In(time.FixedZone("", 3600)))
	if got.Location() != time.UTC || !got.Equal(now) || got != got.Round(0) {
		t.Errorf("stored %#v", got)
	}
}
