package size

import (
	"encoding"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"pgregory.net/rapid"
)

func TestParseBytes(t *testing.T) {
	for text, want := range map[string]Bytes{
		"0": 0, "2048": 2048, "7b": 7, "7B": 7, "+1k": 1024, "1k": 1 << 10, "10K": 10 << 10, "20m": 20 << 20, "20M": 20 << 20,
		"30g": 30 << 30, "30G": 30 << 30, "2t": 2 << 40, "2T": 2 << 40, "9223372036854775807": math.MaxInt64, "8388607T": 8388607 << 40,
	} {
		if got, err := ParseBytes(text); err != nil || got != want {
			t.Errorf("ParseBytes(%q) = %d, %v; want %d", text, got, err, want)
		}
	}
	refused(t, ParseBytes, "", "K", "-1", "-1K", "1.5G", "1KB", "1KiB", "1 K", " 1", "x", "1P", "8388608T", "9223372036854775808")
}

func TestParseUnused(t *testing.T) {
	tests := []struct {
		text        string
		used, limit int64
	}{
		{"0", 100, 0},
		{"200M", 100, 200 << 20},
		{"10%", 90, 10},
		{"0%", 90, 0},
		{"50%", 70, 70},
		{"2.5%", 975, 25},
		{" 5% ", 95, 5},
		{"99.9999999999%", math.MaxInt64, math.MaxInt64},
		{"unlimited", 0, math.MaxInt64},
	}
	for _, tt := range tests {
		u, err := ParseUnused(tt.text)
		if err != nil {
			t.Errorf("ParseUnused(%q): %v", tt.text, err)
			continue
		}
		if got := u.Limit(tt.used); got < tt.limit-1 || got > tt.limit {
			t.Errorf("%q of %d used: %d, want %d", tt.text, tt.used, got, tt.limit)
		}
	}
	refused(t, ParseUnused, "", "-1", "-1%", "100%", "101%", "NaN%", "%", "ten", "Unlimited", "10%%")
}

func TestParseSubset(t *testing.T) {
	for text, want := range map[string]Subset{
		"1/5":     {Group: 1, Groups: 5},
		"256/256": {Group: 256, Groups: 256},
		"2.5%":    {Percent: 2.5},
		"100%":    {Percent: 100},
		"5G":      {Bytes: 5 << 30},
		"1":       {Bytes: 1},
	} {
		if got, err := ParseSubset(text); err != nil || got != want {
			t.Errorf("ParseSubset(%q) = %+v, %v", text, got, err)
		}
	}
	refused(t, ParseSubset, "", "0/5", "6/5", "1/257", "1/2/3", "/", "a/b", "-1/5", "0%", "100.1%", "Inf%", "0", "-5G", "all")
}

func TestParseRate(t *testing.T) {
	for text, want := range map[string]Rate{
		"0": 0, "unlimited": 0, "100": 100 << 10, "512K": 512 << 10, "10m": 10 << 20, "1000B": 1000,
	} {
		if got, err := ParseRate(text); err != nil || got != want {
			t.Errorf("ParseRate(%q) = %d, %v", text, got, err)
		}
	}
	refused(t, ParseRate, "", "-1", "fast", "1.5", "9007199254740992")
}

// refused checks that each text is refused with an error that shows it.
func refused[T any](t *testing.T, parse func(string) (T, error), texts ...string) {
	t.Helper()
	for _, text := range texts {
		got, err := parse(text)
		if err == nil {
			t.Errorf("%q is read as %v", text, got)
		} else if !strings.Contains(err.Error(), text) {
			t.Errorf("%q: the error %q does not show it", text, err)
		}
	}
}

