package cli

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"holdfast/internal/app"
	"holdfast/internal/app/preflight"
	"holdfast/internal/config"
	"holdfast/internal/notify"
	"holdfast/internal/secret"
	"holdfast/repository"
	"holdfast/storage"
)

const (
	// triesAtOnce bounds how many places are asked at the same time.
	triesAtOnce = 8
	// tryWithin bounds one of them.
	tryWithin = 2 * time.Minute
)

// trial is something to find out about one key.
type trial struct {
	key string
	try func(ctx context.Context, r *preflight.Report)
}

// try finds out, several at once, and prints in the order of the plans.
func (v *validation) try(ctx context.Context, cfg *config.Config, offline bool) error {
	trials := v.trials(cfg, offline)
	reports := make([]preflight.Report, len(trials))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(triesAtOnce)
	for i, t := range trials {
		reports[i].Key = t.key
		group.Go(func() error {
			bounded, cancel := context.WithTimeout(ctx, tryWithin)
			defer cancel()
			t.try(bounded, &reports[i])
			return ctx.Err()
		})
	}
	err := group.Wait()
	for _, r := range reports {
		v.found(r.Findings)
	}
	return err
}

// trials lists what the plans need, each thing once.
func (v *validation) trials(cfg *config.Config, offline bool) []trial {
	l := &trialList{validation: v, cfg: cfg, offline: offline, listed: map[string]bool{}}
	for _, name := range v.sum.Plans {
		l.addPlan(name, cfg.Plans[name])
	}
	for _, name := range cfg.Service.Notify {
		l.addChannel(name)
	}
	if cfg.Service.Ping != nil {
		l.addSecretURL("service.ping.url", cfg.Service.Ping.URL)
	}
	return l.trials
}

type trialList struct {
	*validation
	cfg     *config.Config
	offline bool
	listed  map[string]bool
	trials  []trial
}

func (l *trialList) add(key string, try func(ctx context.Context, r *preflight.Report)) {
	if !l.listed[key] {
		l.listed[key] = true
		l.trials = append(l.trials, trial{key, try})
	}
}

func (l *trialList) addPlan(name string, p config.Plan) {
	for _, repository := range p.Repositories() {
		l.addRepository(repository)
	}
	for _, source := range p.Sources {
		l.addSource(source, p, p.Repositories())
	}
	key := "plans." + name
	l.addHooks(key+".hooks", p.Hooks)
	if p.RestoreTest != nil {
		l.addRestoreTest(key+".restore_test", *p.RestoreTest)
	}
	for _, channel := range p.Notify {
		l.addChannel(channel)
	}
	if p.Ping != nil {
		l.addSecretURL(key+".ping.url", p.Ping.URL)
	}
}

// addRepository opens a repository and writes to it.
func (l *trialList) addRepository(name string) {
	at := l.namedPlace(name, l.cfg.Repositories[name])
	local, _ := app.LocalFolder(at.url)
	l.add("repositories."+name, func(ctx context.Context, r *preflight.Report) {
		if l.offline && local == "" {
			return
		}
		if err := l.tryRepository(ctx, at); err != nil {
			r.Wrong("does not open: "+err.Error(), nextStep(err))
			return
		}
		r.OK("opens with its password")
		store, err := l.openStore(ctx, at, false)
		if err != nil {
			r.Wrong(err.Error(), "")
			return
		}
		r.Store(ctx, store)
		if err := storage.Close(store); err != nil {
			r.Warn("close: "+err.Error(), "")
		}
		if local != "" {
			r.Room(local)
		}
	})
}

// tryRepository opens a repository and takes a lock, which every work does.
func (l *trialList) tryRepository(ctx context.Context, at place) error {
	r, err := l.openPlace(ctx, at)
	if err != nil {
		return err
	}
	err = l.locked(ctx, r, repository.Shared, func(context.Context, *repository.Repository) error { return nil })
	if code := exitCode(ctx, err); code == exitLocked {
		err = nil // somebody prunes: that goes by
	}
	if cerr := r.Close(); err == nil {
		err = cerr
	}
	return err
}

func (l *trialList) addSource(name string, p config.Plan, repositories []string) {
	source := l.cfg.Sources[name]
	key := "sources." + name
	switch {
	case source.Files != nil:
		f := source.Files
		l.add(key, func(_ context.Context, r *preflight.Report) {
			r.Paths(append(append(append([]string{}, f.Paths...), f.ExcludeFiles...), f.IExcludeFiles...))
		})
	case source.Postgres != nil && !l.offline:
		l.addServer(key, name, *source.Postgres, p)
		if hasLog(*source.Postgres) {
			for _, repository := range repositories {
				l.addLog(repository, name)
			}
		}
	}
}

