package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"holdfast/internal/config"
	"holdfast/internal/retention"
	"holdfast/internal/secret"
)

const full = `# comments are fine
repositories:
  local:   { url: /srv/holdfast, media: disk, site: dc1, password: { file: /etc/holdfast/password } }
  offsite:
    url: "s3://backups.example.com/holdfast"
    password: { env: HOLDFAST_PASSWORD }
sources:
  www:
    files:
      paths: [/var/www, /etc]
      exclude: ["*.tmp"]
      exclude_larger_than: 2G
      exclude_caches: true
  db: { postgres: { dsn: host=db } }
plans:
  shop:
    sources: [www, db]
    repository: local
    copies: [{ to: offsite, keep: { last: 3 }, schedule: "@daily" }]
    schedule: { full: "0 2 * * MON", incremental: "0 2 * * TUE-SUN" }
    keep: { within: 30d, weekly: 8, monthly: unlimited }
    objectives: { rpo: 15m, rto: 1h30m }
    restore_test:
      schedule: "0 5 * * SAT"
      checks:
        - sql: "SELECT count(*) FROM users"
          expect: "> 0"
    notify: [ops]
notify:
  ops: { url: { env: HOLDFAST_NOTIFY_URL } }
`

func TestParse(t *testing.T) {
	got, err := config.Parse("holdfast.yaml", []byte(full))
	if err != nil {
		t.Fatal(err)
	}
	want := &config.Config{
		Path:  "holdfast.yaml",
		Files: []string{"holdfast.yaml"},
		Repositories: map[string]config.Repository{
			"local": {
				URL: "/srv/holdfast", Media: "disk", Site: "dc1",
				Password: secret.Ref{File: "/etc/holdfast/password"},
			},
			"offsite": {URL: "s3://backups.example.com/holdfast", Password: secret.Ref{Env: "HOLDFAST_PASSWORD"}},
		},
		Sources: map[string]config.Source{
			"www": {Files: &config.Files{
				Paths:             []string{"/var/www", "/etc"},
				Exclude:           []string{"*.tmp"},
				ExcludeLargerThan: 2 << 30,
				ExcludeCaches:     true,
			}},
			"db": {Postgres: &config.Postgres{DSN: "host=db"}},
		},
		Plans: map[string]config.Plan{"shop": {
			Sources:    []string{"www", "db"},
			Repository: "local",
			Copies:     []config.Copy{{To: "offsite", Keep: retention.Policy{Last: 3}, Schedule: "@daily"}},
			Schedule:   config.Schedule{Full: "0 2 * * MON", Incremental: "0 2 * * TUE-SUN"},
			Keep:       retention.Policy{Within: retention.Duration{Days: 30}, Weekly: 8, Monthly: retention.Unlimited},
			Objectives: config.Objectives{
				RPO: config.Duration(15 * time.Minute), RTO: config.Duration(90 * time.Minute),
			},
			RestoreTest: &config.RestoreTest{
				Schedule: "0 5 * * SAT",
				Checks:   []config.Check{{SQL: "SELECT count(*) FROM users", Expect: "> 0"}},
			},
			Notify: []string{"ops"},
		}},
		Notify: map[string]config.Channel{"ops": {URL: secret.Ref{Env: "HOLDFAST_NOTIFY_URL"}}},
	}
	config.Fill(want)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestParseForms(t *testing.T) {
	const base = "repositories: { a: { url: /a, password: { env: P } }, b: { url: /b, password: { env: P } } }\n" +
		"sources: { s: { files: { paths: [/s] } } }\n"
	cases := map[string]string{
		"empty file":        "",
		"only comments":     "# nothing\n\n# yet\n",
		"document markers":  "---\n" + base + "...\n",
		"empty sections":    "repositories:\nsources: {}\nplans:\n",
		"copies by name":    base + "plans: { p: { sources: [s], repository: a, copies: [b] } }\n",
		"anchor and alias":  base + "plans:\n  p: { sources: [s], repository: a, keep: &k { daily: 7 } }\n  q: { sources: [s], repository: b, keep: *k }\n",
		"merged mapping":    base + "plans:\n  p: &p { sources: [s], repository: a }\n  q: { <<: *p, repository: b }\n",
		"Windows line ends": strings.ReplaceAll(base, "\n", "\r\n"),
		"one entry a level": "sources:\n  s:\n    files:\n      paths:\n      - /s\n",
	}
	for name, text := range cases {
		t.Run(name, func(t *testing.T) {
			c, err := config.Parse("x.yaml", []byte(text))
			if err != nil {
				t.Fatal(err)
			}
			if q, ok := c.Plans["q"]; ok && q.Repository != "b" {
				t.Errorf("q goes to %q, its own key says b", q.Repository)
			}
		})
	}
}

func TestProblems(t *testing.T) {
	const head = "repositories:\n" + // lines 1 to 4
		"  local: { url: /srv/r, password: { env: P } }\n" +
		"sources:\n" +
		"  www: { files: { paths: [/var/www] } }\n"
	cases := []struct {
		name, text string
		want       []string // the lines of the error
	}{
		{
			"unknown key at the top", head + "plan: {}\n",
			[]string{`x.yaml:5:1: plan: unknown key; did you mean "plans"?`},
		},
		{
			"unknown keys below, all of them",
			head + "plans:\n  p:\n    source: [www]\n    repositry: local\n    keep: { weeekly: 3, whatever: 1 }\n",
			[]string{
				`x.yaml:7:5: plans.p.source: unknown key; did you mean "sources"?`,
				`x.yaml:8:5: plans.p.repositry: unknown key; did you mean "repository"?`,
				`x.yaml:9:13: plans.p.keep.weeekly: unknown key; did you mean "weekly"?`,
				`x.yaml:9:25: plans.p.keep.whatever: unknown key; known here: daily, hourly, last, monthly, tags, weekly, within, within_daily, within_hourly, within_monthly, within_weekly, within_yearly, yearly`,
			},
		},
		{
			"names that lead nowhere",
			head + "plans:\n  p:\n    sources: [wwww, db]\n    repository: locla\n    copies: [offsite]\n    notify: [ops]\n",
			[]string{
				`x.yaml:7:15: plans.p.sources[0]: there is no source named "wwww"; did you mean "www"?`,
				`x.yaml:7:21: plans.p.sources[1]: there is no source named "db"; known here: www`,
				`x.yaml:8:5: plans.p.repository: there is no repository named "locla"; did you mean "local"?`,
				`x.yaml:9:14: plans.p.copies[0]: there is no repository named "offsite"; known here: local`,
				`x.yaml:10:14: plans.p.notify[0]: there is no notify channel named "ops"`,
			},
		},
		{
			"things left out", "repositories:\n  r: {}\nsources:\n  s: {}\n  f: { files: {} }\nplans:\n  p: {}\n",
			[]string{
				`x.yaml:2:3: repositories.r.password: no reference to a secret: set env, file or command; such as { file: /etc/holdfast/password }`,
				`x.yaml:2:3: repositories.r.url: missing; write where the repository lies, such as url: /srv/holdfast`,
				`x.yaml:4:3: sources.s: says nothing to protect; write files: { paths: [/the/folder] }`,
				`x.yaml:5:8: sources.f.files.paths: missing; list the files and folders to protect`,
				`x.yaml:7:3: plans.p.repository: missing; name where the backups go`,
				`x.yaml:7:3: plans.p.sources: missing; name what the plan protects, such as sources: [www]`,
			},
		},
		{
			"a password in place of a reference", "repositories:\n  r: { url: /r, password: hunter2 }\n",
			[]string{"x.yaml:2:27: repositories.r.password: wants a mapping (key: value)"},
		},
		{
			"kinds of values",
			"repositories: [a]\nsources:\n  s: { files: { paths: /a, one_file_system: maybe } }\nplans:\n  p: { keep: { last: many }, objectives: { rpo: soon }, notify: [[x]] }\n",
			[]string{
				`x.yaml:1:15: repositories: wants a mapping (key: value)`,
				`x.yaml:3:24: sources.s.files.paths: wants a list; write it as [a, b]`,
				`x.yaml:3:45: sources.s.files.one_file_system: wants true or false`,
				`x.yaml:5:3: plans.p.repository: missing; name where the backups go`,
				`x.yaml:5:3: plans.p.sources: missing; name what the plan protects, such as sources: [www]`,
				`x.yaml:5:22: plans.p.keep.last: count "many": a count is 0 or more, or "unlimited"`,
				`x.yaml:5:49: plans.p.objectives.rpo: "soon" is no duration: write it like 15m, 1h30m or 35d`,
				`x.yaml:5:66: plans.p.notify[0]: wants a text`,
			},
		},
		{
			"keys of later versions",
			"sources:\n  db: { mysql: { dsn: x } }\n  k: { docker: {} }\n",
			[]string{
				`x.yaml:2:9: sources.db.mysql: not supported by this version of holdfast; remove it: nothing would act on it`,
				`x.yaml:3:8: sources.k.docker: not supported by this version of holdfast; remove it: nothing would act on it`,
			},
		},
		{
			"immutability and tiers",
			"repositories:\n  a: { url: /a, password: { env: P }, immutable: { mode: worm, for: 35d } }\n" +
				"  b: { url: /b, password: { env: P }, immutable: { mode: compliance, for: 120d } }\n" +
				"  c: { url: /c, password: { env: P }, immutable: { mode: compliance, for: 120d, confirm: 120d } }\n" +
				"  d: { url: /d, password: { env: P }, tiers: { cold: { after: 36h } } }\n",
			[]string{
				`x.yaml:2:39: repositories.a.immutable: mode of immutability "worm": write governance or compliance; such as { mode: governance, for: 35d }`,
				`x.yaml:3:39: repositories.b.immutable: nobody can end compliance early, not even the owner of the account, and all of 120d has to be paid for; if that is meant, say it twice: confirm: 120d`,
				`x.yaml:5:48: repositories.d.tiers.cold.class: missing; name a class of the service, such as GLACIER_IR, Cool or NEARLINE`,
				`x.yaml:5:56: repositories.d.tiers.cold.after: services count in whole days; such as after: 30d`,
			},
		},
		{
			"a password in a connection string",
			"sources:\n  a: { postgres: { dsn: 'postgres://u:secret@h/d' } }\n  b: { postgres: { dsn: host=h password=secret, method: magic } }\n" +
				"  c: { postgres: { dsn: 'host=h sslpassword=secret' } }\n  d: { postgres: { dsn: 'postgres://u@h/d?ssl%70assword=secret' } }\n",
			[]string{
				"x.yaml:2:20: sources.a.postgres.dsn: holds a password; take it out and write password: { file: /etc/holdfast/shop.password } beside it",
				"x.yaml:3:20: sources.b.postgres.dsn: holds a password; take it out and write password: { file: /etc/holdfast/shop.password } beside it",
				`x.yaml:3:57: sources.b.postgres.method: "magic" is not known here; write one of physical, dump`,
				"x.yaml:4:20: sources.c.postgres.dsn: holds the password of a key (sslpassword); take it out, and use a key without one, readable by this user only: PostgreSQL's programs cannot be given it unseen",
				"x.yaml:5:20: sources.d.postgres.dsn: holds the password of a key (sslpassword); take it out, and use a key without one, readable by this user only: PostgreSQL's programs cannot be given it unseen",
			},
		},
		{
			"one place under two names",
			"repositories:\n  a: { url: /r, password: { env: P } }\n  b: { url: /r, password: { env: P } }\n  c: { url: 'local:/x/../r/', password: { env: P } }\n",
			[]string{
				"x.yaml:3:8: repositories.b.url: the same place as repository a; give each repository a place of its own",
				"x.yaml:4:8: repositories.c.url: the same place as repository a; give each repository a place of its own",
			},
		},
		{
			"a copy into the repository itself",
			head + "plans:\n  p: { sources: [www, www], repository: local, copies: [local] }\n",
			[]string{
				"x.yaml:6:23: plans.p.sources[1]: named twice",
				"x.yaml:6:57: plans.p.copies[0]: the snapshots are there already; name another repository",
			},
		},
		{
			"paths", "repositories:\n  r: { url: r, password: { env: P } }\nsources:\n  s: { files: { paths: [~/a, b, /c, /c] } }\n",
			[]string{
				"x.yaml:2:8: repositories.r.url: a relative path leads somewhere else from every folder; write the whole path, from / on",
				"x.yaml:4:25: sources.s.files.paths[0]: ~ is not expanded: plans run for whoever runs holdfast; write the whole path, from / on",
				"x.yaml:4:30: sources.s.files.paths[1]: not an absolute path; write the whole path, from / on",
				"x.yaml:4:37: sources.s.files.paths[3]: named twice",
			},
		},
		{
			"names", "sources:\n  \"a b\": { files: { paths: [/a] } }\n",
			[]string{"x.yaml:2:3: sources.a b: not a valid name; use up to 64 letters, digits, and . _ - after the first"},
		},
		{
			"rules of keep", head + "plans:\n  p: { sources: [www], repository: local, keep: { daily: -2, within: 3w } }\n",
			[]string{
				`x.yaml:6:58: plans.p.keep.daily: count "-2": a count is 0 or more, or "unlimited"`,
				`x.yaml:6:70: plans.p.keep.within: duration "3w": weeks are not a unit: write 21d for 3w`,
			},
		},
		{
			"a negative span", head + "plans:\n  p: { sources: [www], repository: local, keep: { within: -3d } }\n",
			[]string{`x.yaml:6:43: plans.p.keep: keep within: a duration cannot be negative`},
		},
		{
			"a merge that the YAML library would let win",
			head + "plans:\n  p: &p { sources: [www], repository: local }\n  q: { repository: local, <<: *p }\n",
			[]string{"x.yaml:7:27: plans.q: merges (<<) after other keys; move the line with << to the top"},
		},
		{
			"a second document", head + "---\nplans: {}\n",
			[]string{"x.yaml:6:6: a second YAML document begins here; join the two, without a line \"---\""},
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if runtime.GOOS == "windows" {
				t.Skip("the paths are those of Unix")
			}
			_, err := config.Parse("x.yaml", []byte(c.text))
			var problems config.Problems
			if !errors.As(err, &problems) {
				t.Fatalf("got %v, want Problems", err)
			}
			if got, want := err.Error(), strings.Join(c.want, "\n"); got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func TestSyntaxErrorsHaveALine(t *testing.T) {
	for _, text := range []string{
		"repositories:\n  a: { url: /a\n",
		"repositories:\n  a: {}\n  a: {}\n",
		"repositories:\n\ta: 1\n",
	} {
		_, err := config.Parse("x.yaml", []byte(text))
		var problems config.Problems
		if !errors.As(err, &problems) || problems[0].Line < 1 {
			t.Errorf("%q: got %v, want a problem with its line", text, err)
		}
	}
}

func TestLoad(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "holdfast.yaml")
	text := "repositories: { r: { url: 'sftp:host:/r', password: { file: password } } }\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "password"), []byte("x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	value, err := c.Repositories["r"].Password.Resolve(t.Context())
	if err != nil || value.Reveal() != "x" {
		t.Errorf("the password beside the file resolves to %q, %v", value.Reveal(), err)
	}
	if runtime.GOOS == "windows" {
		return
	}
	if err := os.Chmod(filepath.Join(folder, "password"), 0o644); err != nil {
		t.Fatal(err)
	}
	inspected, err := config.Inspect(path)
	if err != nil {
		t.Fatal(err)
	}
	if w := inspected.Warnings().Error(); !strings.Contains(w, ":1:43: repositories.r.password: "+filepath.Join(folder, "password")+" holds a secret") {
		t.Errorf("warnings %q", w)
	}
	if _, err := config.Load(filepath.Join(folder, "none.yaml")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing file gives %v", err)
	}
}

// No text makes the reader panic; what is wrong has its place in the file, and
// what is right can be looked into.
func FuzzParse(f *testing.F) {
	for _, text := range []string{
		full, service,
		"a: &a [*a]\nb: {<<: *a}\n",
		"x: &x { sources: [s] }\nplans:\n  p: { <<: *x, copies: [a, {to: b}], objectives: {rpo: 1w2d} }\n",
		"sources: {s: {files: {exclude_larger_than: 9999999999T}}}",
		"defaults: { plans: { keep: { daily: 7 }, hooks: } }\nplans:\n  p:\n    keep:\n  q: { after: [p], window: [1:00-2:00] }\n",
		"plans: { p: { schedule: { full: '@every 1h' }, window: ['FRI-MON 23:00-24:00', '2024-02-29..2024-03-01'] } }",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if strings.Contains(string(data), "include") {
			return // it would read this machine's files
		}
		c, err := config.Parse("/x/holdfast.yaml", data)
		if (c == nil) == (err == nil) {
			t.Fatalf("got %v and %v", c, err)
		}
		var problems config.Problems
		if err == nil || !errors.As(err, &problems) {
			return
		}
		lines := strings.Count(string(data), "\n") + strings.Count(string(data), "\r") + 1
		for _, p := range problems {
			if p.File == "" || p.Text == "" || p.Line < 0 || p.Line > lines || p.Key != "" && p.Line == 0 {
				t.Errorf("%+v of %d lines", p, lines)
			}
		}
	})
}
