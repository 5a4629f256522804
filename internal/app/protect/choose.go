package protect

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"holdfast/internal/app"
	"holdfast/internal/config"
	"holdfast/internal/retention"
	"holdfast/internal/secret"
)

// defaultName is what the repository that nobody named is called.
const defaultName = "local"

// defaultKeep returns what a new plan keeps. It stands in holdfast.yaml, to be
// seen and changed: everything of the last week, then ever fewer snapshots
// over two years. Nothing goes before somebody runs forget.
func defaultKeep() retention.Policy {
	return retention.Policy{Within: retention.Duration{Days: 7}, Daily: 30, Weekly: 12, Monthly: 24}
}

// defaultSchedule returns when a new plan is backed up by holdfast serve: each
// night, once a week in full, at some time of an hour that differs from plan to
// plan. Nothing happens before somebody runs serve.
func defaultSchedule() (config.Schedule, config.Duration) {
	return config.Schedule{Full: "0 2 * * SUN", Incremental: "0 2 * * MON-SAT"}, config.Duration(time.Hour)
}

// DefaultPlace is where the repository that nobody named lies.
func (r *Request) DefaultPlace() string { return filepath.Join(r.DataDir, "repository") }

// Choose decides which source, plan and repository of the configuration
// serve the request, and which are to be added. It changes nothing.
//
// A source is the one that has exactly these paths. Without To the
// repository is that of a plan for the source, else the only one there is,
// else the default one.
func Choose(cfg *config.Config, r Request) (*Setup, error) {
	s := &Setup{ConfigPath: r.ConfigPath}
	s.chooseSource(cfg, r)
	if err := s.chooseRepository(cfg, r); err != nil {
		return nil, err
	}
	s.choosePlan(cfg)
	return s, nil
}

func (s *Setup) chooseSource(cfg *config.Config, r Request) {
	taken := func(name string) bool {
		_, isSource := cfg.Sources[name]
		_, isPlan := cfg.Plans[name]
		return isSource || isPlan
	}
	if r.Postgres != nil {
		s.choosePostgres(cfg, r, taken, slices.Sorted(maps.Keys(cfg.Sources)))
		return
	}
	for _, name := range slices.Sorted(maps.Keys(cfg.Sources)) {
		if files := cfg.Sources[name].Files; files != nil && samePaths(files.Paths, r.Paths) {
			s.Source, s.Files = name, *files
			return
		}
	}
	s.Source, s.Files = free(slug(cmp.Or(r.Name, sourceName(r.Paths))), taken), config.Files{Paths: r.Paths}
	files := s.Files
	s.Added.Sources = map[string]config.Source{s.Source: {Files: &files}}
}

