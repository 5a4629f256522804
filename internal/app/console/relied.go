package console

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"holdfast/internal/app"
	"holdfast/internal/config"
	"holdfast/internal/kit"
	"holdfast/internal/postgres"
	"holdfast/internal/secret"
)

// Own are the places of a service that no configuration says.
type Own struct {
	ConfigPath, StateDir, CacheDir string
}

// relied is something of this machine that holdfast works with. Whoever may
// restore could otherwise put tokens, plans, packs or programs of their own
// there.
type relied struct {
	path string
	what string
	// but is a folder in it that restores may write below, "" for none.
	but string
}

// hit tells whether a target without symlinks is, holds or lies in it.
func (r relied) hit(target string) bool {
	path := realPath(r.path)
	return overlap(target, path) && (r.but == "" || !isIn(target, filepath.Join(path, r.but)))
}

func (r relied) String() string { return r.what + " is in " + r.path }

// mostTold bounds how many things one folder is told of.
const mostTold = 4

// RestoreDirProblems tells, for each folder for restores, what of a service lies
// in it or around it: restores over that are refused.
func RestoreDirProblems(cfg *config.Config, own Own) []string {
	all := reliedOn(cfg, own)
	var problems []string
	for _, dir := range cfg.Service.RestoreDirs {
		var there []string
		for _, r := range all {
			if real := realPath(dir); isIn(realPath(r.path), real) || r.hit(filepath.Join(real, "any")) {
				there = append(there, r.String())
			}
		}
		if more := len(there) - mostTold; more > 0 {
			there = append(there[:mostTold], fmt.Sprintf("and %d more", more))
		}
		if len(there) > 0 {
			problems = append(problems, fmt.Sprintf("restores below %s are refused where holdfast has its own: %s", dir, strings.Join(there, ", ")))
		}
	}
	return problems
}

// Relied lists the files and folders of this machine that a service works with.
func Relied(cfg *config.Config, own Own) []string {
	all := reliedOn(cfg, own)
	paths := make([]string, len(all))
	for n, r := range all {
		paths[n] = r.path
	}
	return paths
}

// reliedOn lists what a service works with: its own places, repositories on
// this machine, files that secrets, keys and known servers are in, and programs
// that it runs.
func reliedOn(cfg *config.Config, own Own) []relied {
	l := &reliedList{}
	l.all = append(l.all, relied{own.StateDir, "the state of the service", restoresDir})
	l.add(own.ConfigPath, "the configuration")
	l.add(own.CacheDir, "the cache")
	if program, err := os.Executable(); err == nil {
		l.add(program, "holdfast itself")
	}
	for _, path := range cfg.Files {
		l.add(path, "a part of the configuration")
	}
	l.add(cfg.Service.TLS.Cert, "the certificate")
	l.add(cfg.Service.TLS.Key, "the key of the certificate")
	l.addPing(cfg.Service.Ping, "the service")
	for _, name := range slices.Sorted(maps.Keys(cfg.Repositories)) {
		l.addRepository(name, cfg.Repositories[name])
		l.add(kit.Beside(own.ConfigPath, name), "the recovery kit of repository "+name)
	}
	for _, name := range slices.Sorted(maps.Keys(cfg.Sources)) {
		if p := cfg.Sources[name].Postgres; p != nil {
			l.addSecret(p.Password, "the password of source "+name)
			l.add(p.BinDir, "PostgreSQL of source "+name)
			l.addAll(postgres.Files(p.DSN), "what lets holdfast in at source "+name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(cfg.Notify)) {
		l.addSecret(cfg.Notify[name].URL, "the URL of channel "+name)
	}
	for _, name := range slices.Sorted(maps.Keys(cfg.Plans)) {
		l.addPlan(name, cfg.Plans[name])
	}
	return l.all
}

type reliedList struct{ all []relied }

// add adds a path, if it is one.
func (l *reliedList) add(path, what string) {
	if filepath.IsAbs(path) && !slices.ContainsFunc(l.all, func(r relied) bool { return r.path == path }) {
		l.all = append(l.all, relied{path: path, what: what})
	}
}

func (l *reliedList) addAll(paths []string, what string) {
	for _, path := range paths {
		l.add(path, what)
	}
}

func (l *reliedList) addSecret(ref secret.Ref, what string) {
	l.add(ref.File, what)
	l.addCommand(ref.Command, what)
}

// addCommand adds a program, and the files that it is given: a script, say.
func (l *reliedList) addCommand(command []string, what string) {
	for n, word := range command {
		if info, err := os.Stat(word); n == 0 || err == nil && info.Mode().IsRegular() {
			l.add(word, what)
		}
	}
}

func (l *reliedList) addPing(p *config.Ping, whose string) {
	if p != nil {
		l.addSecret(p.URL, "the ping URL of "+whose)
	}
}

func (l *reliedList) addRepository(name string, r config.Repository) {
	for _, url := range []string{r.URL, r.LogURL} {
		if folder, local := app.LocalFolder(url); url != "" && local {
			l.add(folder, "repository "+name)
		}
	}
	l.addSecret(r.Password, "the password of repository "+name)
	if r.Log != nil {
		l.addSecret(r.Log.SigningKey, "the signing key of repository "+name)
		l.addSecret(r.Log.Identity, "the identity of repository "+name)
	}
	for _, option := range slices.Sorted(maps.Keys(r.Options)) {
		l.add(r.Options[option], option+" of repository "+name)
	}
	for _, url := range []string{r.URL, r.LogURL} {
		l.addAll(app.LoginFiles(url, r.Options), "what lets holdfast in at repository "+name)
	}
}

func (l *reliedList) addPlan(name string, p config.Plan) {
	for _, hook := range slices.Concat(p.Hooks.Before, p.Hooks.After, p.Hooks.OnError) {
		l.addCommand(hook.Command, "a hook of plan "+name)
	}
	l.addPing(p.Ping, "plan "+name)
	if p.RestoreTest != nil {
		for _, check := range p.RestoreTest.Checks {
			l.addCommand(check.Command, "a check of plan "+name)
		}
	}
}
