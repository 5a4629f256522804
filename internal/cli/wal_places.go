package cli

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"filippo.io/age"
	"github.com/spf13/pflag"

	"holdfast/internal/config"
	"holdfast/internal/logarchive"
	"holdfast/internal/wal"
	"holdfast/repository"
)

// walFlags say whose log is meant.
type walFlags struct {
	plan   string
	source string
}

func (f *walFlags) register(fl *pflag.FlagSet) {
	fl.StringVar(&f.plan, "plan", "", "`plan` of holdfast.yaml (may be left out when only one has a PostgreSQL source)")
	fl.StringVar(&f.source, "source", "", "`source` of the plan (may be left out when it has only one that is PostgreSQL)")
}

// logSource is a PostgreSQL source whose log is archived, and where.
type logSource struct {
	name         string
	postgres     config.Postgres
	wal          config.WAL
	repositories []logRepository
	rpo          config.Duration // that the plan promises
	// stateDir is what holdfast.yaml says of it; "" for the usual one.
	stateDir string
}

// logRepository is a repository with a log archive.
type logRepository struct {
	place
	name string
	// keys is the path that the files of its keys begin with.
	keys string
	// window returns where the point-in-time window begins that ends at a
	// time; nil when it has no beginning, or holdfast.yaml does not say.
	window func(end time.Time) time.Time
}

// logSource finds the source that the flags mean in holdfast.yaml.
func (c *command) logSource(f walFlags) (*logSource, error) {
	cfg, err := c.loadConfig()
	if err != nil {
		return nil, err
	}
	planName, plan, err := logPlan(cfg, f)
	if err != nil {
		return nil, err
	}
	s := &logSource{}
	for _, name := range plan.Sources {
		source := cfg.Sources[name]
		if source.Postgres == nil || f.source != "" && name != f.source {
			continue
		}
		if s.name != "" {
			return nil, fmt.Errorf("plan %s has several PostgreSQL sources: name one with --source", planName)
		}
		s.name, s.postgres = name, *source.Postgres
	}
	if s.name == "" {
		return nil, fmt.Errorf("plan %s has no PostgreSQL source%s", planName, named(f.source))
	}
	if plan.WAL != nil {
		s.wal = *plan.WAL
	}
	s.rpo = plan.Objectives.RPO
	s.stateDir = cfg.Service.StateDir
	for _, name := range plan.Repositories() {
		l := c.logRepository(cfg, name)
		l.window = windowFrom(plan.KeepIn(name).Within)
		s.repositories = append(s.repositories, l)
	}
	return s, nil
}

func (c *command) logRepository(cfg *config.Config, name string) logRepository {
	p := c.namedPlace(name, cfg.Repositories[name])
	return logRepository{place: p, name: name, keys: filepath.Join(filepath.Dir(cfg.Path), name)}
}

// named is a name that goes behind what it names, if there is one.
func named(name string) string {
	if name == "" {
		return ""
	}
	return " " + name
}

// logPlan finds the plan: the one named, or the only one that has a
// PostgreSQL source.
func logPlan(cfg *config.Config, f walFlags) (string, config.Plan, error) {
	if f.plan != "" {
		plan, ok := cfg.Plans[f.plan]
		if !ok {
			return "", plan, fmt.Errorf("%s has no plan %q", cfg.Path, f.plan)
		}
		return f.plan, plan, nil
	}
	var found []string
	for name, plan := range cfg.Plans {
		if slices.ContainsFunc(plan.Sources, func(s string) bool {
			return cfg.Sources[s].Postgres != nil && (f.source == "" || f.source == s)
		}) {
			found = append(found, name)
		}
	}
	switch len(found) {
	case 0:
		return "", config.Plan{}, fmt.Errorf("no plan in %s has a PostgreSQL source%s; `holdfast protect postgres://…` sets one up", cfg.Path, named(f.source))
	case 1:
		return found[0], cfg.Plans[found[0]], nil
	}
	slices.Sort(found)
	return "", config.Plan{}, fmt.Errorf("several plans have a PostgreSQL source (%s): name one with --plan", strings.Join(found, ", "))
}

// The files beside holdfast.yaml that have the keys of a repository's log.
const (
	signingKeySuffix = ".log-signing-key"
	recipientsSuffix = ".log-recipients"
)

