package config

import (
	"fmt"
	"strings"
	"testing"
)

// thousand is a configuration of a thousand plans, each with a source.
func thousand() files {
	var sources, plans strings.Builder
	sources.WriteString("sources:\n")
	plans.WriteString("plans:\n")
	for i := range 1000 {
		fmt.Fprintf(&sources, "  s%d: { files: { paths: [/srv/%d] } }\n", i, i)
		fmt.Fprintf(&plans, "  p%d:\n    sources: [s%d]\n    schedule: { full: \"0 2 * * SUN\", incremental: \"0 * * * *\" }\n    objectives: { rpo: 2h }\n", i, i)
	}
	return files{
		mainFile: "include: [conf.d/*.yaml]\ndefaults:\n  plans: { repository: r, keep: { daily: 7 }, jitter: 10m, limits: { nice: 10 } }\n" +
			"repositories: { r: { url: /r, password: { env: P } } }\n",
		"/etc/conf.d/plans.yaml":   plans.String(),
		"/etc/conf.d/sources.yaml": sources.String(),
	}
}

// What each run of a plan spends on its configuration.
func BenchmarkLoadThousandPlans(b *testing.B) {
	f := thousand()
	for b.Loop() {
		if _, problems := f.load(); len(problems) > 0 {
			b.Fatal(problems)
		}
	}
}

// What plan show and plan validate spend on what is dubious.
func BenchmarkWarningsOfThousandPlans(b *testing.B) {
	l, problems := thousand().load()
	if len(problems) > 0 {
		b.Fatal(problems)
	}
	for b.Loop() {
		(&Inspection{l.config, l.at}).Warnings()
	}
}

// What the service spends on it all day.
func BenchmarkPollThousandPlans(b *testing.B) {
	w := &Watcher{path: mainFile, from: thousand().reader()}
	if _, err := w.Read(); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if c, err := w.Poll(); c != nil || err != nil {
			b.Fatal(c, err)
		}
	}
}
