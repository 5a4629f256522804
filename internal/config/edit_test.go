package config_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"holdfast/internal/config"
	"holdfast/internal/retention"
	"holdfast/internal/secret"
)

func additions() config.Additions {
	return config.Additions{
		Repositories: map[string]config.Repository{
			"local": {URL: "/srv/r", Media: "disk", Password: secret.Ref{File: "/etc/p"}},
		},
		Sources: map[string]config.Source{"docs": {Files: &config.Files{Paths: []string{"/home/me/Documents"}}}},
		Plans: map[string]config.Plan{"docs": {
			Sources: []string{"docs"}, Repository: "local", Keep: retention.Policy{Daily: 7, Within: retention.Duration{Days: 30}},
		}},
	}
}

func always(a config.Additions) func(*config.Config) (config.Additions, error) {
	return func(*config.Config) (config.Additions, error) { return a, nil }
}

const (
	addedRepository = "  local:\n    url: /srv/r\n    media: disk\n    password: {file: /etc/p}\n"
	addedSource     = "  docs:\n    files:\n      paths: [/home/me/Documents]\n"
	addedPlan       = "  docs:\n    sources: [docs]\n    repository: local\n    keep: {daily: 7, within: 30d}\n"
)

func TestEdit(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the paths are those of Unix")
	}
	indented := func(s string) string {
		return "  " + strings.ReplaceAll(strings.TrimSuffix(s, "\n"), "\n", "\n  ") + "\n"
	}
	cases := []struct{ name, before, after string }{
		{
			"an empty file", "",
			"repositories:\n" + addedRepository + "\nsources:\n" + addedSource + "\nplans:\n" + addedPlan,
		},
		{
			"comments and order stay",
			"# mine\n\nplans: # none yet\n\n# where things are\nrepositories:\n  # the old one\n  old: { url: /old, password: { env: P } } # keep!\n\n  # more to come\n\n# the end\nsources:\n  s:   { files: { paths: [/s] } }\n",
			"# mine\n\nplans: # none yet\n" + addedPlan + "\n# where things are\nrepositories:\n  # the old one\n  old: { url: /old, password: { env: P } } # keep!\n\n  # more to come\n" + addedRepository + "\n# the end\nsources:\n  s:   { files: { paths: [/s] } }\n" + addedSource,
		},
		{
			"the file's own indentation",
			"repositories:\n    old:\n        url: /old\n        password:\n            env: P\n",
			"repositories:\n    old:\n        url: /old\n        password:\n            env: P\n" + indented(addedRepository) + "\nsources:\n" + addedSource + "\nplans:\n" + addedPlan,
		},
		{
			"no newline at the end", "repositories:\n  old: { url: /old, password: { env: P } }",
			"repositories:\n  old: { url: /old, password: { env: P } }\n" + addedRepository + "\nsources:\n" + addedSource + "\nplans:\n" + addedPlan,
		},
		{
			"Windows line ends", "sources:\r\n  s: { files: { paths: [/s] } }\r\n",
			strings.ReplaceAll("sources:\n  s: { files: { paths: [/s] } }\n"+addedSource+"\nrepositories:\n"+addedRepository+"\nplans:\n"+addedPlan, "\n", "\r\n"),
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "holdfast.yaml")
			if err := os.WriteFile(path, []byte(c.before), 0o640); err != nil {
				t.Fatal(err)
			}
			got, err := config.Edit(path, always(additions()))
			if err != nil {
				t.Fatal(err)
			}
			text, err := os.ReadFile(path)
			if err != nil || string(text) != c.after {
				t.Errorf("got\n%s\nwant\n%s", text, c.after)
			}
			if got.Plans["docs"].Keep.Within.Days != 30 {
				t.Errorf("the result lacks the plan: %+v", got.Plans)
			}
			if info, _ := os.Stat(path); info.Mode().Perm() != 0o640 {
				t.Errorf("the mode became %v", info.Mode())
			}
		})
	}
}

func TestEditMakesAPrivateFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "holdfast.yaml")
	c, err := config.Edit(path, func(c *config.Config) (config.Additions, error) {
		if len(c.Plans) != 0 {
			t.Errorf("a file that is not there has plans: %v", c.Plans)
		}
		return additions(), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(c.Path)
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
}

func TestEditThatAddsNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "holdfast.yaml")
	if _, err := config.Edit(path, always(config.Additions{})); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file was made: %v", err)
	}
}

func TestEditFollowsALink(t *testing.T) {
	folder := t.TempDir()
	file, link := filepath.Join(folder, "real.yaml"), filepath.Join(folder, "holdfast.yaml")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(file, link); err != nil {
		t.Skip("no symbolic links here:", err)
	}
	if _, err := config.Edit(link, always(additions())); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode().Type() != os.ModeSymlink {
		t.Errorf("the link became %v, %v", info, err)
	}
	if c, err := config.Load(file); err != nil || len(c.Plans) != 1 {
		t.Errorf("the file behind the link: %+v, %v", c, err)
	}
}

