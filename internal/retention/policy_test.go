package retention

import (
	"reflect"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

func TestParseCount(t *testing.T) {
	for text, want := range map[string]Count{"0": 0, "7": 7, "unlimited": Unlimited} {
		got, err := ParseCount(text)
		if err != nil || got != want || got.String() != text {
			t.Errorf("ParseCount(%q) = %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "-1", "x", "1.5", "Unlimited", "99999999999999999999"} {
		if got, err := ParseCount(text); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("ParseCount(%q) = %v, %v", text, got, err)
		}
	}
}

func TestEmpty(t *testing.T) {
	if !(Policy{}).Empty() {
		t.Error("the zero policy is not empty")
	}
	for _, p := range []Policy{
		{Last: 1}, {Yearly: Unlimited}, {Within: Duration{Hours: 1}}, {WithinYearly: Duration{Years: 1}}, {Tags: []TagList{{""}}},
	} {
		if p.Empty() {
			t.Errorf("%v is empty", p)
		}
	}
}

func TestValidateNamesTheRule(t *testing.T) {
	if err := (Policy{Last: Unlimited, Within: Duration{Days: 1}}).Validate(); err != nil {
		t.Error(err)
	}
	err := Policy{Daily: -2, Within: Duration{Hours: -1}, WithinWeekly: Duration{Years: -1}, Last: 1}.Validate()
	if err == nil {
		t.Fatal("negative rules are valid")
	}
	for _, want := range []string{"keep daily", "keep within:", "keep within-weekly"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not name %s", err, want)
		}
	}
}

func TestPolicyString(t *testing.T) {
	for want, p := range map[string]Policy{
		"keep nothing": {},
		"keep 7 daily, all yearly snapshots and all snapshots within 2m of the newest": {
			Daily: 7, Yearly: Unlimited, Within: Duration{Months: 2},
		},
		"keep hourly snapshots within 1d of the newest and all snapshots with tags [a, b]": {
			WithinHourly: Duration{Days: 1}, Tags: []TagList{{"a", "b"}},
		},
	} {
		if got := p.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestPolicyInConfiguration(t *testing.T) {
	const text = `{ within: 30d, last: unlimited, weekly: 8, within_daily: 1y6m, tags: ["a, b", c] }`
	want := Policy{
		Within: Duration{Days: 30}, Last: Unlimited, Weekly: 8, WithinDaily: Duration{Years: 1, Months: 6},
		Tags: []TagList{{"a", "b"}, {"c"}},
	}
	var got Policy
	if err := yaml.UnmarshalWithOptions([]byte(text), &got, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("read %+v", got)
	}
	written, err := yaml.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	var again Policy
	if err := yaml.Unmarshal(written, &again); err != nil || !reflect.DeepEqual(again, want) {
		t.Errorf("%s\nread %+v, %v", written, again, err)
	}
	for _, bad := range []string{"{ daily: -1 }", "{ within: 2w }", "{ nightly: 3 }"} {
		if err := yaml.UnmarshalWithOptions([]byte(bad), &got, yaml.Strict()); err == nil {
			t.Errorf("%s is read", bad)
		}
	}
}
