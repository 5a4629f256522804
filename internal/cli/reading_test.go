package cli

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// output runs a command line that must succeed, and returns its result alone.
// What only reads takes no lock: waiting for it would take most of the time.
func (s *shell) output(line ...string) string {
	s.t.Helper()
	var out, errs bytes.Buffer
	if line[0] != "backup" {
		line = append([]string{"--no-lock"}, line...)
	}
	if code := Run(s.t.Context(), line, Streams{In: strings.NewReader(""), Out: &out, Err: &errs}); code != exitOK {
		s.t.Fatalf("holdfast %q ended with %d\n%s%s", line, code, &out, &errs)
	}
	return out.String()
}

// read runs a command line with --json, whose result is one value.
func (s *shell) read(into any, line ...string) {
	s.t.Helper()
	if err := json.Unmarshal([]byte(s.output(append(line, "--json")...)), into); err != nil {
		s.t.Fatalf("holdfast %q: %v", line, err)
	}
}

// backupOf makes a snapshot of the source.
func (s *shell) backupOf(args ...string) {
	s.t.Helper()
	s.output(append([]string{"backup", "-q", s.path("source")}, args...)...)
}

// withFolders fills the source with a few files in folders.
func (s *shell) withFolders() {
	s.t.Helper()
	for name, content := range map[string]string{
		"letters/ann.txt": "Dear Ann", "letters/old/ben.TXT": "Dear Ben, how are you?", "pictures/a.jpg": "jpg",
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(s.path("source"), name)), 0o755); err != nil {
			s.t.Fatal(err)
		}
		s.write(name, content)
	}
}

func TestSnapshotsAreShownWithTypeAndTags(t *testing.T) {
	s := newShell(t)
	s.write("a", "1")
	s.backupOf("--host", "one", "--tag", "mine")
	s.write("a", "2")
	s.backupOf("--host", "one")
	s.backupOf("--host", "two")

	all := s.output("snapshots")
	s.wants(all, "Type", "mine", "full", "incremental", s.path("source"), "3 snapshots")
	if strings.Contains(all, "holdfast:") {
		t.Errorf("reserved tags are shown:\n%s", all)
	}
	var list []struct {
		ID      string `json:"id"`
		ShortID string `json:"short_id"`
		Type    string
		Tags    []string
		Host    string `json:"hostname"`
	}
	s.read(&list, "snapshots")
	if len(list) != 3 || list[0].Type != "full" || list[1].Type != "incremental" || list[0].ID[:8] != list[0].ShortID {
		t.Errorf("snapshots as JSON: %+v", list)
	}
	s.read(&list, "snapshots", "--latest", "1")
	if len(list) != 2 || list[0].Type != "incremental" {
		t.Errorf("latest of each: %+v", list)
	}
	s.read(&list, "snapshots", "--host", "two")
	if len(list) != 1 || list[0].Host != "two" {
		t.Errorf("of host two: %+v", list)
	}
	var groups []struct {
		Key       struct{ Hostname string } `json:"group_key"`
		Snapshots []any
	}
	s.read(&groups, "snapshots", "--group-by", "host")
	if len(groups) != 2 || groups[0].Key.Hostname != "one" || len(groups[0].Snapshots) != 2 {
		t.Errorf("groups: %+v", groups)
	}
	s.wants(s.output("snapshots", "-g", "host", "-c"), "host one", "2 snapshots", "1 snapshot\n")
}

func TestLsShowsWhatIsAskedFor(t *testing.T) {
	s := newShell(t)
	s.withFolders()
	s.backupOf()
	folder := "latest:" + s.path("source")
	for name, tc := range map[string]struct {
		args []string
		want string
	}{
		"everything":     {nil, "/letters /letters/ann.txt /letters/old /letters/old/ben.TXT /pictures /pictures/a.jpg"},
		"a folder":       {[]string{"/letters"}, "/letters /letters/ann.txt /letters/old"},
		"a file":         {[]string{"/letters/old/ben.TXT"}, "/letters/old/ben.TXT"},
		"further below":  {[]string{"/letters/", "--recursive"}, "/letters /letters/ann.txt /letters/old /letters/old/ben.TXT"},
		"two folders":    {[]string{"/pictures", "/letters/old"}, "/letters/old /letters/old/ben.TXT /pictures /pictures/a.jpg"},
		"sorted by size": {[]string{"/letters/old", "/pictures", "--sort", "size", "--reverse"}, "/letters/old/ben.TXT /pictures/a.jpg /pictures /letters/old"},
		"by extension":   {[]string{"/pictures", "/letters", "--sort", "extension"}, "/letters /letters/old /pictures /pictures/a.jpg /letters/ann.txt"},
	} {
		t.Run(name, func(t *testing.T) {
			got := strings.Fields(s.output(append([]string{"ls", "-q", folder}, tc.args...)...))
			if strings.Join(got, " ") != tc.want {
				t.Errorf("\n got %s\nwant %s", got, tc.want)
			}
		})
	}
	s.wants(s.output("ls", "-l", folder, "/pictures"), "-rw-------", " 3 20", "/pictures/a.jpg")
	s.wants(s.output("ls", "-l", "--human-readable", folder), "3 B")
}