// Whatever goes wrong, the file is the one from before and nothing lies
// around it but the lock.
func TestEditThatFailsChangesNothing(t *testing.T) {
	errDecide := errors.New("changed my mind")
	unknown := additions()
	unknown.Repositories = nil
	cases := []struct {
		name, text string
		decide     func(*config.Config) (config.Additions, error)
		want       string
	}{
		{"a broken file", "plans: [", always(additions()), "holdfast.yaml"},
		{"a caller that gives up", "", func(*config.Config) (config.Additions, error) { return additions(), errDecide }, errDecide.Error()},
		{"a name that is taken", "sources:\n  docs: { files: { paths: [/x] } }\n", always(additions()), config.ErrTaken.Error()},
		{"a plan that leads nowhere", "", always(unknown), `there is no repository named "local"`},
		{"a section in braces", "plans: {}\n", always(additions()), "written in braces"},
		{"a file in braces", "{ plans: {} }\n", always(additions()), "written in braces"},
		{"an end marker", "notify:\n  n: { url: { env: X } }\n...\n", always(additions()), ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			folder := t.TempDir()
			path := filepath.Join(folder, "holdfast.yaml")
			if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := config.Edit(path, c.decide)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if text, err := os.ReadFile(path); err != nil || string(text) != c.text {
				t.Errorf("the file became %q, %v", text, err)
			}
			left, err := filepath.Glob(filepath.Join(folder, ".holdfast-*"))
			if err != nil || len(left) != 0 {
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
}

func TestEditsAtOnceAllLand(t *testing.T) {
	path := filepath.Join(t.TempDir(), "holdfast.yaml")
	const editors = 8
	var wg sync.WaitGroup
	for i := range editors {
		wg.Go(func() {
			a := config.Additions{Sources: map[string]config.Source{
				fmt.Sprintf("s%d", i): {Files: &config.Files{Paths: []string{t.TempDir()}}},
			}}
			if _, err := config.Edit(path, always(a)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if c, err := config.Load(path); err != nil || len(c.Sources) != editors {
		t.Errorf("got %+v, %v", c, err)
	}
}

// With includes and defaults, entries go into the file itself, names of all
// files are taken, and the defaults count for what is added, too.
func TestEditWithIncludesAndDefaults(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the paths are those of Unix")
	}
	folder := t.TempDir()
	path, included := filepath.Join(folder, "holdfast.yaml"), filepath.Join(folder, "more.yaml")
	const before = "include: [more.yaml]\ndefaults:\n  plans: { jitter: 5m, keep: { last: 3 } }\n"
	const more = "sources:\n  docs: { files: { paths: [/d] } }\n"
	for name, text := range map[string]string{path: before, included: more} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	a := additions()
	if _, err := config.Edit(path, always(a)); !errors.Is(err, config.ErrTaken) {
		t.Fatalf("a name of an included file: got %v", err)
	}
	a.Sources = nil // the plan uses the included one
	c, err := config.Edit(path, always(a))
	if err != nil {
		t.Fatal(err)
	}
	if p := c.Plans["docs"]; p.Jitter.String() != "5m" || p.Keep.Last != 0 || p.Keep.Daily != 7 {
		t.Errorf("got %+v", p)
	}
	got, err := os.ReadFile(path)
	if want := before + "\nrepositories:\n" + addedRepository + "\nplans:\n" + addedPlan; err != nil || string(got) != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got, err := os.ReadFile(included); err != nil || string(got) != more {
		t.Errorf("the included file became %q, %v", got, err)
	}
}

// Law: what Edit adds is what Load returns, whatever characters it holds.
func TestEditRoundTrip(t *testing.T) {
	folder := t.TempDir()
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(
			rapid.StringN(1, 12, -1),
			rapid.StringOfN(rapid.RuneFrom([]rune("ab: #-'\"\\{}[],&*!|>%@`~?\n\t=<0.eE_y")), 1, 12, -1),
			rapid.SampledFrom([]string{"null", "true", "no", "~", "1e3", "0x1F", "0o7", "1_000", ".inf", "<<", "---", "...", "- a", "a: b", "a #b", "2001-01-01"}),
		)
		paths := rapid.SliceOfNDistinct(text, 1, 3, rapid.ID).Draw(t, "paths")
		for i := range paths {
			paths[i] = filepath.Join(folder, "p") + paths[i]
		}
		want := config.Files{Paths: paths, Exclude: rapid.SliceOfN(text, 0, 4).Draw(t, "exclude")}
		n++
		path := filepath.Join(folder, fmt.Sprintf("%d.yaml", n))
		got, err := config.Edit(path, always(config.Additions{Sources: map[string]config.Source{"s": {Files: &want}}}))
		if err != nil {
			t.Fatal(err)
		}
		files := got.Sources["s"].Files
		if strings.Join(files.Paths, "\x00") != strings.Join(want.Paths, "\x00") ||
			strings.Join(files.Exclude, "\x00") != strings.Join(want.Exclude, "\x00") {
			t.Fatalf("got %+v, want %+v", files, want)
		}
	})
}

// A file that loads is added to without losing a line, or refused.
func FuzzEdit(f *testing.F) {
	for _, text := range []string{full, "", "plans:\n", "sources:\n  s:\n    files:\n      paths:\n      - |\n        /a\n# b\nnotify:\n"} {
		f.Add(text)
	}
	folder := f.TempDir()
	path := filepath.Join(folder, "holdfast.yaml")
	f.Fuzz(func(t *testing.T, before string) {
		if err := os.WriteFile(path, []byte(before), 0o600); err != nil {
			t.Fatal(err)
		}
		a := config.Additions{Sources: map[string]config.Source{"added": {Files: &config.Files{Paths: []string{folder}}}}}
		if _, err := config.Edit(path, always(a)); err != nil {
			return
		}
		after, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		rest := strings.Split(string(after), "\n")
		for line := range strings.SplitSeq(strings.TrimSuffix(before, "\n"), "\n") {
			for len(rest) > 0 && strings.TrimSuffix(rest[0], "\r") != strings.TrimSuffix(line, "\r") {
				rest = rest[1:]
			}
			if len(rest) == 0 {
				t.Fatalf("the line %q is lost:\n%s\nbecame\n%s", line, before, after)
			}
			rest = rest[1:]
		}
	})
}
