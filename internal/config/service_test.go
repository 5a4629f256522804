package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"holdfast/internal/config"
)

// service is a configuration with every key of the service.
const service = `service:
  state_dir: /var/lib/holdfast
  listen: 127.0.0.1:9898
  timezone: Europe/Zurich
  concurrency: { host: 4, repository: 2 }
  history: { for: 90d, size: 500M }
  notify: [ops]
  ping: { url: { env: DEADMAN } }
  upkeep:
    window: 22:00-06:00
    retention: { schedule: off }
    prune: { schedule: "0 3 * * SUN", budget: 10G, window: ["SAT 00:00-24:00", "SUN 00:00-24:00"] }
    check: { schedule: "@daily", within: 14d }
    extend: { schedule: "0 1 * * *" }
    log_prune: { schedule: "0 2 * * *" }
repositories:
  local: { url: /r, password: { env: P } }
  offsite: { url: /o, password: { env: P } }
sources:
  www: { files: { paths: [/var/www] } }
  db: { postgres: { dsn: host=db, wal: stream } }
plans:
  first: { sources: [www], repository: local, schedule: { incremental: "@hourly" } }
  shop:
    sources: [db, www]
    repository: local
    copies: [{ to: offsite, schedule: "@daily" }]
    schedule: { full: "0 2 * * SUN", incremental: "0 2 * * MON-SAT", differential: "0 14 * * *" }
    timezone: America/New_York
    jitter: 10m
    window: [MON-FRI 20:00-06:00, "SAT,SUN 00:00-24:00"]
    blackout: ["2026-12-24..2026-12-27", FRI 23:00-24:00]
    skip_missed: true
    after: [first]
    together: true
    hooks:
      before: [{ command: [/bin/freeze, --all], timeout: 1m, env: { LEVEL: "3" } }]
      after: [{ command: [/bin/thaw] }]
      on_error: [{ command: [/bin/shout] }]
    limits: { upload: 10M, download: 20M, nice: 10, memory: 1G, timeout: 6h, retries: { attempts: 4, backoff: 30s } }
    objectives: { rpo: 15m, rto: 1h }
    restore_test:
      schedule: "0 5 * * SAT"
      points: [newest, random, oldest]
      from: [local, offsite]
      scratch: /srv/scratch
      limits: { nice: 19, memory: 2G }
      checks:
      - { name: users, source: db, sql: SELECT count(*) FROM users, database: shop, expect: "> 0", timeout: 1m }
      - { command: [/usr/local/bin/check], timeout: 5m, expect: ok }
      - { canary: /var/www/canary, sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 }
      - { files: { compare: hashes } }
    notify: [ops, boss]
    ping: { url: { env: PING } }
    anomaly: { runs: 20, deviations: 5.5, signals: 3, alert_only: true }
notify:
  ops: { url: { env: OPS }, min_severity: info, repeat: 1d, escalate: [{ after: 1h, to: [boss] }] }
  boss: { url: { env: BOSS }, min_severity: critical, quiet: "22:00-07:00", timezone: Europe/Zurich }
`

func TestServiceKeys(t *testing.T) {
	c, err := config.Parse("holdfast.yaml", []byte(service))
	if err != nil {
		t.Fatal(err)
	}
	p := c.Plans["shop"]
	if p.Window[0].Days != [7]bool{1: true, 2: true, 3: true, 4: true, 5: true} || p.Window[1].String() != "SUN,SAT 00:00-24:00" ||
		p.Blackout[0].First.IsZero() || p.Hooks.Before[0].Env["LEVEL"] != "3" || p.Anomaly.Deviations != 5.5 || !p.Together {
		t.Errorf("got %+v", p)
	}
	if len(c.Service.Upkeep.Window) != 1 || c.Service.Upkeep.Retention.Schedule != config.Off || c.Service.Upkeep.Prune.Budget != 10<<30 {
		t.Errorf("got %+v", c.Service)
	}
}