func TestValuesReadWhatTheyWrite(t *testing.T) {
	for _, tt := range []struct {
		text string
		into value
	}{
		{"0", new(Bytes)},
		{"1023", new(Bytes)},
		{"64M", new(Bytes)},
		{"5T", new(Bytes)},
		{"5%", new(Unused)},
		{"0.1%", new(Unused)},
		{"unlimited", new(Unused)},
		{"200M", new(Unused)},
		{"0", new(Unused)},
		{"1/5", new(Subset)},
		{"2.5%", new(Subset)},
		{"5G", new(Subset)},
		{"unlimited", new(Rate)},
		{"10M", new(Rate)},
		{"1B", new(Rate)},
	} {
		if err := tt.into.Set(tt.text); err != nil {
			t.Error(err)
		} else if got := tt.into.String(); got != tt.text {
			t.Errorf("%T: read %q, wrote %q", tt.into, tt.text, got)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64Range(0, math.MaxInt64).Draw(t, "n") << rapid.IntRange(0, 60).Draw(t, "zeros") & math.MaxInt64
		if b, err := ParseBytes(Bytes(n).String()); err != nil || b != Bytes(n) {
			t.Fatalf("%d is written %v and read %d, %v", n, Bytes(n), b, err)
		}
		if r, err := ParseRate(Rate(n).String()); err != nil || r != Rate(n) {
			t.Fatalf("%d is written %v and read %d, %v", n, Rate(n), r, err)
		}
	})
}

// value is what a flag and the configuration need.
type value interface {
	fmt.Stringer
	Set(string) error
	Type() string
	encoding.TextMarshaler
	encoding.TextUnmarshaler
}

func TestValuesInConfiguration(t *testing.T) {
	type limits struct {
		Pack   Bytes  `yaml:"pack"`
		Unused Unused `yaml:"unused"`
		Read   Subset `yaml:"read"`
		Upload Rate   `yaml:"upload"`
	}
	want := limits{16 << 20, Unused{kind: unusedPercent, percent: 5}, Subset{Group: 2, Groups: 7}, 100 << 10}
	var got limits
	if err := yaml.UnmarshalWithOptions([]byte("{ pack: 16M, unused: 5%, read: 2/7, upload: 100 }"), &got, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("read %+v", got)
	}
}

func TestFormatBytes(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 B", 1023: "1023 B", 1024: "1.000 KiB", 1536: "1.500 KiB", 1 << 20: "1.000 MiB", 1325006848: "1.234 GiB",
		1 << 40: "1.000 TiB", 5 << 50: "5120.000 TiB", -2048: "-2.000 KiB", math.MinInt64: "-8388608.000 TiB",
	} {
		if got := FormatBytes(n); got != want {
			t.Errorf("FormatBytes(%d) = %q, want %q", n, got, want)
		}
	}
	if got := FormatBytes(uint64(math.MaxUint64)); got != "16777216.000 TiB" {
		t.Errorf("FormatBytes(MaxUint64) = %q", got)
	}
}

func TestFormatRate(t *testing.T) {
	for _, tt := range []struct {
		bytes int64
		span  time.Duration
		want  string
	}{
		{34 << 20, 2 * time.Second, "17.000 MiB/s"},
		{500, time.Second, "500 B/s"},
		{1, 0, "-"},
		{0, 0, "-"},
		{1, -time.Second, "-"},
		{math.MaxInt64, 1, "-"},
	} {
		if got := FormatRate(tt.bytes, tt.span); got != tt.want {
			t.Errorf("FormatRate(%d, %v) = %q, want %q", tt.bytes, tt.span, got, tt.want)
		}
	}
}

func TestFormatDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0:00", 5*time.Second + 999*time.Millisecond: "0:05", 59*time.Minute + 59*time.Second: "59:59",
		time.Hour: "1:00:00", 100*time.Hour + 61*time.Second: "100:01:01", -time.Second: "0:00",
	} {
		if got := FormatDuration(d); got != want {
			t.Errorf("FormatDuration(%v) = %q, want %q", d, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"64M", "10%", "1/5", "unlimited", "-1", "NaN%", "9223372036854775807T", "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, v := range []value{new(Bytes), new(Unused), new(Subset), new(Rate)} {
			if v.Set(s) != nil {
				continue
			}
			first := v.String()
			if err := v.Set(first); err != nil || v.String() != first {
				t.Errorf("%T: %q is written %q, and that as %q, %v", v, s, first, v, err)
			}
		}
	})
}