var errNoLogKeys = errors.New("there are no keys to archive the log with; make them with `holdfast wal init`")

// signing returns the key to archive with, and who can read what is archived.
func (l logRepository) signing(ctx context.Context) (ed25519.PrivateKey, []age.Recipient, error) {
	var settings config.Log
	if l.configured != nil && l.configured.Log != nil {
		settings = *l.configured.Log
	}
	var text string
	if settings.SigningKey.IsZero() {
		content, err := os.ReadFile(l.keys + signingKeySuffix)
		if errors.Is(err, os.ErrNotExist) {
			return nil, nil, fmt.Errorf("repository %s: %w", l.name, errNoLogKeys)
		}
		if err != nil {
			return nil, nil, fmt.Errorf("repository %s: signing key of the log: %w", l.name, err)
		}
		text = string(content)
	} else {
		value, err := settings.SigningKey.Resolve(ctx)
		if err != nil {
			return nil, nil, fmt.Errorf("repository %s: signing key of the log: %w", l.name, err)
		}
		text = value.Reveal()
	}
	key, err := logarchive.ParseSigningKey(text)
	if err != nil {
		return nil, nil, fmt.Errorf("repository %s: %w", l.name, err)
	}
	recipients, err := l.recipients(settings)
	return key, recipients, err
}

func (l logRepository) recipients(settings config.Log) ([]age.Recipient, error) {
	lines := strings.Join(settings.Recipients, "\n")
	if lines == "" {
		content, err := os.ReadFile(l.keys + recipientsSuffix)
		if errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("repository %s: %w", l.name, errNoLogKeys)
		}
		if err != nil {
			return nil, fmt.Errorf("repository %s: recipients of the log: %w", l.name, err)
		}
		lines = string(content)
	}
	recipients, err := age.ParseRecipients(strings.NewReader(lines))
	if err != nil {
		return nil, fmt.Errorf("repository %s: recipients of the log: %w", l.name, err)
	}
	return recipients, nil
}

// openLog opens the log archive of a source in a repository. To write takes a
// signing key and recipients, to read the identity: that of holdfast.yaml, or
// the one the repository keeps, for which its password is needed.
func (c *command) openLog(ctx context.Context, l logRepository, source string, read, write bool) (*logarchive.Archive, error) {
	o := logarchive.Options{Source: source}
	var err error
	if write {
		if o.Signing, o.Recipients, err = l.signing(ctx); err != nil {
			return nil, err
		}
	}
	if read {
		if err := c.readingKeys(ctx, l, &o); err != nil {
			return nil, err
		}
	}
	return c.openLogStore(ctx, l, o)
}

// signers returns the keys that the log is signed with in some repositories,
// as far as this host has them: what was brought from one to another bears the
// key of the former.
func signers(ctx context.Context, repositories []logRepository) (trusted []ed25519.PublicKey) {
	if len(repositories) < 2 {
		return nil
	}
	for _, l := range repositories {
		if key, _, err := l.signing(ctx); err == nil { // else its own archive tells
			trusted = append(trusted, key.Public().(ed25519.PublicKey)) //nolint:errcheck // an ed25519 key has no other
		}
	}
	return trusted
}

// openLogToAppend opens a log archive for writing after what it has, also where
// that was signed with other keys that are trusted.
func (c *command) openLogToAppend(ctx context.Context, l logRepository, source string, trusted []ed25519.PublicKey) (*logarchive.Archive, error) {
	o := logarchive.Options{Source: source, Trusted: trusted, Warn: func(err error) { c.ui.warn("archive the log", source, err) }}
	var err error
	if o.Signing, o.Recipients, err = l.signing(ctx); err != nil {
		return nil, err
	}
	return c.openLogStore(ctx, l, o)
}

// openLogWith opens a log archive for reading with keys that are known.
func (c *command) openLogWith(ctx context.Context, l logRepository, source string, keys logarchive.Keys) (*logarchive.Archive, error) {
	return c.openLogStore(ctx, l, logarchive.Options{Source: source, Identities: keys.Identities, Trusted: keys.Trusted})
}

