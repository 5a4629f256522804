package mount

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"holdfast/repository/id"
	"holdfast/repository/snapshot"
)

// made returns a snapshot of a day in January 2026.
func made(day int, host string, tags ...string) *snapshot.Snapshot {
	at := time.Date(2026, 1, day, 10, 0, 0, 0, time.UTC)
	return &snapshot.Snapshot{ID: id.Hash([]byte{byte(day)}), Time: at, Hostname: host, Username: "ann", Tags: tags}
}

// paths lists what is below a folder: links with their target, folders that
// are empty with a slash.
func paths(f *folder, at string) []string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(f.entries)) {
		switch e := f.entries[name]; {
		case e.link != "":
			list = append(list, at+name+" -> "+e.link)
		case e.snapshot != nil:
			list = append(list, at+name)
		case len(e.folder.entries) == 0:
			list = append(list, at+name+"/")
		default:
			list = append(list, paths(e.folder, at+name+"/")...)
		}
	}
	return list
}

func TestLayout(t *testing.T) {
	one, two := made(1, "www", "a", "holdfast:type=full"), made(2, "../etc", "a", "b/c")
	for name, tc := range map[string]struct {
		templates []string
		time      string
		list      []*snapshot.Snapshot
		want      []string
	}{
		"no snapshots": {DefaultPaths, DefaultTime, nil, []string{"hosts/", "ids/", "snapshots/", "tags/"}},
		"restic's": {DefaultPaths, DefaultTime, []*snapshot.Snapshot{one, two}, []string{
			"hosts/.._etc/2026-01-02T10:00:00Z", "hosts/.._etc/latest -> 2026-01-02T10:00:00Z",
			"hosts/www/2026-01-01T10:00:00Z", "hosts/www/latest -> 2026-01-01T10:00:00Z",
			"ids/" + one.ID.Short(), "ids/" + two.ID.Short(),
			"snapshots/2026-01-01T10:00:00Z", "snapshots/2026-01-02T10:00:00Z", "snapshots/latest -> 2026-01-02T10:00:00Z",
			"tags/a/2026-01-01T10:00:00Z", "tags/a/2026-01-02T10:00:00Z", "tags/a/latest -> 2026-01-02T10:00:00Z",
			"tags/b_c/2026-01-02T10:00:00Z", "tags/b_c/latest -> 2026-01-02T10:00:00Z",
		}},
		"time in folders":  {[]string{"%T"}, "2006/01", []*snapshot.Snapshot{one, two}, []string{"2026/01", "2026/01-1", "latest -> 2026/01-1"}},
		"time not alone":   {[]string{"x/%u-%T"}, "2006", []*snapshot.Snapshot{one}, []string{"x/ann-2026"}},
		"percent":          {[]string{"%%%i%"}, "2006", []*snapshot.Snapshot{one}, []string{"%" + one.ID.Short() + "%"}},
		"the same name":    {[]string{"%h"}, "2006", []*snapshot.Snapshot{one, made(3, "www")}, []string{"www", "www-1"}},
		"below a snapshot": {[]string{"%h", "%h/%i"}, "2006", []*snapshot.Snapshot{one}, []string{"www", "www-1/" + one.ID.Short()}},
		"called latest":    {[]string{"%h/%T"}, "latest", []*snapshot.Snapshot{one}, []string{"www/latest"}},
		"no way out":       {[]string{"../../%h/../%i"}, "2006", []*snapshot.Snapshot{one}, []string{one.ID.Short()}},
	} {
		t.Run(name, func(t *testing.T) {
			l := Layout{Paths: tc.templates, Time: tc.time}
			if err := l.Validate(); err != nil {
				t.Fatal(err)
			}
			if got := paths(l.build(tc.list), ""); !slices.Equal(got, tc.want) {
				t.Errorf("\n got %q\nwant %q", got, tc.want)
			}
		})
	}
}

func TestLayoutsThatAreRefused(t *testing.T) {
	for _, l := range []Layout{
		{Paths: DefaultPaths}, {Paths: DefaultPaths, Time: "/2006"}, {Paths: DefaultPaths, Time: "../2006"}, {Time: "2006"}, {Paths: []string{"fixed/%x"}, Time: "2006"},
	} {
		if l.Validate() == nil {
			t.Errorf("%+v is accepted", l)
		}
	}
}

// Every snapshot appears once for each template, under names that are names.
func TestEverySnapshotHasItsPlace(t *testing.T) {
	text := rapid.StringMatching(`[a/.%\x00-]{0,4}`)
	rapid.Check(t, func(t *rapid.T) {
		var list []*snapshot.Snapshot
		for day := range rapid.IntRange(0, 5).Draw(t, "snapshots") {
			s := made(day+1, text.Draw(t, "host"), "one")
			s.Username = text.Draw(t, "user")
			list = append(list, s)
		}
		l := Layout{Time: "2006/01/02", Paths: rapid.SliceOfN(rapid.SampledFrom([]string{"%h/%T", "%u%h/%i", "%T", "%t/%u", "a/%h", "../%I"}), 1, 4).Draw(t, "templates")}
		if got, want := count(t, l.build(list)), len(list)*len(l.Paths); got != want {
			t.Fatalf("%d places for %d snapshots and templates %q", got, len(list), l.Paths)
		}
	})
}

func count(t *rapid.T, f *folder) (snapshots int) {
	for name, e := range f.entries {
		if name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\x00") {
			t.Fatalf("%q is no name", name)
		}
		if e.snapshot != nil {
			snapshots++
		}
		if e.folder != nil {
			snapshots += count(t, e.folder)
		}
	}
	return snapshots
}
