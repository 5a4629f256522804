package cli

import (
	"fmt"
	"testing"
)

// The repository that is named is read, and the others of the plan after it.
func TestNamedFirst(t *testing.T) {
	all := []logRepository{{name: "local", place: place{url: "/srv/local"}}, {name: "nas", place: place{url: "/mnt/nas"}}, {name: "far", place: place{url: "s3:far/b"}}}
	for name, want := range map[string]string{"local": "local nas far", "nas": "nas local far", "/mnt/nas": "nas local far", "far": "far local nas"} {
		got, err := namedFirst(all, name)
		if err != nil || fmt.Sprint(got[0].name, " ", got[1].name, " ", got[2].name) != want {
			t.Errorf("%s: %v, %v; want %s", name, got, err, want)
		}
	}
	if got, err := namedFirst(all, "other"); err == nil {
		t.Errorf("one of another plan: %v", got)
	}
	if all[0].name != "local" || all[1].name != "nas" {
		t.Errorf("they were mixed up: %v", all)
	}
}
