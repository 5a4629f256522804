package snapshot

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"holdfast/repository/id"
	"holdfast/test/tools"
)

var (
	treeID = id.Hash([]byte("tree")).String()

	minimal = `{"time":"2026-01-02T03:04:05.678+01:00","tree":"` + treeID + `","paths":["/a"]}`
	// foreign has what another program adds, in the snapshot and in its summary.
	foreign = `{"time":"2026-01-02T03:04:05.678+01:00","tree":"` + treeID + `","paths":["/a"],"tags":["x"],` +
		`"summary":{"backup_start":"2026-01-02T03:04:05Z","backup_end":"2026-01-02T03:04:06Z","files_new":1,` +
		`"files_changed":2,"files_unmodified":3,"dirs_new":4,"dirs_changed":5,"dirs_unmodified":6,"data_blobs":7,` +
		`"tree_blobs":8,"data_added":9,"data_added_packed":10,"total_files_processed":11,"total_bytes_processed":12,` +
		`"command":"backup /a","total_duration":1.5},"delete":{"After":"2027-01-01T00:00:00Z"},"label":"l"}`
)

func TestDecodeThenEncodeKeepsTheBytes(t *testing.T) {
	for name, stored := range map[string]string{"minimal": minimal, "foreign": foreign} {
		t.Run(name, func(t *testing.T) {
			s, err := Decode([]byte(stored))
			if err != nil {
				t.Fatal(err)
			}
			got, err := s.Encode()
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != stored {
				t.Errorf("\n got %s\nwant %s", got, stored)
			}
		})
	}
}

func TestDecodeIgnoresTheCaseOfKnownFields(t *testing.T) {
	s, err := Decode([]byte(strings.Replace(minimal, `"paths"`, `"Paths"`, 1)))
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := s.Encode(); string(got) != minimal {
		t.Errorf("encoded %s", got)
	}
}

func TestDecodeRefuses(t *testing.T) {
	for name, stored := range map[string]string{
		"nothing": ``, "null": `null`, "list": `[]`, "torn": minimal[:40],
		"no tree":   `{"time":"2026-01-02T03:04:05Z","paths":[]}`,
		"zero tree": strings.Replace(minimal, treeID, id.ID{}.String(), 1),
		"bad time":  strings.Replace(minimal, "2026", "26", 1),
	} {
		if s, err := Decode([]byte(stored)); err == nil {
			t.Errorf("%s: decoded as %+v", name, s)
		}
	}
}

func TestEditedNamesTheFirstOfTheRow(t *testing.T) {
	first, err := Decode([]byte(foreign))
	if err != nil {
		t.Fatal(err)
	}
	first.ID = id.Hash([]byte("first"))
	second := first.Edited()
	second.ID = id.Hash([]byte("second"))
	third := second.Edited()
	if third.Original == nil || *third.Original != first.ID || !third.ID.IsZero() {
		t.Errorf("original %v, ID %v", third.Original, third.ID)
	}
	third.Tags[0], third.Summary.FilesNew = "changed", 100
	if got, _ := first.Encode(); string(got) != foreign {
		t.Errorf("an edit changed the snapshot it began with: %s", got)
	}
	third.Original, third.Tags[0], third.Summary.FilesNew = nil, "x", 1
	if got, _ := third.Encode(); string(got) != foreign {
		t.Errorf("the copy lost something: %s", got)
	}
}

// TestSnapshotOfRestic decodes a snapshot that restic has made and encodes
// it again.
func TestSnapshotOfRestic(t *testing.T) {
	program := tools.Restic(t)
	repository := filepath.Join(t.TempDir(), "repository")
	restic := func(args ...string) []byte {
		cmd := exec.CommandContext(t.Context(), program, append([]string{"--no-cache", "-q", "--repo", repository}, args...)...)
		cmd.Env = append(os.Environ(), "RESTIC_PASSWORD=x", "TZ=America/St_Johns")
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("restic %v: %v", args, err)
		}
		return out
	}
	restic("init")
	restic("backup", t.TempDir(), "--tag", "a<b>,c", "--exclude", "*.tmp", "--host", "www")
	var list []struct{ ID string }
	if err := json.Unmarshal(restic("snapshots", "--json"), &list); err != nil || len(list) != 1 {
		t.Fatalf("snapshots %v, %v", list, err)
	}
	stored := restic("cat", "snapshot", list[0].ID)
	s, err := Decode(stored)
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.Encode()
	if err != nil {
		t.Fatal(err)
	}
	var want bytes.Buffer // restic prints it indented, in the stored order
	if err := json.Compact(&want, stored); err != nil {
		t.Fatal(err)
	}
	if string(got) != want.String() {
		t.Errorf("\n got %s\nwant %s", got, want.String())
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(minimal))
	f.Add([]byte(foreign))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := Decode(data)
		if err != nil {
			return
		}
		once, err := s.Encode()
		if err != nil {
			t.Fatal(err)
		}
		again, err := Decode(once)
		if err != nil {
			t.Fatalf("%s: %v", once, err)
		}
		if twice, _ := again.Encode(); !bytes.Equal(once, twice) {
			t.Fatalf("\nonce  %s\ntwice %s", once, twice)
		}
	})
}

func TestTypeOfBackup(t *testing.T) {
	s := &Snapshot{Tags: []string{"mine"}}
	if s.Type() != "" {
		t.Errorf("type %q of a snapshot that does not tell", s.Type())
	}
	s.SetType(Full)
	s.SetPlan("shop")
	s.SetSource("db")
	s.SetType(Differential)
	want := []string{"mine", "holdfast:plan=shop", "holdfast:source=db", "holdfast:type=differential"}
	if !reflect.DeepEqual(s.Tags, want) {
		t.Errorf("tags %q", s.Tags)
	}
	if s.Type() != Differential || s.Plan() != "shop" || s.Source() != "db" {
		t.Error(s.Type(), s.Plan(), s.Source())
	}
	s.Tags = []string{TypeTag + "weird"}
	if s.Type() != "" {
		t.Errorf("unknown type %q", s.Type())
	}
}

func TestWithUserTagsKeepsReservedTags(t *testing.T) {
	s := &Snapshot{ID: id.Hash(nil), Time: time.Unix(1, 0), Tags: []string{"a", "holdfast:type=full", "b"}}
	for name, tc := range map[string]struct {
		edit TagEdit
		want []string
	}{
		"add":             {TagEdit{Add: []string{"c", "a", "c"}}, []string{"a", "b", "c", "holdfast:type=full"}},
		"remove":          {TagEdit{Remove: []string{"a", "x"}}, []string{"b", "holdfast:type=full"}},
		"replace":         {TagEdit{Replace: true, Set: []string{"c"}}, []string{"c", "holdfast:type=full"}},
		"replace by none": {TagEdit{Replace: true, Set: []string{""}}, []string{"holdfast:type=full"}},
		"no change":       {TagEdit{Add: []string{"b"}, Remove: []string{"x"}}, s.Tags},
	} {
		t.Run(name, func(t *testing.T) {
			got, changed, err := s.WithUserTags(tc.edit)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got.Tags, tc.want) {
				t.Errorf("tags %q, want %q", got.Tags, tc.want)
			}
			if changed != (got != s) || changed && *got.Original != s.ID {
				t.Errorf("changed %v, original %v", changed, got.Original)
			}
		})
	}
	if _, _, err := s.WithUserTags(TagEdit{Remove: []string{"holdfast:type=full"}}); err == nil {
		t.Error("a reserved tag was edited")
	}
}