// Each case changes one line of the configuration above.
func TestWrongServiceKeys(t *testing.T) {
	cases := []struct{ old, new, want string }{
		{`listen: 127.0.0.1:9898`, `listen: 9898`, `3:11: service.listen: not an address; write it like 127.0.0.1:9898`},
		{`state_dir: /var`, `state_dir: var`, `2:14: service.state_dir: not an absolute path; write the whole path, from / on`},
		{`timezone: Europe/Zurich`, `timezone: Europe/Zürich`, `4:13: service.timezone: "Europe/Zürich" is no time zone known here; write it as Europe/Zurich or UTC; if it is right, install the system's tzdata`},
		{`timezone: Europe/Zurich`, `timezone: Local`, `4:13: service.timezone: the zone of this machine may change; name one, such as Europe/Zurich, or remove the key`},
		{`host: 4`, `host: -1`, `5:18: service.concurrency.host: -1 is out of range; write a number from 1 to 1000`},
		{`host: 4`, `host: 1.5`, `5:24: service.concurrency.host: wants a whole number`},
		{`size: 500M`, `size: 500MB`, `6:30: service.history.size: size "500MB": want a number such as 512, 64K, 20M, 5G or 1T`},
		{`notify: [ops]
  ping`, `notify: [oops]
  ping`, `7:12: service.notify[0]: there is no notify channel named "oops"; did you mean "ops"?`},
		{`ping: { url: { env: DEADMAN } }`, `ping: {}`, `8:3: service.ping.url: no reference to a secret: set env, file or command; such as { file: /etc/holdfast/password }`},
		{`ping: { url: { env: DEADMAN } }`, `ping: https://hc.example/token`, `8:9: service.ping: wants a mapping (key: value)`},
		{`window: 22:00-06:00`, `window: 22:00-26:00`, `10:13: service.upkeep.window[0]: "22:00-26:00" is no window: write it like 22:00-06:00, "SAT,SUN 00:00-24:00" or 2026-12-24..2027-01-01`},
		{`window: 22:00-06:00`, `window: { from: 22:00 }`, `10:13: service.upkeep.window: wants a list; write it as [a, b]`},
		{`retention: { schedule: off }`, `retention: off`, `11:16: service.upkeep.retention: wants a mapping (key: value)`},
		{`"0 3 * * SUN"`, `"0 25 * * SUN"`, `12:24: service.upkeep.prune.schedule: "0 25 * * SUN" is no cron expression: end of range (25) above maximum (23): 25`},
		{`"0 3 * * SUN"`, `never`, `12:24: service.upkeep.prune.schedule: "never" has 1 fields: write minute, hour, day of month, month and day of week, such as 0 2 * * *`},
		{`full: "0 2 * * SUN"`, `full: "0 2 * * SUNDAY"`, `28:23: plans.shop.schedule.full: "0 2 * * SUNDAY": "SUNDAY" is no day of the week: write SUN to SAT, or 0 to 7`},
		{`full: "0 2 * * SUN"`, `full: "0 2 30 2 *"`, `28:23: plans.shop.schedule.full: "0 2 30 2 *" is never due: there is no such day`},
		{`full: "0 2 * * SUN"`, `full: off`, `28:23: plans.shop.schedule.full: "off" has 1 fields: write minute, hour, day of month, month and day of week, such as 0 2 * * *`},
		{`full: "0 2 * * SUN"`, `full: "@every 0s"`, `28:23: plans.shop.schedule.full: "@every 0s": the shortest interval is 1s`},
		{`full: "0 2 * * SUN"`, `fulll: "0 2 * * SUN"`, `28:17: plans.shop.schedule.fulll: unknown key; did you mean "full"?`},
		{`full: "0 2 * * SUN"`, `snapshot: "0 2 * * SUN"`, `28:17: plans.shop.schedule.snapshot: not supported by this version of holdfast; remove it: nothing would act on it`},
		{`schedule: "@daily" }]`, `schedule: daily }]`, `27:39: plans.shop.copies[0].schedule: "daily" has 1 fields: write minute, hour, day of month, month and day of week, such as 0 2 * * *`},
		{`"2026-12-24..2026-12-27"`, `"2026-12-27..2026-12-24"`, `32:16: plans.shop.blackout[0]: "2026-12-27..2026-12-24" ends before it begins`},
		{`"2026-12-24..2026-12-27"`, `"2026-12-24..2026-12-32"`, `32:16: plans.shop.blackout[0]: "2026-12-24..2026-12-32" is no window: write it like 22:00-06:00, "SAT,SUN 00:00-24:00" or 2026-12-24..2027-01-01`},
		{`MON-FRI 20:00-06:00`, `MON-FRY 20:00-06:00`, `31:14: plans.shop.window[0]: "MON-FRY 20:00-06:00" is no window: write it like 22:00-06:00, "SAT,SUN 00:00-24:00" or 2026-12-24..2027-01-01`},
		{`after: [first]`, `after: [frist]`, `34:13: plans.shop.after[0]: there is no plan named "frist"; did you mean "first"?`},
		{`after: [first]`, `after: [shop]`, `34:5: plans.shop.after: the plan waits for itself: shop after shop; remove one of them`},
		{`sources: [www], repository: local, schedule`, `sources: [www], repository: local, after: [shop], schedule`, `23:47: plans.first.after: the plan waits for itself: first after shop after first; remove one of them`},
		{`[/bin/freeze, --all]`, `[freeze, --all]`, `37:28: plans.shop.hooks.before[0].command[0]: the service has no search path of its own; write the whole path of the program, from / on`},
		{`[/bin/freeze, --all]`, `[]`, `37:18: plans.shop.hooks.before[0].command: missing; such as [/usr/local/bin/freeze, --all]`},
		{`[/bin/freeze, --all]`, `/bin/freeze --all`, `37:27: plans.shop.hooks.before[0].command: wants a list; write it as [a, b]`},
		{`upload: 10M, download: 20M, nice: 10`, `upload: 10Mbit, download: 20M, nice: 10`, `40:23: plans.shop.limits.upload: rate "10Mbit": want KiB per second, or a number such as 512K or 10M`},
		{`nice: 10, memory`, `nice: 20, memory`, `40:43: plans.shop.limits.nice: 20 is out of range; write a number from 0 to 19`},
		{`memory: 1G`, `memory: 1M`, `40:53: plans.shop.limits.memory: a run does not work with less than 64M`},
		{`attempts: 4`, `attempts: 100`, `40:89: plans.shop.limits.retries.attempts: 100 is out of range; write a number from 1 to 20`},
		{`points: [newest, random, oldest]`, `points: [latest]`, `44:16: plans.shop.restore_test.points[0]: "latest" is not known here; write one of newest, random, oldest`},
		{`from: [local, offsite]`, `from: [local, offsit]`, `45:21: plans.shop.restore_test.from[1]: the plan has no snapshots there: "offsit"; did you mean "offsite"?`},
		{`scratch: /srv/scratch`, `scratch: ~/scratch`, `46:16: plans.shop.restore_test.scratch: ~ is not expanded: plans run for whoever runs holdfast; write the whole path, from / on`},
		{`source: db,`, `source: web,`, `49:24: plans.shop.restore_test.checks[0].source: the plan has no such source: "web"; did you mean "db"?`},
		{`expect: "> 0"`, `expect: ">"`, `49:85: plans.shop.restore_test.checks[0].expect: ">" compares with nothing: write it like > 100`},
		{`sql: SELECT count(*) FROM users`, `command: [/bin/x]`, `49:55: plans.shop.restore_test.checks[0].database: only sql runs in a database; remove it`},
		{`- { files: { compare: hashes } }`, `- {}`, `52:9: plans.shop.restore_test.checks[3]: asks nothing; write one of sql, command, canary and files`},
		{`- { files: { compare: hashes } }`, `- { canary: /a, sql: SELECT 1 }`, `52:9: plans.shop.restore_test.checks[3]: asks several things; make a check of each`},
		{`- { files: { compare: hashes } }`, `- { canary: a }`, `52:11: plans.shop.restore_test.checks[3].canary: not an absolute path; write the whole path as it was backed up, from / on`},
		{`- { files: { compare: hashes } }`, `- { files: { compare: names } }`, `52:29: plans.shop.restore_test.checks[3].files.compare: "names" is not known here; write one of hashes, sizes`},
		{`sha256: 9f86d081`, `sha256: xf86d081`, `51:36: plans.shop.restore_test.checks[2].sha256: not 64 hexadecimal digits; write what sha256sum prints for the file`},
		{`{ files: { compare: hashes } }`, `{ files: { compare: hashes }, expect: "> 1" }`, `52:39: plans.shop.restore_test.checks[3].expect: only sql and command answer something; remove it`},
		{`runs: 20`, `runs: 2`, `55:16: plans.shop.anomaly.runs: 2 is out of range; write a number from 5 to 1000`},
		{`deviations: 5.5`, `deviations: 0.1`, `55:26: plans.shop.anomaly.deviations: so little happens all the time; write a number of at least 1, such as 6`},
		{`deviations: 5.5`, `deviations: .inf`, `55:38: plans.shop.anomaly.deviations: wants a number`},
		{`min_severity: info`, `min_severity: notice`, `57:43: notify.ops.min_severity: "notice" is not known here; write one of info, warning, error, critical`},
		{`repeat: 1d`, `repeat: 1 day`, `57:57: notify.ops.repeat: "1 day" is no duration: write it like 15m, 1h30m or 35d`},
		{`to: [boss]`, `to: [bos]`, `57:90: notify.ops.escalate[0].to[0]: there is no notify channel named "bos"; did you mean "boss"?`},
		{`after: 1h, to: [boss]`, `to: [boss]`, `57:72: notify.ops.escalate[0].after: missing; such as after: 1h`},
		{`sources: [db, www]`, `sources: [www]`, "49:24: plans.shop.restore_test.checks[0].source: the plan has no such source: \"db\"; known here: www\n49:36: plans.shop.restore_test.checks[0].sql: no source of the plan is a database; remove the check, or add the database to sources"},
	}
	for _, c := range cases {
		t.Run(c.new, func(t *testing.T) {
			if strings.Count(service, c.old) < 1 {
				t.Fatalf("%q is not in the configuration", c.old)
			}
			_, err := config.Parse("x.yaml", []byte(strings.Replace(service, c.old, c.new, 1)))
			var problems config.Problems
			if !errors.As(err, &problems) {
				t.Fatalf("got %v, want Problems", err)
			}
			if got := strings.ReplaceAll(err.Error(), "x.yaml:", ""); got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

func TestWarnings(t *testing.T) {
	const base = `repositories: { r: { url: /r, password: { env: P } } }
sources: { s: { files: { paths: [/s] } }, d: { postgres: { dsn: host=d, wal: stream } } }
`
	cases := []struct{ name, text, want string }{
		{"nothing to say", `plans: { p: { sources: [s, d], repository: r, schedule: { full: "0 0 * * SUN", incremental: "0 */4 * * *" }, objectives: { rpo: 4h } } }`, ""},
		{
			"what nobody uses", "notify: { n: { url: { env: U } } }\n",
			`:1:17: repositories.r: is in no plan: nothing is kept up there; name it in a plan, or remove it
:2:12: sources.s: is in no plan: it is not backed up; add it to the sources of a plan
:2:43: sources.d: is in no plan: it is not backed up; add it to the sources of a plan
:3:11: notify.n: no plan names it: nobody is told by it; add it to the notify of a plan or of the service`,
		},
		{
			"an RPO that the schedule does not keep",
			`plans: { p: { sources: [s, d], repository: r, schedule: { full: "0 0 * * SUN", incremental: "0 0 * * MON-FRI" }, objectives: { rpo: 24h } } }`,
			`:3:153: plans.p.objectives.rpo: cannot be kept: up to 2d pass from one backup to the next; back up more often, archive the log, or promise less`,
		},
		{
			"a weekend without backups",
			`plans: { p: { sources: [s, d], repository: r, schedule: { full: "@weekly", incremental: "* 8-17 * * MON-FRI" }, objectives: { rpo: 15h } } }`,
			`:3:152: plans.p.objectives.rpo: cannot be kept: up to 1d8h pass from one backup to the next; back up more often, archive the log, or promise less`,
		},
		{
			"an RPO that the log keeps",
			`plans: { p: { sources: [d], repository: r, schedule: { full: "0 0 * * SUN" }, objectives: { rpo: 5m } }, q: { sources: [s], repository: r } }`, "",
		},
		{
			"an RPO that the log does not keep",
			`plans: { p: { sources: [d], repository: r, objectives: { rpo: 5m }, wal: { every: 10m } }, q: { sources: [s], repository: r } }`,
			`:3:83: plans.p.objectives.rpo: log is archived only every 10m (wal.every); archive it more often`,
		},
		{
			"promises without a schedule",
			`plans: { p: { sources: [s, d], repository: r, objectives: { rpo: 1d, rto: 1h }, restore_test: { checks: [{ sql: SELECT 1 }] } } }`,
			`:3:86: plans.p.objectives.rpo: nothing is backed up by itself: the plan has no schedule; such as schedule: { incremental: "0 * * * *" }
:3:95: plans.p.objectives.rto: nothing measures how long a restore takes; write restore_test: { schedule: ... }
:3:106: plans.p.restore_test: has no schedule: nothing runs it by itself; such as schedule: "0 5 * * SAT"`,
		},
		{
			"a window that never meets the schedule",
			`plans: { p: { sources: [s, d], repository: r, schedule: { full: "0 2 * * *" }, window: 03:00-05:00, jitter: 25h } }`,
			`:3:72: plans.p.schedule: is never due within the window: every backup waits until it opens; make the two meet
:3:126: plans.p.jitter: is longer than the 1d from one backup to the next; make it shorter`,
		},
		{
			"a secret in a hook",
			`plans: { p: { sources: [s, d], repository: r, hooks: { before: [{ command: [/bin/x], env: { PGPASSWORD: hunter2, A: b } }] } } }`,
			`:3:118: plans.p.hooks.before[0].env.PGPASSWORD: looks like a secret, and everybody who reads this file reads it; let the command read it from a file`,
		},
	}
	t.Setenv("TZ", "")
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "holdfast.yaml")
			text := base + strings.ReplaceAll(c.text, "repository: r, ", "repository: r, timezone: Europe/Zurich, ")
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			i, err := config.Inspect(path)
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.ReplaceAll(i.Warnings().Error(), path, ""); got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}
