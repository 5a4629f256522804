package cli

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"holdfast/test/oddities"
	"holdfast/test/tools"
)

// withOddities makes three snapshots of a folder of oddities.
func (s *shell) withOddities() {
	s.t.Helper()
	oddities.Make(s.t, s.path("source"), oddities.Deep)
	s.backupOf("--host", "one")
	source := s.path("source")
	err := errors.Join(
		os.RemoveAll(source+"/symlinks"), os.Mkdir(source+"/new", 0o700),
		os.Rename(source+"/sizes/4096", source+"/new/moved"),
		os.Chmod(source+"/modes", 0o700),
		os.WriteFile(source+"/sizes/1", []byte("changed"), 0o600),
	)
	if err != nil {
		s.t.Fatal(err)
	}
	s.backupOf("--host", "one")
	s.backupOf("--host", "two", "--tag", "x")
}

// restic runs the real restic on the shell's repository.
func (s *shell) restic(args ...string) []byte {
	s.t.Helper()
	cmd := exec.CommandContext(s.t.Context(), tools.Restic(s.t), append([]string{"--no-cache", "--no-lock", "-r", s.repo}, args...)...)
	cmd.Env = append(os.Environ(), "RESTIC_PASSWORD="+os.Getenv("HOLDFAST_PASSWORD"))
	out, err := cmd.Output()
	if err != nil {
		s.t.Fatalf("restic %q: %v", args, err)
	}
	return out
}

// values reads JSON values that follow each other, but for the fields that
// only holdfast prints or that name what was asked for.
func values(t *testing.T, data []byte) []any {
	t.Helper()
	var list []any
	d := json.NewDecoder(bytes.NewReader(data))
	for {
		var v any
		err := d.Decode(&v)
		if errors.Is(err, io.EOF) {
			return list
		}
		if err != nil {
			t.Fatalf("%v in %.200s", err, data)
		}
		if o, ok := v.(map[string]any); ok && o["struct_type"] == "snapshot" {
			delete(o, "type")
		}
		list = append(list, v)
	}
}

func TestReadingPrintsWhatResticPrints(t *testing.T) {
	s := newShell(t)
	s.withOddities()
	ids := s.field("snapshots", "id")
	for _, line := range [][]string{
		{"ls", ids[0]},
		{"ls", ids[1], path.Join(s.path("source"), "names")},
		{"ls", ids[1] + ":" + s.path("source"), "/names", "--recursive"},
		{"ls", ids[0], "--sort", "size"},
		{"find", "*"},
		{"find", "-i", "A*", "latin1-*"},
		{"find", "--host", "one", "e*"},
		{"find", "/**/names/*"},
		{"find", "--snapshot", ids[2], "--reverse", "null"},
		{"diff", ids[0], ids[1]},
		{"diff", "--metadata", ids[1], ids[0]},
		{"diff", ids[1], ids[2]},
		{"stats"},
		{"stats", ids[0]},
		{"stats", "--mode", "files-by-contents"},
		{"stats", "--mode", "blobs-per-file"},
		{"stats", "--mode", "raw-data"},
		{"stats", "--mode", "raw-data", "--tag", "x"},
	} {
		t.Run(strings.Join(line, " "), func(t *testing.T) {
			line := append([]string{"--json"}, line...)
			got, want := values(t, []byte(s.output(line...))), values(t, s.restic(line...))
			if len(got) != len(want) {
				t.Fatalf("%d values, restic prints %d", len(got), len(want))
			}
			for n := range got {
				if !reflect.DeepEqual(got[n], want[n]) {
					t.Fatalf("value %d\n     got %.2000v\nrestic's %.2000v", n, got[n], want[n])
				}
			}
		})
	}
}

// flatten adds the entries of a list as ncdu has them: their sizes by path.
func flatten(to map[string]float64, at string, list []any) {
	for n, entry := range list {
		below, isFolder := entry.([]any)
		if !isFolder {
			below = []any{entry}
		}
		fields := below[0].(map[string]any)
		name := path.Join(at, fields["name"].(string))
		if n > 0 && isFolder {
			flatten(to, name, below)
		}
		size, _ := fields["asize"].(float64)
		if n > 0 {
			to[name] += size
		}
	}
}