func TestNamesDoNotReachTheTerminalAsTheyAre(t *testing.T) {
	s := newShell(t)
	s.write("\x1b[2Jgone\r", "x")
	s.backupOf()
	for _, line := range [][]string{{"ls", "latest"}, {"ls", "-l", "latest"}, {"find", "*gone*"}, {"diff", "latest", "latest"}} {
		if out := s.output(line...); strings.ContainsAny(out, "\x1b\r") {
			t.Errorf("holdfast %q prints control characters: %q", line, out)
		}
	}
	s.wants(s.output("ls", "latest"), `\x1b[2Jgone\r"`)
}

func TestReferencesThatFitNothingSayWhatToDo(t *testing.T) {
	s := newShell(t)
	s.write("a", "1")
	s.backupOf()
	for _, tc := range []struct {
		line string
		want string
	}{
		{"ls 0123abcd", "holdfast snapshots"},
		{"ls latest~7", "holdfast snapshots"},
		{"snapshots zz", "holdfast snapshots"},
		{"ls latest /nowhere", "holdfast ls"},
		{"ls latest relative", "begin with /"},
		{"ls latest:/nowhere", "has no /nowhere"},
		{"ls latest:" + s.path("source/a"), "must be a folder"},
		{"ls --sort colour latest", "want name, size"},
		{"ls", "wants a snapshot"},
		{"diff latest", "wants two snapshots"},
		{"dump latest /nowhere", "has no /nowhere"},
		{"dump latest / --archive rar", "want tar or zip"},
		{"find --oldest yesterday x", "is no time"},
		{"find [", "not a valid wildcard"},
		{"find --blob xyz", "no ID"},
		{"find --pack 00000000", "no pack has an ID"},
		{"find --blob --tree 00", "blob tree"},
		{"stats --mode all", "want restore-size"},
		{"cat", "one of config"},
		{"cat pack", "wants the ID"},
		{"cat config x", "more arguments"},
		{"cat index 0000", "no index has an ID"},
		{"cat blob 00000000", "no blob in the index"},
		{"list things", "one of blobs"},
		{"mount " + s.path("nowhere"), "no such folder"},
		{"mount " + s.path("source/a"), "not a folder"},
		{"mount --path-template x " + s.path("source"), "names no property"},
		{"mount --time-template /x " + s.path("source"), "slash"},
	} {
		t.Run(tc.line, func(t *testing.T) {
			s.wants(s.run(exitFailed, strings.Fields("--no-lock "+tc.line)...), tc.want)
		})
	}
}

func TestFindLooksAtNamesPathsAndTimes(t *testing.T) {
	s := newShell(t)
	s.withFolders()
	old := time.Date(2001, 2, 3, 4, 5, 6, 0, time.Local)
	if err := os.Chtimes(s.path("source/pictures/a.jpg"), old, old); err != nil {
		t.Fatal(err)
	}
	s.backupOf()
	s.backupOf() // in which nothing is new: folders seen before must count too
	source := s.path("source")
	for name, tc := range map[string]struct {
		args []string
		want []string // below the source, in each snapshot
	}{
		"name":        {[]string{"*.txt"}, []string{"/letters/ann.txt"}},
		"any case":    {[]string{"-i", "*.txt"}, []string{"/letters/ann.txt", "/letters/old/ben.TXT"}},
		"below":       {[]string{"old"}, []string{"/letters/old", "/letters/old/ben.TXT"}},
		"path":        {[]string{source + "/letters/*"}, []string{"/letters/ann.txt", "/letters/old", "/letters/old/ben.TXT"}},
		"two":         {[]string{"a.*", "ann*"}, []string{"/letters/ann.txt", "/pictures/a.jpg"}},
		"old":         {[]string{"*.*", "--newest", "2001-02-03 04:05:06"}, []string{"/pictures/a.jpg"}},
		"young":       {[]string{"*.jpg", "*.txt", "--oldest", "2001-02-04"}, []string{"/letters/ann.txt"}},
		"nothing":     {[]string{"absent"}, nil},
		"nothing old": {[]string{"*.txt", "--newest", "2001-01-01"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var found []struct {
				Matches []struct{ Path string }
				Hits    int
			}
			s.read(&found, append([]string{"find"}, tc.args...)...)
			if tc.want == nil && len(found) == 0 {
				return
			}
			if len(found) != 2 {
				t.Fatalf("found in %d snapshots: %+v", len(found), found)
			}
			for _, f := range found {
				var paths []string
				for _, m := range f.Matches {
					paths = append(paths, strings.TrimPrefix(m.Path, source))
				}
				if !slices.Equal(paths, tc.want) || f.Hits != len(tc.want) {
					t.Errorf("found %q, want %q", paths, tc.want)
				}
			}
		})
	}
	s.wants(s.output("find", "absent"), "nothing was found")
}