func samePaths(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

func (s *Setup) chooseRepository(cfg *config.Config, r Request) error {
	name := s.knownRepository(cfg, r)
	if name != "" {
		s.Name, s.Repository = name, cfg.Repositories[name]
		return nil
	}
	place, want := r.DefaultPlace(), defaultName
	if r.To != "" {
		var err error
		if place, err = absolutePlace(r.To); err != nil {
			return err
		}
		want = slug(filepath.Base(place))
	}
	s.Name = free(want, func(name string) bool { _, taken := cfg.Repositories[name]; return taken })
	s.Repository = config.Repository{URL: place, Media: mediaOf(place), Password: r.Password}
	if r.Password.IsZero() {
		s.Repository.Password = secret.Ref{File: filepath.Join(filepath.Dir(r.ConfigPath), s.Name+".password")}
	}
	s.Added.Repositories = map[string]config.Repository{s.Name: s.Repository}
	return nil
}

// mediaOf says what a place most likely is made of. The user may know better
// and write it into the file.
func mediaOf(place string) string {
	kind, err := app.KindOf(place)
	if err == nil && kind.IsObjectStore() {
		return "object"
	}
	return "disk"
}

// knownRepository returns the name of the repository in the configuration
// that the request means, or "".
func (s *Setup) knownRepository(cfg *config.Config, r Request) string {
	if r.To != "" {
		if _, ok := cfg.Repositories[r.To]; ok {
			return r.To
		}
		place, err := absolutePlace(r.To)
		if err != nil {
			return ""
		}
		return repositoryAt(cfg, place)
	}
	if plan := planOf(cfg, s.Source, func(config.Plan) bool { return true }); plan != "" {
		return cfg.Plans[plan].Repository
	}
	if len(cfg.Repositories) == 1 {
		return slices.Collect(maps.Keys(cfg.Repositories))[0]
	}
	return repositoryAt(cfg, r.DefaultPlace())
}

func repositoryAt(cfg *config.Config, place string) string {
	for _, name := range slices.Sorted(maps.Keys(cfg.Repositories)) {
		url := cfg.Repositories[name].URL
		if folder, local := app.LocalFolder(url); url == place || local && folder == place {
			return name
		}
	}
	return ""
}

func (s *Setup) choosePlan(cfg *config.Config) {
	s.Plan = planOf(cfg, s.Source, func(p config.Plan) bool { return p.Repository == s.Name })
	if s.Plan != "" {
		return
	}
	taken := func(name string) bool { _, taken := cfg.Plans[name]; return taken }
	s.Plan = s.Source
	if taken(s.Plan) {
		s.Plan = free(cut(s.Source+"-"+s.Name), taken)
	}
	p := config.Plan{
		Sources: []string{s.Source}, Repository: s.Name, Keep: defaultKeep(),
		RestoreTest: &config.RestoreTest{Schedule: "0 12 * * SUN"},
	}
	p.Schedule, p.Jitter = defaultSchedule()
	s.Added.Plans = map[string]config.Plan{s.Plan: p}
}

// planOf returns the plan for a source: the one named after it, which was
// the first, before others.
func planOf(cfg *config.Config, source string, fits func(config.Plan) bool) string {
	for _, name := range append([]string{source}, slices.Sorted(maps.Keys(cfg.Plans))...) {
		if p, ok := cfg.Plans[name]; ok && slices.Contains(p.Sources, source) && fits(p) {
			return name
		}
	}
	return ""
}

// absolutePlace returns the place of a repository as holdfast.yaml has it.
// Only paths are known so far: others are left for the store to refuse.
func absolutePlace(to string) (string, error) {
	if _, err := app.KindOf(to); err != nil {
		return "", err
	}
	folder, local := app.LocalFolder(to)
	if !local {
		return to, nil
	}
	abs, err := filepath.Abs(folder)
	if err != nil {
		return "", fmt.Errorf("make %s absolute: %w", folder, err)
	}
	return abs, nil
}

// sourceName names a source after its folders.
func sourceName(paths []string) string {
	names := make([]string, len(paths))
	for k, path := range paths {
		names[k] = folderName(path)
	}
	switch len(names) {
	case 1:
		return slug(names[0])
	case 2:
		return slug(names[0] + "-" + names[1])
	}
	return slug(fmt.Sprintf("%s-and-%d-more", names[0], len(names)-1))
}

func folderName(path string) string {
	if home, err := os.UserHomeDir(); err == nil && path == filepath.Clean(home) {
		return "home"
	}
	if filepath.Dir(path) == path {
		return "system"
	}
	return filepath.Base(path)
}

// maxName is the longest name that holdfast.yaml takes, with room for "-99".
const maxName = 60

// slug turns text into a name: lower-case letters, digits, "-", "." and "_".
func slug(text string) string {
	var name strings.Builder
	for _, r := range strings.ToLower(text) {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			name.WriteRune(r)
		case name.Len() > 0 && (r == '.' || r == '_' || r == '-'):
			name.WriteRune(r)
		case name.Len() > 0 && !strings.HasSuffix(name.String(), "-"):
			name.WriteByte('-')
		}
	}
	if trimmed := strings.Trim(name.String(), "-._"); trimmed != "" {
		return cut(trimmed)
	}
	return "files"
}

func cut(name string) string { return name[:min(len(name), maxName)] }

// free returns name, or name-2, name-3 and so on, whichever is not taken.
func free(name string, taken func(string) bool) string {
	candidate := name
	for n := 2; taken(candidate); n++ {
		candidate = fmt.Sprintf("%s-%d", name, n)
	}
	return candidate
}
