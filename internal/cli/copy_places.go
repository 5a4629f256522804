package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"holdfast/internal/app"
	"holdfast/internal/config"
	"holdfast/repository"
)

// otherFlags say how the other repository of a copy opens. What they leave
// open, variables say whose names begin with the same word.
type otherFlags struct {
	word            string // "to" or "from"
	passwordFile    string
	passwordCommand string
	noPassword      bool
}

func (f *otherFlags) register(fl *pflag.FlagSet, word, name string) {
	f.word = word
	fl.StringVar(&f.passwordFile, word+"-password-file", "", "`file` that holds the password of the "+name)
	fl.StringVar(&f.passwordCommand, word+"-password-command", "", "`command` that prints the password of the "+name)
	fl.BoolVar(&f.noPassword, word+"-insecure-no-password", false, "the password of the "+name+" is empty")
}

// fromFlags name a repository as restic does: --from-repo and the like.
type fromFlags struct {
	repo, file string
	keyHint    string
	other      otherFlags
}

func (f *fromFlags) register(fl *pflag.FlagSet, purpose string) {
	fl.StringVar(&f.repo, "from-repo", "", "`repository` to "+purpose+" (HOLDFAST_FROM_REPOSITORY)")
	fl.StringVar(&f.file, "from-repository-file", "", "`file` that holds the place of the repository to "+purpose+" (HOLDFAST_FROM_REPOSITORY_FILE)")
	f.other.register(fl, "from", "source")
	fl.StringVar(&f.keyHint, "from-key-hint", "", "`ID` of the source's key to try first (HOLDFAST_FROM_KEY_HINT)")
}

// given tells whether flags name a repository.
func (f *fromFlags) given() bool { return f.repo != "" || f.file != "" }

// url returns the place that flags or variables name, or "".
func (f *fromFlags) url() (string, error) {
	if f.repo != "" && f.file != "" {
		return "", errors.New("--from-repo and --from-repository-file exclude each other")
	}
	if f.repo != "" {
		return f.repo, nil
	}
	if file := f.file; file != "" {
		return fileLine(file)
	}
	if url := variable("from", "REPOSITORY"); url != "" {
		return url, nil
	}
	return fileLine(variable("from", "REPOSITORY_FILE"))
}

// openFrom opens the repository that these flags named.
func (c *command) openFrom(ctx context.Context, from place, f fromFlags) (*repository.Repository, error) {
	reading := *c
	reading.global.keyHint = firstOf(f.keyHint, variable("from", "KEY_HINT"), c.global.keyHint)
	return reading.openPlace(ctx, from)
}

// places finds the source and the destinations. What lies in the same place is no
// copy: whatever destroys the one destroys the other.
func (f *copyFlags) places(c *command) (from place, to []place, err error) {
	from, to, err = f.named(c)
	for _, p := range to {
		if err == nil && (p.url == from.url || liesIn(p.url, from.url)) {
			err = fmt.Errorf("%s is no place for a copy of %s: it is the repository itself, or lies in it; name another", p.url, from.url)
		}
	}
	return from, to, err
}

// liesIn tells whether two URLs name folders of this machine, and the first is the
// second or lies in it.
func liesIn(url, above string) bool {
	path, local := app.LocalFolder(url)
	folder, bothLocal := app.LocalFolder(above)
	is, err := os.Stat(folder)
	if !local || !bothLocal || err != nil {
		return false
	}
	for path, err = filepath.Abs(path); err == nil; path = filepath.Dir(path) {
		if at, err := os.Stat(path); err == nil && os.SameFile(at, is) {
			return true
		}
		if filepath.Dir(path) == path {
			return false
		}
	}
	return false
}

// named returns the places that the flags name.
func (f *copyFlags) named(c *command) (from place, to []place, err error) {
	if f.plan != "" {
		return f.placesOfPlan(c)
	}
	main, err := c.place()
	if err != nil {
		return place{}, nil, err
	}
	switch {
	case len(f.to) > 0 && f.from.given():
		return place{}, nil, errors.New("--to and --from-repo exclude each other: -r is the other end in both cases")
	case len(f.to) > 0:
		for _, url := range f.to {
			p, err := c.otherPlace(url, f.toFlags, main)
			if err != nil {
				return place{}, nil, err
			}
			to = append(to, p)
		}
		return main, to, nil
	}
	source, err := f.from.url()
	if err != nil {
		return place{}, nil, err
	}
	if source != "" {
		from, err = c.otherPlace(source, f.from.other, main)
		return from, []place{main}, err
	}
	return place{}, nil, errors.New("no destination given: name one with --to, or a plan of holdfast.yaml with --plan")
}