func TestFindTellsWhatNeedsABlob(t *testing.T) {
	s := newShell(t)
	s.withFolders()
	s.backupOf()
	var nodes struct {
		Nodes []struct {
			Name    string
			Content []string
		}
	}
	if err := json.Unmarshal([]byte(s.output("cat", "tree", "latest:"+s.path("source/letters"))), &nodes); err != nil {
		t.Fatal(err)
	}
	content := nodes.Nodes[0].Content[0]
	if got := s.output("cat", "blob", content[:12]); got != "Dear Ann" {
		t.Errorf("blob %q", got)
	}
	path := s.path("source/letters/ann.txt")
	s.wants(s.output("find", "--blob", "--show-pack-id", content), "blob "+content, path, "is in pack")
	s.wants(s.output("find", "--blob", content[:10]), path)
	var objects []struct {
		ObjectType string `json:"object_type"`
		Path       string
	}
	s.read(&objects, "find", "--tree", s.field("snapshots", "tree")[0])
	if len(objects) != 1 || objects[0].Path != "/" || objects[0].ObjectType != "tree" {
		t.Errorf("root tree: %+v", objects)
	}
	found := ""
	for _, pack := range strings.Fields(s.output("list", "packs")) {
		found += s.output("find", "--pack", pack[:16])
	}
	s.wants(found, path, "pictures/a.jpg", s.path("source/letters")+" in snapshot")
	s.wants(s.output("find", "--blob", strings.Repeat("0", 64)), "no snapshot needs it")
}

// field returns one field of every object that a command prints.
func (s *shell) field(command, name string) []string {
	s.t.Helper()
	var list []map[string]any
	s.read(&list, command)
	var values []string
	for _, o := range list {
		values = append(values, o[name].(string))
	}
	return values
}

func TestDiffMarksChanges(t *testing.T) {
	s := newShell(t)
	s.withFolders()
	s.write("turns", "into a folder")
	s.backupOf()
	source := s.path("source")
	err := errors.Join(
		os.RemoveAll(source+"/pictures"), os.Remove(source+"/turns"), os.Mkdir(source+"/turns", 0o755),
		os.Chmod(source+"/letters/old/ben.TXT", 0o644),
	)
	if err != nil {
		t.Fatal(err)
	}
	s.write("letters/ann.txt", "Dearest Ann")
	s.write("turns/new", "Dear Ben, how are you?") // content that is not new
	s.backupOf()

	ref := func(name string) string { return name + ":" + source }
	out := s.output("diff", ref("latest~1"), ref("latest"))
	s.wants(out, "M    /letters/ann.txt", "-    /pictures/\n", "-    /pictures/a.jpg", "T    /turns/", "+    /turns/new",
		"1 new,     1 removed,     1 changed", "Data blobs:      1 new,     3 removed")
	if strings.Contains(out, "ben.TXT") {
		t.Errorf("metadata is compared without being asked for:\n%s", out)
	}
	s.wants(s.output("diff", "--metadata", ref("latest~1"), ref("latest")), "U    /letters/old/ben.TXT", "U    /letters/\n")
	if out := s.output("diff", "latest", "latest"); strings.Contains(out, "/") {
		t.Errorf("a snapshot differs from itself:\n%s", out)
	}
}