func (c *command) openLogStore(ctx context.Context, l logRepository, o logarchive.Options) (*logarchive.Archive, error) {
	at := l.place
	if l.configured != nil && l.configured.LogURL != "" {
		at.url = l.configured.LogURL
	}
	store, err := c.openStore(ctx, at, false)
	if err != nil {
		return nil, noRepository(err)
	}
	return logarchive.New(store, o)
}

func (c *command) readingKeys(ctx context.Context, l logRepository, o *logarchive.Options) error {
	if l.configured != nil && l.configured.Log != nil {
		for _, text := range l.configured.Log.Trusted {
			key, err := logarchive.ParsePublicKey(text)
			if err != nil {
				return fmt.Errorf("repository %s: log.trusted: %w", l.name, err)
			}
			o.Trusted = append(o.Trusted, key)
		}
		if identity := l.configured.Log.Identity; !identity.IsZero() {
			return c.configuredIdentity(ctx, l, o)
		}
	}
	r, err := c.openPlace(ctx, l.place)
	if err != nil {
		return err
	}
	keys, err := logarchive.LoadKeys(ctx, r)
	if err = errors.Join(err, r.Close()); err != nil {
		return err
	}
	if len(keys.Identities) == 0 {
		return fmt.Errorf("repository %s keeps no keys of a log archive: nothing was archived with it", l.name)
	}
	o.Identities, o.Trusted = keys.Identities, append(o.Trusted, keys.Trusted...)
	return nil
}

// configuredIdentity reads the identity that holdfast.yaml names, and trusts
// this host's own signing key.
func (c *command) configuredIdentity(ctx context.Context, l logRepository, o *logarchive.Options) error {
	value, err := l.configured.Log.Identity.Resolve(ctx)
	if err != nil {
		return fmt.Errorf("repository %s: identity of the log: %w", l.name, err)
	}
	if o.Identities, err = age.ParseIdentities(strings.NewReader(value.Reveal())); err != nil {
		return fmt.Errorf("repository %s: identity of the log: it is not one of age", l.name)
	}
	if len(o.Trusted) > 0 {
		return nil
	}
	key, _, err := l.signing(ctx)
	if err != nil {
		return fmt.Errorf("no key is trusted: name some in log.trusted (%w)", err)
	}
	o.Trusted = []ed25519.PublicKey{key.Public().(ed25519.PublicKey)} //nolint:errcheck // an ed25519 key has no other
	return nil
}

// openLogs opens the log archives of a source for writing: as many as must
// have each segment.
func (c *command) openLogs(ctx context.Context, s *logSource) (wal.Archives, error) {
	needed, _ := s.wal.Needed()
	archives := wal.Archives{
		Confirm: needed,
		Lagging: rarely(func(location string, err error) { c.ui.warn("archive the log", location, err) }),
	}
	var failures []error
	trusted := signers(ctx, s.repositories)
	for _, l := range s.repositories {
		archive, err := c.openLogToAppend(ctx, l, s.name, trusted)
		if err != nil {
			failures = append(failures, err)
			continue
		}
		archives.All = append(archives.All, archive)
	}
	failed := errors.Join(failures...)
	if needed == 0 || len(archives.All) < needed {
		return archives, failed
	}
	if failed != nil { // enough others are there
		c.ui.warn("open the log archive", s.name, failed)
	}
	return archives, nil
}

// saveLogKeys makes the keys of a repository's log: the repository keeps what
// reads it, files beside holdfast.yaml what writes it.
func saveLogKeys(ctx context.Context, l logRepository, r *repository.Repository) error {
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		return fmt.Errorf("make the identity of the log: %w", err)
	}
	text, err := logarchive.NewSigningKey()
	if err != nil {
		return err
	}
	signing, err := logarchive.ParseSigningKey(text)
	if err != nil {
		return err
	}
	// What reads the log first: nothing may be archived that nobody can read.
	if err := logarchive.SaveKeys(ctx, r, identity.String(), logarchive.PublicKey(signing)); err != nil {
		return err
	}
	if err := os.WriteFile(l.keys+recipientsSuffix, []byte(identity.Recipient().String()+"\n"), 0o600); err != nil {
		return fmt.Errorf("write the recipients of the log: %w", err)
	}
	if err := os.WriteFile(l.keys+signingKeySuffix, []byte(text+"\n"), 0o600); err != nil {
		return fmt.Errorf("write the signing key of the log: %w", err)
	}
	return nil
}