// placesOfPlan returns the repository of a plan and its copies.
func (f *copyFlags) placesOfPlan(c *command) (from place, to []place, err error) {
	if f.from.given() || c.global.repo != "" {
		return place{}, nil, errors.New("--plan says where to copy from: leave out -r and --from-repo")
	}
	cfg, err := c.loadConfig()
	if err != nil {
		return place{}, nil, err
	}
	plan, ok := cfg.Plans[f.plan]
	switch {
	case !ok:
		return place{}, nil, fmt.Errorf("there is no plan %q in %s", f.plan, cfg.Path)
	case len(plan.Copies) == 0:
		return place{}, nil, fmt.Errorf("plan %q of %s has no copies: add `copies: [NAME]` to it, with the name of a repository", f.plan, cfg.Path)
	}
	for _, name := range f.to {
		if !slices.ContainsFunc(plan.Copies, func(c config.Copy) bool { return c.To == name }) {
			return place{}, nil, fmt.Errorf("plan %q has no copy in %q: with --plan, --to names one of its copies", f.plan, name)
		}
	}
	for _, copied := range plan.Copies {
		if len(f.to) > 0 && !slices.Contains(f.to, copied.To) {
			continue
		}
		to = append(to, c.namedPlace(copied.To, cfg.Repositories[copied.To]))
	}
	return c.namedPlace(plan.Repository, cfg.Repositories[plan.Repository]), to, nil
}

// fileLine returns the first line of a file, "" for no file.
func fileLine(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("read the place of the source: %w", err)
	}
	line, _, _ := strings.Cut(string(data), "\n")
	return strings.TrimSpace(line), nil
}

// variable returns the variable that says something about the other
// repository: HOLDFAST_TO_..., or restic's own RESTIC_FROM_....
func variable(word, name string) string { return env(strings.ToUpper(word) + "_" + name) }

// otherPlace finds the other repository of a copy. What nothing else says of
// its password, that of the main one does.
func (c *command) otherPlace(url string, f otherFlags, main place) (place, error) {
	p := place{url: url, password: main.password}
	configured, err := c.configured(url)
	if err != nil {
		return p, err
	}
	if configured != nil {
		p = c.namedPlace(url, *configured)
	}
	if given := f.password(); given != nil {
		p.password = given
	}
	if f.noPassword {
		p.password = func(context.Context) ([]byte, error) {
			c.warnNoPassword()
			return nil, nil
		}
	}
	return p, nil
}

// password returns where flags or variables say that the password is, or nil.
func (f *otherFlags) password() func(context.Context) ([]byte, error) {
	file := func(path string) func(context.Context) ([]byte, error) {
		return func(context.Context) ([]byte, error) { return readPasswordFile(path) }
	}
	command := func(line string) func(context.Context) ([]byte, error) {
		return func(ctx context.Context) ([]byte, error) { return runPasswordCommand(ctx, line) }
	}
	switch given := variable(f.word, "PASSWORD"); {
	case f.passwordFile != "":
		return file(f.passwordFile)
	case f.passwordCommand != "":
		return command(f.passwordCommand)
	case given != "":
		return func(context.Context) ([]byte, error) { return []byte(given), nil }
	}
	if path := variable(f.word, "PASSWORD_FILE"); path != "" {
		return file(path)
	}
	if line := variable(f.word, "PASSWORD_COMMAND"); line != "" {
		return command(line)
	}
	return nil
}

// namedPlace is a repository of holdfast.yaml.
func (c *command) namedPlace(name string, r config.Repository) place {
	return place{url: r.URL, configured: &r, name: name, password: func(ctx context.Context) ([]byte, error) {
		secret, err := r.Password.Resolve(ctx)
		if err != nil {
			return nil, fmt.Errorf("password of repository %s: %w", name, err)
		}
		return []byte(secret.Reveal()), nil
	}}
}

// loadConfig reads holdfast.yaml; the error wraps config.ErrNotFound if there
// is none.
func (c *command) loadConfig() (*config.Config, error) {
	path, err := config.Find(c.global.config, os.Getenv)
	if err != nil {
		return nil, err
	}
	return config.Load(path)
}
