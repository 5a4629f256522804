package config

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"testing"
)

// files is a folder in memory, by path.
type files map[string]string

func (f files) reader() reader {
	return reader{
		read: func(path string) ([]byte, error) {
			text, ok := f[path]
			if !ok {
				return nil, fmt.Errorf("open configuration: %w", &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist})
			}
			return []byte(text), nil
		},
		glob: func(pattern string) (found []string, err error) {
			for name := range f {
				ok, err := path.Match(pattern, name)
				if err != nil {
					return nil, err
				}
				if ok {
					found = append(found, name)
				}
			}
			return found, nil
		},
	}
}

const mainFile = "/etc/holdfast.yaml"

func (f files) load() (*loaded, Problems) {
	return load(f.reader(), mainFile, []byte(f[mainFile]))
}

func TestIncludes(t *testing.T) {
	l, problems := files{
		mainFile:                 "include: [conf.d/*.yaml, /srv/extra.yaml, conf.d/a.yaml]\nrepositories:\n  r: { url: /r, password: { file: pw } }\n",
		"/etc/conf.d/a.yaml":     "include: [sub/b.yaml]\nsources:\n  a: { files: { paths: [/a] } }\n",
		"/etc/conf.d/.a.yaml":    "not even: [yaml",
		"/etc/conf.d/c.yaml":     "# nothing\n",
		"/etc/conf.d/sub/b.yaml": "plans:\n  p: { sources: [a], repository: r }\nrepositories:\n  s: { url: /s, password: { file: pw } }\n",
		"/srv/extra.yaml":        "service: { listen: '127.0.0.1:1' }\n",
	}.load()
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	c := l.config
	if got, want := c.Files, []string{mainFile, "/etc/conf.d/a.yaml", "/etc/conf.d/sub/b.yaml", "/etc/conf.d/c.yaml", "/srv/extra.yaml"}; !slices.Equal(got, want) {
		t.Errorf("files %q, want %q", got, want)
	}
	if c.Repositories["r"].Password.File != "/etc/pw" || c.Repositories["s"].Password.File != "/etc/conf.d/sub/pw" {
		t.Errorf("passwords at %q and %q: each belongs beside the file that names it", c.Repositories["r"].Password.File, c.Repositories["s"].Password.File)
	}
	if c.Plans["p"].Repository != "r" || c.Service.Listen != "127.0.0.1:1" || c.Sources["a"].Files == nil {
		t.Errorf("got %+v", c)
	}
}