func hasLog(p config.Postgres) bool {
	return p.Method != config.MethodDump && p.WAL != "" && p.WAL != "none"
}

func (l *trialList) addServer(key, name string, p config.Postgres, plan config.Plan) {
	s := preflight.Server{
		Dump: p.Method == config.MethodDump, Slot: slotOf(&logSource{name: name, postgres: p}),
		Stream: hasLog(p) && p.WAL != "push", Push: hasLog(p) && p.WAL != "stream",
		BinDir: p.BinDir, DataDirectory: p.DataDirectory,
		CountsRows: p.RowCounts != config.RowCountsNone, Tested: plan.RestoreTest != nil,
	}
	l.add(key, func(ctx context.Context, r *preflight.Report) {
		dsn, err := postgresDSN(ctx, p)
		if err != nil {
			r.Wrong("password: "+err.Error(), "")
			return
		}
		s.DSN = dsn
		r.Server(ctx, s)
	})
}

// addLog looks whether the log archive of a source can be written and read.
func (l *trialList) addLog(repository, source string) {
	at := l.logRepository(l.cfg, repository)
	l.add("repositories."+repository+".log", func(ctx context.Context, r *preflight.Report) {
		if err := l.tryLog(ctx, at, source); err != nil {
			r.Wrong("the log cannot be archived: "+err.Error(), "")
			return
		}
		if _, err := l.openLog(ctx, at, source, true, false); err != nil {
			r.Warn("the log cannot be read with what is here: "+err.Error(), "restores to a point in time need that")
			return
		}
		r.OK("the log can be archived and read")
	})
}

// tryLog looks whether a log archive has its keys, and a place that takes it.
func (l *trialList) tryLog(ctx context.Context, at logRepository, source string) error {
	if _, err := l.openLog(ctx, at, source, false, true); err != nil {
		return err
	}
	if at.configured.LogURL != "" {
		at.url = at.configured.LogURL
	}
	store, err := l.openStore(ctx, at.place, false)
	if err != nil {
		return err
	}
	defer storage.Close(store) //nolint:errcheck // it was only asked
	if own, ok := storage.As[ownKeys](store); ok {
		return own.CheckOwnKeys(ctx)
	}
	return nil
}

// ownKeys is a store whose server may refuse what is not restic's.
type ownKeys interface {
	storage.Store
	CheckOwnKeys(ctx context.Context) error
}

func (l *trialList) addHooks(key string, h config.Hooks) {
	for _, part := range []struct {
		name  string
		hooks []config.Hook
	}{{"before", h.Before}, {"after", h.After}, {"on_error", h.OnError}} {
		for i, hook := range part.hooks {
			l.addProgram(fmt.Sprintf("%s.%s[%d]", key, part.name, i), hook.Command[0])
		}
	}
}

func (l *trialList) addProgram(key, path string) {
	l.add(key, func(_ context.Context, r *preflight.Report) { r.Program(path) })
}

func (l *trialList) addRestoreTest(key string, t config.RestoreTest) {
	for i, check := range t.Checks {
		if len(check.Command) > 0 && strings.HasPrefix(check.Command[0], "/") {
			l.addProgram(fmt.Sprintf("%s.checks[%d]", key, i), check.Command[0])
		}
	}
	scratch := t.Scratch
	if scratch == "" {
		scratch = os.TempDir()
	}
	l.add(key, func(_ context.Context, r *preflight.Report) { r.Room(scratch) })
}

func (l *trialList) addChannel(name string) {
	ref := l.cfg.Notify[name].URL
	l.add("notify."+name, func(ctx context.Context, r *preflight.Report) {
		value, ok := l.resolve(ctx, r, ref)
		if !ok {
			return
		}
		if _, err := notify.Dial(value); err != nil {
			r.Wrong(err.Error(), "")
			return
		}
		r.OK("its URL can be read")
	})
}

// addSecretURL looks at the URL of a ping.
func (l *trialList) addSecretURL(key string, ref secret.Ref) {
	l.add(key, func(ctx context.Context, r *preflight.Report) {
		value, ok := l.resolve(ctx, r, ref)
		if !ok {
			return
		}
		if u, err := url.Parse(value.Reveal()); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			r.Wrong("what the secret holds is no http or https URL", "")
			return
		}
		r.OK("its URL can be read")
	})
}

func (l *trialList) resolve(ctx context.Context, r *preflight.Report, ref secret.Ref) (secret.Value, bool) {
	value, err := ref.Resolve(ctx)
	if err != nil {
		r.Wrong(err.Error(), "put the secret where the file says, or correct the reference")
	}
	return value, err == nil
}