func TestCatAndListShowWhatIsStored(t *testing.T) {
	s := newShell(t)
	s.write("a", "1")
	s.backupOf()
	id := s.field("snapshots", "id")[0]
	s.wants(s.output("cat", "snapshot", id[:6]), `"paths": [`)
	s.wants(s.output("cat", "snapshot", "latest"), `"program_version"`)
	s.wants(s.output("cat", "config"), `"version": 2`)
	s.wants(s.output("cat", "masterkey"), `"encrypt"`, `"mac"`)
	key := strings.TrimSpace(s.output("list", "keys"))
	s.wants(s.output("cat", "key", key[:8]), `"kdf": "scrypt"`)
	index := strings.TrimSpace(s.output("list", "index"))
	s.wants(s.output("cat", "index", index), `"packs"`)
	if got := strings.TrimSpace(s.output("list", "snapshots")); got != id {
		t.Errorf("list snapshots: %s", got)
	}
	if got := s.output("list", "locks"); got != "" {
		t.Errorf("locks are left: %s", got)
	}
	if !regexp.MustCompile(`(?m)^tree [0-9a-f]{64}$`).MatchString(s.output("list", "blobs")) {
		t.Error("no tree among the blobs")
	}
	pack := strings.Fields(s.output("list", "packs"))[0]
	stored, err := os.ReadFile(filepath.Join(s.repo, "data", pack[:2], pack))
	if err != nil || s.output("cat", "pack", pack) != string(stored) {
		t.Errorf("cat pack prints something else (%v)", err)
	}
}

func TestDumpZip(t *testing.T) {
	s := newShell(t)
	s.withFolders()
	s.backupOf()
	target := s.path("out.zip")
	s.output("dump", "latest:"+s.path("source"), "/", "--archive", "zip", "--target", target)
	z, err := zip.OpenReader(target)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	var names []string
	for _, f := range z.File {
		names = append(names, f.Name)
	}
	if want := []string{"letters/", "letters/ann.txt", "letters/old/", "letters/old/ben.TXT", "pictures/", "pictures/a.jpg"}; !slices.Equal(names, want) {
		t.Errorf("names %q", names)
	}
	if got := s.output("dump", "latest:"+s.path("source"), "letters/ann.txt"); got != "Dear Ann" {
		t.Errorf("dumped %q", got)
	}
	first, second := s.output("dump", "latest", "/"), s.output("dump", "latest", "/")
	if first != second {
		t.Error("the same folder gives different archives")
	}
}

// damagePacks flips a bit in the middle of every pack of files.
func (s *shell) damagePacks() {
	s.t.Helper()
	packs, err := filepath.Glob(filepath.Join(s.repo, "data", "*", "*"))
	if err != nil || len(packs) == 0 {
		s.t.Fatalf("packs: %v, %v", packs, err)
	}
	trees := s.run(exitOK, "find", "--tree", s.field("snapshots", "tree")[0], "--show-pack-id")
	for _, path := range packs {
		if strings.Contains(trees, filepath.Base(path)) {
			continue
		}
		content, err := os.ReadFile(path)
		if err != nil {
			s.t.Fatal(err)
		}
		content[20] ^= 1
		if err := errors.Join(os.Chmod(path, 0o600), os.WriteFile(path, content, 0o600)); err != nil {
			s.t.Fatal(err)
		}
	}
}

func TestDumpOfDamageLeavesNothing(t *testing.T) {
	s := newShell(t)
	s.write("a", strings.Repeat("content ", 100))
	s.backupOf()
	s.damagePacks()
	for _, path := range []string{s.path("source"), s.path("source/a")} {
		target := s.path("out")
		s.wants(s.run(exitFailed, "dump", "latest", path, "--target", target), "damaged")
		if _, err := os.Stat(target); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("a half of %s is left: %v", path, err)
		}
	}
}

func TestOutputThatIsClosedEndsTheCommandQuietly(t *testing.T) {
	s := newShell(t)
	s.write("a", "1")
	s.backupOf()
	for _, line := range [][]string{{"ls", "latest"}, {"find", "a"}, {"diff", "latest", "latest"}, {"list", "blobs"}, {"dump", "latest", "/"}, {"cat", "config"}} {
		var errs bytes.Buffer
		code := Run(t.Context(), line, Streams{In: strings.NewReader(""), Out: closedPipe{}, Err: &errs})
		if code != exitOutputClosed || errs.Len() > 0 {
			t.Errorf("holdfast %q ended with %d: %s", line, code, &errs)
		}
	}
	if got := s.output("list", "locks"); got != "" {
		t.Errorf("locks are left: %s", got)
	}
}

// closedPipe is a pipe whose reader has gone.
type closedPipe struct{}

func (closedPipe) Write([]byte) (int, error) {
	return 0, &os.PathError{Op: "write", Path: "|1", Err: syscall.EPIPE}
}