func TestWrongIncludes(t *testing.T) {
	cases := []struct {
		name string
		files
		want []string
	}{
		{
			"entries and keys in two files",
			files{
				mainFile: "include: [/b, /c]\nsources:\n  a: { files: { paths: [/a] } }\nservice: {}\n",
				"/b":     "sources:\n  a: { files: { paths: [/b] } }\nservice: {}\n",
				"/c":     "service: {}\n",
			},
			[]string{
				"/b:2:3: sources.a: is also at /etc/holdfast.yaml:3; keep one of the two",
				"/b:3:1: service: is also at /etc/holdfast.yaml:4; keep one of the two",
				"/c:1:1: service: is also at /etc/holdfast.yaml:4; keep one of the two",
			},
		},
		{
			"a circle",
			files{mainFile: "include: [/b]\n", "/b": "include: [/c]\n", "/c": "include:\n- /b\n- /etc/holdfast.yaml\n"},
			[]string{
				"/c:2:3: include[0]: includes itself: /b includes /c includes /b; remove it",
				"/c:3:3: include[1]: includes itself: /etc/holdfast.yaml includes /b includes /c includes /etc/holdfast.yaml; remove it",
			},
		},
		{
			"what is not there",
			files{mainFile: "include: [none.yaml, 'none/*.yaml', '[', '']\n"},
			[]string{
				"/etc/holdfast.yaml:1:11: include[0]: open /etc/none.yaml: file does not exist; include files that are there and that the user of holdfast may read",
				"/etc/holdfast.yaml:1:37: include[2]: not a pattern of files: syntax error in pattern; write it like conf.d/*.yaml",
				"/etc/holdfast.yaml:1:42: include[3]: names no file",
			},
		},
		{
			"problems of several files, all of them",
			files{mainFile: "include: [/c, /b]\nplan: {}\n", "/b": "sources: [a]\n", "/c": "sources: { c: {} }\nx: 1\n"},
			[]string{
				`/etc/holdfast.yaml:2:1: plan: unknown key; did you mean "plans"?`,
				`/c:2:1: x: unknown key; known here: defaults, include, notify, plans, repositories, service, sources`,
				`/b:1:10: sources: wants a mapping (key: value)`,
			},
		},
		{
			"syntax",
			files{mainFile: "include: [/b, /c]\n", "/b": "a: [\n", "/c": "- a\n"},
			[]string{"/b:1:4: sequence end token ']' not found"},
		},
		{
			"no mapping",
			files{mainFile: "include: [/c]\n", "/c": "- a\n"},
			[]string{"/c:1:1: wants a mapping (key: value)"},
		},
		{
			"the form of include",
			files{mainFile: "include: /b\n"},
			[]string{"/etc/holdfast.yaml:1:10: include: wants a list; write it as [a, b]"},
		},
		{
			"names across files",
			files{mainFile: "include: [/b]\nrepositories: { r: { url: /r, password: { env: P } } }\n", "/b": "plans:\n  p: { sources: [s], repository: q }\n"},
			[]string{
				`/b:2:18: plans.p.sources[0]: there is no source named "s"`,
				`/b:2:22: plans.p.repository: there is no repository named "q"; known here: r`,
			},
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, problems := c.load()
			if got, want := problems.Error(), strings.Join(c.want, "\n"); got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

const withDefaults = `defaults:
  repositories: { password: { file: /pw }, options: { a: 1, b: 2 } }
  sources:
    files: { exclude: ["*.tmp"], exclude_caches: true }
    postgres: { wal: stream }
  plans:
    repository: r
    keep: { daily: 7 }
    restore_test: { schedule: "@weekly" }
    limits: { nice: 10, retries: { attempts: 5 } }
    notify: [ops]
repositories:
  r: { url: /r }
  o: { url: /o, password: { env: P }, options: { b: 3 } }
sources:
  s: { files: { paths: [/s], exclude_caches: false } }
  d: { postgres: { dsn: host=h } }
plans:
  p: { sources: [s, d], keep: { weekly: 3 }, restore_test: { checks: [{ sql: SELECT 1 }] }, limits: { nice: 5 } }
  q: { sources: [s], repository: o, restore_test: , notify: [] }
notify: { ops: { url: { env: N } } }
`

func TestDefaults(t *testing.T) {
	l, problems := files{mainFile: withDefaults}.load()
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	c := l.config
	p, q := c.Plans["p"], c.Plans["q"]
	for what, ok := range map[string]bool{
		"a default counts":                         p.Repository == "r" && c.Repositories["r"].Password.File == "/pw" && slices.Equal(p.Notify, []string{"ops"}),
		"keep is one thing":                        p.Keep.Daily == 0 && p.Keep.Weekly == 3 && q.Keep.Daily == 7,
		"a reference to a secret is one thing":     c.Repositories["o"].Password.File == "" && c.Repositories["o"].Password.Env == "P",
		"mappings are filled key by key":           p.RestoreTest.Schedule == "@weekly" && len(p.RestoreTest.Checks) == 1,
		"on several levels":                        p.Limits.Nice == 5 && p.Limits.Retries.Attempts == 5 && q.Limits.Nice == 10,
		"so are maps":                              c.Repositories["o"].Options["a"] == "1" && c.Repositories["o"].Options["b"] == "3",
		"a key without a value has no default":     q.RestoreTest == nil,
		"an empty list is a list":                  len(q.Notify) == 0,
		"false is a value":                         !c.Sources["s"].Files.ExcludeCaches && len(c.Sources["s"].Files.Exclude) == 1,
		"a source has the defaults of its kind":    c.Sources["s"].Postgres == nil && c.Sources["d"].Postgres.WAL == "stream",
		"what nobody sets is what the program has": p.Limits.Retries.Backoff.String() == "1m" && c.Service.Upkeep.Check.Within.String() == "30d",
	} {
		if !ok {
			t.Errorf("%s: not so in %+v", what, c)
		}
	}
}

func TestWrongDefaultsAreNamedOnce(t *testing.T) {
	_, problems := files{mainFile: `defaults:
  plans: { jitter: soon, repository: nowhere, whatever: 1 }
sources: { s: { files: { paths: [/s] } } }
plans:
  p: { sources: [s] }
  q: { sources: [s] }
`}.load()
	want := `/etc/holdfast.yaml:2:20: defaults.plans.jitter: "soon" is no duration: write it like 15m, 1h30m or 35d
/etc/holdfast.yaml:2:26: defaults.plans.repository: there is no repository named "nowhere"
/etc/holdfast.yaml:2:47: defaults.plans.whatever: unknown key; ` + suggest("whatever", activeKeys(fieldsOf(defaultable["plans"])))
	if got := problems.Error(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	_, problems = files{mainFile: `defaults:
  plans: { repository: nowhere }
sources: { s: { files: { paths: [/s] } } }
plans:
  p: { sources: [s] }
  q: { sources: [s] }
`}.load()
	want = `/etc/holdfast.yaml:2:12: defaults.plans.repository: there is no repository named "nowhere"`
	if got := problems.Error(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestSettings(t *testing.T) {
	l, problems := files{
		mainFile: strings.Replace(withDefaults, "defaults:", "include: [/b]\ndefaults:", 1),
		"/b":     "plans:\n  z: { sources: [s], copies: [o, { to: r2 }], hooks: { before: [{ command: [/x, y] }] } }\nrepositories: { r2: { url: /2, password: { command: [pass, hunter2] } } }\n",
	}.load()
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	var got []string
	for _, s := range (&Inspection{l.config, l.at}).Settings("z") {
		got = append(got, s.Key+" = "+s.Value+" | "+s.SetBy())
	}
	want := []string{
		`plans.z.sources = [s] | /b:2`,
		`plans.z.repository = r | /etc/holdfast.yaml:8 (defaults.plans.repository)`,
		`plans.z.copies[0].to = o | /b:2`,
		`plans.z.copies[1].to = r2 | /b:2`,
		`plans.z.keep.daily = 7 | /etc/holdfast.yaml:9 (defaults.plans.keep.daily)`,
		`plans.z.restore_test.schedule = @weekly | /etc/holdfast.yaml:10 (defaults.plans.restore_test.schedule)`,
		`plans.z.restore_test.limits.retries.attempts = 3 | built in`,
		`plans.z.restore_test.limits.retries.backoff = 1m | built in`,
		`plans.z.notify = [ops] | /etc/holdfast.yaml:12 (defaults.plans.notify)`,
		`plans.z.hooks.before[0].command = [/x, y] | /b:2`,
		`plans.z.hooks.before[0].timeout = 10m | built in`,
		`plans.z.limits.nice = 10 | /etc/holdfast.yaml:11 (defaults.plans.limits.nice)`,
		`plans.z.limits.retries.attempts = 5 | /etc/holdfast.yaml:11 (defaults.plans.limits.retries.attempts)`,
		`plans.z.limits.retries.backoff = 1m | built in`,
		`plans.z.anomaly.runs = 30 | built in`,
		`plans.z.anomaly.deviations = 6 | built in`,
		`plans.z.anomaly.signals = 2 | built in`,
		`sources.s.files.paths = [/s] | /etc/holdfast.yaml:17`,
		`sources.s.files.exclude = [*.tmp] | /etc/holdfast.yaml:5 (defaults.sources.files.exclude)`,
		`sources.s.files.exclude_caches = false | /etc/holdfast.yaml:17`,
		`repositories.r.url = /r | /etc/holdfast.yaml:14`,
		`repositories.r.password = secret in file /pw | /etc/holdfast.yaml:3 (defaults.repositories.password)`,
		`repositories.r.options.a = 1 | /etc/holdfast.yaml:3 (defaults.repositories.options.a)`,
		`repositories.r.options.b = 2 | /etc/holdfast.yaml:3 (defaults.repositories.options.b)`,
		`repositories.o.url = /o | /etc/holdfast.yaml:15`,
		`repositories.o.password = secret in environment variable P | /etc/holdfast.yaml:15`,
		`repositories.o.options.a = 1 | /etc/holdfast.yaml:3 (defaults.repositories.options.a)`,
		`repositories.o.options.b = 3 | /etc/holdfast.yaml:15`,
		`repositories.r2.url = /2 | /b:3`,
		`repositories.r2.password = secret in command pass | /b:3`,
		`repositories.r2.options.a = 1 | /etc/holdfast.yaml:3 (defaults.repositories.options.a)`,
		`repositories.r2.options.b = 2 | /etc/holdfast.yaml:3 (defaults.repositories.options.b)`,
		`notify.ops.url = secret in environment variable N | /etc/holdfast.yaml:22`,
		`notify.ops.min_severity = warning | built in`,
	}
	if g, w := strings.Join(got, "\n"), strings.Join(want, "\n"); g != w {
		t.Errorf("got\n%s\nwant\n%s", g, w)
	}
}

// Whatever two files say that include each other: there is an end, and each
// problem is in one of them.
func FuzzIncludes(f *testing.F) {
	f.Add("include: [b.yaml]\n"+withDefaults, "include: [holdfast.yaml]\nplans: { p: { sources: [s] } }\n")
	f.Add("include: ['*.yaml']\nplans: { q: { keep: { daily: x } } }\n", withDefaults)
	f.Fuzz(func(t *testing.T, first, second string) {
		l, problems := files{mainFile: first, "/etc/b.yaml": second}.load()
		for _, p := range problems {
			if p.File != mainFile && p.File != "/etc/b.yaml" || p.Line < 1 {
				t.Errorf("%+v", p)
			}
		}
		if len(problems) > 0 {
			return
		}
		i := &Inspection{l.config, l.at}
		i.Warnings()
		for name := range i.Plans {
			for _, s := range i.Settings(name) {
				if s.File != "" && s.Line < 1 {
					t.Errorf("%+v", s)
				}
			}
		}
	})
}
