package protect_test

import (
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"holdfast/internal/app/protect"
	"holdfast/internal/config"
)

func TestChoose(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the paths are those of Unix")
	}
	t.Setenv("HOME", "/home/ann")
	const (
		local  = "repositories: { local: { url: /data/repository, password: { env: P } } }\n"
		usb    = "repositories: { usb: { url: /mnt/usb/holdfast, password: { env: P } } }\n"
		both   = "repositories: { local: { url: /data/repository, password: { env: P } }, usb: { url: /mnt/usb/holdfast, password: { env: P } } }\n"
		docs   = "sources: { docs: { files: { paths: [/home/ann/docs] } } }\n"
		toUSB  = "plans: { docs: { sources: [docs], repository: usb } }\n"
		twice  = "plans: { docs: { sources: [docs], repository: local }, docs-usb: { sources: [docs], repository: usb } }\n"
		shared = "plans: { all: { sources: [docs, other], repository: usb } }\n"
		other  = "sources: { docs: { files: { paths: [/home/ann/docs] } }, other: { files: { paths: [/other] } } }\n"
	)
	cases := []struct {
		name, config, to   string
		paths              []string
		plan, source, repo string
		place              string
		added              string // r, s, p: repository, source, plan
	}{
		{"nothing yet", "", "", []string{"/home/ann/docs"}, "docs", "docs", "local", "/data/repository", "rsp"},
		{"home", "", "", []string{"/home/ann"}, "home", "home", "local", "/data/repository", "rsp"},
		{"everything", "", "", []string{"/"}, "system", "system", "local", "/data/repository", "rsp"},
		{"another place", "", "/mnt/My Disk", []string{"/home/ann/docs"}, "docs", "docs", "my-disk", "/mnt/My Disk", "rsp"},
		{"several", "", "", []string{"/a/x", "/b/y"}, "x-y", "x-y", "local", "/data/repository", "rsp"},
		{"many", "", "", []string{"/a/x", "/b/y", "/c"}, "x-and-2-more", "x-and-2-more", "local", "/data/repository", "rsp"},
		{"no letters", "", "", []string{"/Ж"}, "files", "files", "local", "/data/repository", "rsp"},
		{"set up", usb + docs + toUSB, "", []string{"/home/ann/docs"}, "docs", "docs", "usb", "/mnt/usb/holdfast", ""},
		{"the only repository", usb, "", []string{"/home/ann/docs"}, "docs", "docs", "usb", "/mnt/usb/holdfast", "sp"},
		{"the default one of two", both, "", []string{"/home/ann/docs"}, "docs", "docs", "local", "/data/repository", "sp"},
		{"a second repository", local + docs + "plans: { docs: { sources: [docs], repository: local } }\n", "/mnt/usb/holdfast", []string{"/home/ann/docs"}, "docs-holdfast", "docs", "holdfast", "/mnt/usb/holdfast", "rp"},
		{"two plans, the first", both + docs + twice, "", []string{"/home/ann/docs"}, "docs", "docs", "local", "/data/repository", ""},
		{"two plans, by name", both + docs + twice, "usb", []string{"/home/ann/docs"}, "docs-usb", "docs", "usb", "/mnt/usb/holdfast", ""},
		{"two plans, by place", both + docs + twice, "/mnt/usb/holdfast/", []string{"/home/ann/docs"}, "docs-usb", "docs", "usb", "/mnt/usb/holdfast", ""},
		{"a plan with more sources", usb + other + shared, "", []string{"/home/ann/docs"}, "all", "docs", "usb", "/mnt/usb/holdfast", ""},
		{"a name that is taken", usb + docs + toUSB, "", []string{"/srv/docs"}, "docs-2", "docs-2", "usb", "/mnt/usb/holdfast", "sp"},
		{"a repository name that is taken", usb, "/media/usb", []string{"/home/ann/docs"}, "docs", "docs", "usb-2", "/media/usb", "rsp"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			cfg, err := config.Parse("/etc/holdfast.yaml", []byte(c.config))
			if err != nil {
				t.Fatal(err)
			}
			s, err := protect.Choose(cfg, protect.Request{Paths: c.paths, To: c.to, ConfigPath: "/etc/holdfast.yaml", DataDir: "/data"})
			if err != nil {
				t.Fatal(err)
			}
			if s.Plan != c.plan || s.Source != c.source || s.Name != c.repo || s.Repository.URL != c.place {
				t.Errorf("got plan %q, source %q, repository %q at %q", s.Plan, s.Source, s.Name, s.Repository.URL)
			}
			added := strings.Repeat("r", len(s.Added.Repositories)) + strings.Repeat("s", len(s.Added.Sources)) + strings.Repeat("p", len(s.Added.Plans))
			for _, plan := range s.Added.Plans {
				if err := plan.Keep.Validate(); err != nil || plan.Keep.Empty() {
					t.Errorf("the new plan does not say what it keeps: %v", err)
				}
			}
			if added != c.added {
				t.Errorf("adds %q, want %q", added, c.added)
			}
		})
	}
}

func TestPaths(t *testing.T) {
	at := t.TempDir()
	for _, name := range []string{"a/b", "ab"} {
		mkdir(t, filepath.Join(at, name))
	}
	in := func(names ...string) []string {
		for k := range names {
			names[k] = filepath.Join(at, names[k])
		}
		return names
	}
	got, err := protect.Paths(in("ab", "a/b", "a", "a/."))
	if want := in("a", "ab"); err != nil || strings.Join(got, ":") != strings.Join(want, ":") {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
	for argument, want := range map[string]string{
		"postgres://u:secret@db/shop": "not supported by this version",
		"s3://key:secret@host/b":      "is a place to back up to",
		filepath.Join(at, "none"):     "does not exist",
	} {
		_, err := protect.Paths([]string{argument})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: got %v, want %q", argument, err, want)
		}
	}
}

// The password of a server is taken out of its connection string; that of a key
// cannot be had apart from it.
func TestPasswordsOfServers(t *testing.T) {
	source, password, err := protect.Postgres("postgres://u:s3cret@db/shop?sslmode=disable")
	if err != nil || password != "s3cret" || source.DSN != "postgres://u@db/shop?sslmode=disable" {
		t.Errorf("%+v, %q, %v", source, password, err)
	}
	if source, _, err := protect.Postgres("postgres://u@db/shop?sslkey=/k&sslpassword=s3cret"); err == nil || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("the password of a key: %+v, %v", source, err)
	}
}
