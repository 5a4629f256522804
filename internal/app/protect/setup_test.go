package protect_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"holdfast/internal/app/protect"
)

func mkdir(t *testing.T, path string) {
	t.Helper()
	if err := os.MkdirAll(path, 0o700); err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	mkdir(t, filepath.Dir(path))
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// request protects a folder of its own.
func request(t *testing.T) protect.Request {
	t.Helper()
	at := t.TempDir()
	mkdir(t, filepath.Join(at, "docs"))
	return protect.Request{
		Paths: []string{filepath.Join(at, "docs")}, ConfigPath: filepath.Join(at, "config", "holdfast.yaml"),
		DataDir: filepath.Join(at, "data"),
	}
}

func agree(*protect.Setup) error { return nil }

func record(t *testing.T, r protect.Request) *protect.Setup {
	t.Helper()
	s, err := protect.Record(r, agree)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestRecordTwiceAddsOnce(t *testing.T) {
	r := request(t)
	first := record(t, r)
	text := read(t, r.ConfigPath)
	second := record(t, r)
	if !first.IsNew() || second.IsNew() || read(t, r.ConfigPath) != text {
		t.Errorf("the second time added something:\n%s", read(t, r.ConfigPath))
	}
	if first.Plan != second.Plan || first.Repository.URL != second.Repository.URL || first.Repository.Password.File != second.Repository.Password.File {
		t.Errorf("got %+v, then %+v", first, second)
	}
}

func TestNothingIsRecordedWhenTheCheckDisagrees(t *testing.T) {
	r, no := request(t), errors.New("no")
	if _, err := protect.Record(r, func(*protect.Setup) error { return no }); !errors.Is(err, no) {
		t.Fatal(err)
	}
	if _, err := os.Stat(r.ConfigPath); !os.IsNotExist(err) {
		t.Errorf("the file was written: %v", err)
	}
}

func TestPasswordIsMadeOnce(t *testing.T) {
	s := record(t, request(t))
	file := s.Repository.Password.File
	write(t, file+".new", "half a passw") // a run was killed while writing it
	made, err := s.EnsurePassword()
	if err != nil || !made {
		t.Fatal(made, err)
	}
	password := read(t, file)
	if len(strings.ReplaceAll(strings.TrimSpace(password), "-", "")) != 32 {
		t.Errorf("%q is not 32 symbols of 5 bits", password)
	}
	if info, err := os.Stat(file); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if _, err := os.Stat(file + ".new"); !os.IsNotExist(err) {
		t.Errorf("the temporary file is still there: %v", err)
	}
	if made, err = s.EnsurePassword(); err != nil || made || read(t, file) != password {
		t.Errorf("the second time: %v, %v, %q", made, err, read(t, file))
	}
}

func TestAnExistingRepositoryGetsNoOtherPassword(t *testing.T) {
	for name, trace := range map[string]func(*protect.Setup) string{
		"its config is there": func(s *protect.Setup) string { return filepath.Join(s.Repository.URL, "config") },
		"its kit is there":    (*protect.Setup).KitPath,
	} {
		t.Run(name, func(t *testing.T) {
			s := record(t, request(t))
			write(t, trace(s), "x")
			if made, err := s.EnsurePassword(); made || !errors.Is(err, protect.ErrPasswordLost) {
				t.Errorf("got %v, %v", made, err)
			}
		})
	}
}

func TestPasswordsDiffer(t *testing.T) {
	if a, b := protect.NewPassword(), protect.NewPassword(); a == b {
		t.Errorf("%q twice", a)
	}
}

func TestCheckPlace(t *testing.T) {
	cases := []struct{ name, place, want string }{
		{"the default", "", ""},
		{"inside the source", "docs/backup", ""},
		{"the source itself", "docs", "cannot lie at"},
		{"above the source", ".", "cannot lie at"},
		{"an empty folder", "empty", ""},
		{"a half-made repository", "half", ""},
		{"a folder in use", "used", "has other files in it (letter.txt)"},
		{"a disk that is not mounted", "missing/disk", "mount"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := request(t)
			at := filepath.Dir(r.Paths[0])
			mkdir(t, filepath.Join(at, "empty"))
			mkdir(t, filepath.Join(at, "half", "keys"))
			write(t, filepath.Join(at, "used", "letter.txt"), "dear")
			if c.place != "" {
				r.To = filepath.Join(at, c.place)
			}
			_, err := protect.Record(r, func(s *protect.Setup) error { return s.CheckPlace(r) })
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestOneAtATime(t *testing.T) {
	dir := t.TempDir()
	unlock, err := protect.Lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := protect.Lock(dir); !errors.Is(err, protect.ErrBusy) {
		t.Errorf("the second got %v", err)
	}
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
	again, err := protect.Lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := again(); err != nil {
		t.Fatal(err)
	}
}
