package snapshot

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"holdfast/repository/id"
)

// made returns a snapshot whose ID begins with the given bytes.
func made(second int64, host string, paths, tags []string, idBytes ...byte) *Snapshot {
	s := &Snapshot{Time: time.Unix(second, 0), Hostname: host, Paths: paths, Tags: tags}
	copy(s.ID[:], idBytes)
	return s
}

func sample() []*Snapshot {
	return []*Snapshot{
		made(30, "www", []string{"/b", "/a"}, []string{"y", "x"}, 0xab, 0xcd, 0x01),
		made(10, "www", []string{"/a", "/b"}, []string{"x", "holdfast:type=full", "y"}, 0xab, 0xcd, 0x02),
		made(20, "db", []string{"/a"}, []string{"holdfast:type=full"}, 0x12),
		made(30, "db", []string{"/a"}, nil, 0x00),
	}
}

func TestFind(t *testing.T) {
	list := sample()
	www := Filter{Hosts: []string{"www"}}
	for _, tc := range []struct {
		ref    string
		filter Filter
		want   *Snapshot
	}{
		{"latest", Filter{}, list[0]}, // of two at the same time, the higher ID
		{"latest~1", Filter{}, list[3]},
		{"latest~3", Filter{}, list[1]},
		{"latest~1", www, list[1]},
		{"latest~2", www, nil},
		{"latest~4", Filter{}, nil},
		{"latest~", Filter{}, nil},
		{"latest~-1", Filter{}, nil},
		{"latest2", Filter{}, nil},
		{"12", www, list[2]},
		{"abcd02", Filter{}, list[1]},
		{list[2].ID.String(), Filter{}, list[2]},
		{list[2].ID.String() + "0", Filter{}, nil},
		{"ff", Filter{}, nil},
		{"", Filter{}, nil},
	} {
		got, err := Find(list, tc.filter, tc.ref)
		if got != tc.want || (tc.want == nil) != errors.Is(err, ErrNotFound) {
			t.Errorf("%q: %v, %v", tc.ref, got, err)
		}
	}
}

func TestFindNamesTheCandidates(t *testing.T) {
	list := sample()
	_, err := Find(list, Filter{}, "abcd")
	var ambiguous *AmbiguousError
	if !errors.As(err, &ambiguous) {
		t.Fatal(err)
	}
	if want := []*Snapshot{list[1], list[0]}; !reflect.DeepEqual(ambiguous.Candidates, want) {
		t.Errorf("candidates %v", ambiguous.Candidates)
	}
	if !strings.Contains(err.Error(), "abcd0200 of ") || !strings.Contains(err.Error(), "abcd0100 of ") {
		t.Error(err)
	}
	list[0].ID, list[1].ID = id.ID{1, 2, 3, 4, 5, 6}, id.ID{1, 2, 3, 4, 5, 7}
	if _, err := Find(list, Filter{}, "0102030405"); !strings.Contains(err.Error(), "010203040506") {
		t.Errorf("short IDs do not tell them apart: %v", err)
	}
}

func TestLatestOfNone(t *testing.T) {
	if s := Latest(nil); s != nil {
		t.Error(s)
	}
}

func TestSplitRef(t *testing.T) {
	for s, want := range map[string][2]string{
		"latest": {"latest", ""}, "ab12:/etc": {"ab12", "/etc"}, "latest~2:a:b": {"latest~2", "a:b"}, ":x": {"", "x"},
	} {
		if ref, sub := SplitRef(s); ref != want[0] || sub != want[1] {
			t.Errorf("%q: %q, %q", s, ref, sub)
		}
	}
}

func TestFilter(t *testing.T) {
	list := sample()
	for name, tc := range map[string]struct {
		filter Filter
		want   []int
	}{
		"all":                  {Filter{}, []int{0, 1, 2, 3}},
		"host":                 {Filter{Hosts: []string{"db", "none"}}, []int{2, 3}},
		"one path":             {Filter{Paths: []string{"/b"}}, []int{0, 1}},
		"two paths":            {Filter{Paths: []string{"/a", "/b"}}, []int{0, 1}},
		"tag":                  {Filter{Tags: []TagList{{"x"}}}, []int{0, 1}},
		"tags together":        {Filter{Tags: []TagList{ParseTagList("x, holdfast:type=full")}}, []int{1}},
		"tags in alternatives": {Filter{Tags: []TagList{{"none"}, {"y"}}}, []int{0, 1}},
		"untagged by the user": {Filter{Tags: []TagList{ParseTagList("")}}, []int{2, 3}},
		"up to a time":         {Filter{NotAfter: time.Unix(20, 0)}, []int{1, 2}},
	} {
		t.Run(name, func(t *testing.T) {
			var want []*Snapshot
			for _, i := range tc.want {
				want = append(want, list[i])
			}
			if got := tc.filter.Select(list); !reflect.DeepEqual(got, want) {
				t.Errorf("took %v", got)
			}
			if tc.filter.IsZero() != (name == "all") {
				t.Error("IsZero is wrong")
			}
		})
	}
}

func TestGroupBy(t *testing.T) {
	for by, want := range map[string]map[string]int{
		"":                {`{"hostname":"","paths":null,"tags":null}`: 4},
		"host":            {`{"hostname":"db","paths":null,"tags":null}`: 2, `{"hostname":"www","paths":null,"tags":null}`: 2},
		"paths":           {`{"hostname":"","paths":["/a"],"tags":null}`: 2, `{"hostname":"","paths":["/a","/b"],"tags":null}`: 2},
		"host,paths,tags": {`{"hostname":"db","paths":["/a"],"tags":null}`: 2, `{"hostname":"www","paths":["/a","/b"],"tags":["x","y"]}`: 2},
	} {
		g, err := ParseGroupBy(by)
		if err != nil || g.String() != by {
			t.Errorf("%q: %v, %v", by, g, err)
		}
		got := make(map[string]int)
		for _, group := range g.Divide(sample()) {
			got[group.Key.JSON()] = len(group.Snapshots)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %v", by, got)
		}
	}
	if _, err := ParseGroupBy("host,color"); err == nil {
		t.Error("an unknown grouping was taken")
	}
	if got := (Key{Hostname: "www", Paths: []string{"/a", "/b"}}).String(); got != "host www, path [/a, /b]" {
		t.Error(got)
	}
}