// The list is what the real ncdu makes of it, whatever the names.
func TestLsIsReadByNcdu(t *testing.T) {
	s := newShell(t)
	s.withOddities()
	for _, line := range [][]string{{"latest"}, {"latest", s.path("source/names"), s.path("source/sizes")}, {"latest:" + s.path("source")}} {
		want := make(map[string]float64)
		for _, v := range values(t, []byte(s.output(append([]string{"ls", "--json", "--recursive"}, line...)...)))[1:] {
			o := v.(map[string]any)
			size, _ := o["size"].(float64)
			want[o["path"].(string)] += size // names that are no UTF-8 look alike
		}
		in, out := s.path("in"), s.path("out")
		if err := os.WriteFile(in, []byte(s.output(append([]string{"ls", "--ncdu"}, line...)...)), 0o600); err != nil {
			t.Fatal(err)
		}
		if text, err := exec.CommandContext(t.Context(), "ncdu", "-0", "-f", in, "-o", out).CombinedOutput(); err != nil {
			t.Fatalf("ncdu: %v\n%s", err, text)
		}
		data, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		var export []any
		if err := json.Unmarshal(data, &export); err != nil {
			t.Fatal(err)
		}
		got := make(map[string]float64)
		flatten(got, "/", export[3].([]any))
		for name, size := range want {
			if g, ok := got[name]; !ok || g != size {
				t.Errorf("%q: %q has %v bytes (%v), want %v", line, name, g, ok, size)
			}
		}
		for name := range got {
			if _, ok := want[name]; !ok && len(line) == 1 {
				t.Errorf("%q: ncdu has %q", line, name)
			}
		}
	}
}

// contents returns the hashes of the files in a tar archive, by name. A hard
// link has that of the file it is a name of.
func contents(t *testing.T, archive []byte) map[string][32]byte {
	t.Helper()
	files := make(map[string][32]byte)
	r := tar.NewReader(bytes.NewReader(archive))
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		switch h.Typeflag {
		case tar.TypeReg:
			files[h.Name] = sha256.Sum256(content)
		case tar.TypeLink:
			if sum, ok := files[h.Linkname]; ok { // else a link of a device
				files[h.Name] = sum
			}
		}
	}
}

func TestDumpHasWhatResticDumps(t *testing.T) {
	s := newShell(t)
	s.withOddities()
	id := s.field("snapshots", "id")[0]
	for _, folder := range []string{"sizes", "hardlinks", "names"} {
		at := path.Join(s.path("source"), folder)
		got, want := contents(t, []byte(s.output("dump", id, at))), contents(t, s.restic("dump", id, at))
		for name, sum := range want {
			if strings.HasSuffix(name, "null") {
				continue // a device, which restic dumps as a file
			}
			if got[name] != sum {
				t.Errorf("%s differs, or is not there", name)
			}
		}
	}
	file := path.Join(s.path("source"), "sizes", "524288")
	if s.output("dump", id, file) != string(s.restic("dump", id, file)) {
		t.Error("a dumped file differs")
	}
}

func TestDumpedTarComesBack(t *testing.T) {
	if _, err := exec.LookPath("tar"); err != nil {
		t.Skip("there is no tar")
	}
	s := newShell(t)
	oddities.Make(t, s.path("source"), oddities.Deep)
	s.backupOf()
	archive, back := s.path("out.tar"), t.TempDir()
	s.output("dump", "latest", filepath.Dir(s.path("source")), "--target", archive)
	cmd := exec.CommandContext(t.Context(), "tar", "-x", "-p", "--xattrs", "--xattrs-include=*", "--acls", "-f", archive, "-C", back)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("tar: %v\n%s", err, out)
	}
	oddities.Compare(t, s.path("source"), filepath.Join(back, s.path("source")))
}
