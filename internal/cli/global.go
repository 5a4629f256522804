package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"golang.org/x/term"

	"holdfast/internal/app"
	"holdfast/internal/config"
	"holdfast/internal/trace"
	"holdfast/repository"
	"holdfast/storage"
	"holdfast/storage/confirm"
	"holdfast/storage/throttle"
)

// globalFlags are the flags of every command.
type globalFlags struct {
	repo            string
	repositoryFile  string
	passwordFile    string
	passwordCommand string
	noPassword      bool
	keyHint         string
	caCert          string
	clientCert      string
	anyServer       bool
	config          string
	cacheDir        string
	noCache         bool
	noLock          bool
	asOf            asOfFlag
	fallbacks       []string
	noFallback      bool
	patience        time.Duration // see app.StoreOptions; set by commands with a fallback
	retryLock       time.Duration
	json            bool
	quiet           bool
	verbose         int
	limitUpload     int
	limitDownload   int
	options         []string
	cpuProfile      string
	memProfile      string
}

func (g *globalFlags) register(f *pflag.FlagSet) {
	f.StringVarP(&g.repo, "repo", "r", "", "`repository` to use: a place, or a name from holdfast.yaml (HOLDFAST_REPOSITORY)")
	f.StringVar(&g.repositoryFile, "repository-file", "", "`file` that holds the place of the repository (HOLDFAST_REPOSITORY_FILE)")
	f.StringVarP(&g.passwordFile, "password-file", "p", "", "`file` that holds the password (HOLDFAST_PASSWORD_FILE)")
	f.StringVar(&g.passwordCommand, "password-command", "", "`command` that prints the password (HOLDFAST_PASSWORD_COMMAND)")
	f.BoolVar(&g.noPassword, "insecure-no-password", false, "use an empty password: whoever can read the repository can read all that is in it")
	f.StringVar(&g.keyHint, "key-hint", "", "`ID` of the key to try first (HOLDFAST_KEY_HINT)")
	f.StringVar(&g.caCert, "cacert", "", "`file` with certificates of servers to trust besides the system's (HOLDFAST_CACERT)")
	f.StringVar(&g.clientCert, "tls-client-cert", "", "`file` with the certificate to show to servers, and its private key (HOLDFAST_TLS_CLIENT_CERT)")
	f.BoolVar(&g.anyServer, "insecure-tls", false, "do not check certificates: whoever sits on the way can read credentials and change what is sent")
	f.StringVar(&g.config, "config", "", "`file` to use instead of the usual holdfast.yaml (HOLDFAST_CONFIG)")
	f.StringVar(&g.cacheDir, "cache-dir", "", "`folder` for the cache (HOLDFAST_CACHE_DIR)")
	f.BoolVar(&g.noCache, "no-cache", false, "keep no cache")
	f.BoolVar(&g.noLock, "no-lock", false, "take no lock, for reading a repository that cannot be written to")
	f.DurationVar(&g.retryLock, "retry-lock", 0, "wait up to this `duration`, such as 5m, while another program holds the repository")
	f.BoolVar(&g.json, "json", false, "print JSON, one object a line")
	f.BoolVarP(&g.quiet, "quiet", "q", false, "print only errors and results that were asked for")
	f.CountVarP(&g.verbose, "verbose", "v", "print more; twice for each file")
	f.IntVar(&g.limitUpload, "limit-upload", 0, "upload at most `KiB` per second")
	f.IntVar(&g.limitDownload, "limit-download", 0, "download at most `KiB` per second")
	f.StringArrayVarP(&g.options, "option", "o", nil, "set an option of the place, as `key=value`, such as s3.region=eu-west-1 (may be repeated)")
	f.StringVar(&g.cpuProfile, "cpu-profile", "", "write a CPU profile to a `file`")
	f.StringVar(&g.memProfile, "mem-profile", "", "write a profile of memory in use, at the end, to a `file`")
	for _, name := range []string{"cpu-profile", "mem-profile"} {
		f.Lookup(name).Hidden = true // for developers: see CONTRIBUTING.md
	}
}

// env returns the value of HOLDFAST_name, or of restic's own variable.
func env(name string) string {
	if v, ok := os.LookupEnv("HOLDFAST_" + name); ok {
		return v
	}
	return os.Getenv("RESTIC_" + name)
}

// place is where a repository is and how it opens.
type place struct {
	url      string
	password func(ctx context.Context) ([]byte, error)
	// configured is the entry in holdfast.yaml; nil for a place without one.
	configured *config.Repository
	// name is that of the entry.
	name string
}

// place finds the repository that the user means: by flag, environment, or
// holdfast.yaml, where -r may name one and a single one need not be named.
func (c *command) place() (place, error) {
	g := c.global
	url := g.repo
	if url == "" && g.repositoryFile == "" {
		url = env("REPOSITORY")
	}
	if file := firstOf(g.repositoryFile, env("REPOSITORY_FILE")); url == "" && file != "" {
		data, err := os.ReadFile(file)
		if err != nil {
			return place{}, fmt.Errorf("read the place of the repository: %w", err)
		}
		url = strings.TrimSpace(string(data))
	}
	p := place{url: url, password: c.password}
	r, err := c.configured(url)
	if err != nil || r == nil {
		return p, err
	}
	p.url, p.configured = r.URL, r
	if !c.passwordGiven() {
		p.password = func(ctx context.Context) ([]byte, error) {
			secret, err := r.Password.Resolve(ctx)
			if err != nil {
				return nil, fmt.Errorf("password of the repository: %w", err)
			}
			return []byte(secret.Reveal()), nil
		}
	}
	return p, nil
}

// configured returns the repository of holdfast.yaml that has the name or
// the place given, or the only one when nothing is given; nil if there is
// none.
func (c *command) configured(name string) (*config.Repository, error) {
	path, err := config.Find(c.global.config, os.Getenv)
	if errors.Is(err, config.ErrNotFound) {
		return nil, nil //nolint:nilnil // no configuration is the usual case
	}
	if err != nil {
		return nil, err
	}
	cfg, err := config.Load(path)
	if err != nil && isAddress(name) && path != c.global.config {
		c.ui.warn("configuration", "", fmt.Errorf("%w; %s is used without what may be set there, such as its password, options, copies and retention", err, name))
		return nil, nil //nolint:nilnil // whoever restores need not mend it first
	}
	if err != nil {
		return nil, err
	}
	if name == "" && len(cfg.Repositories) == 1 {
		for _, r := range cfg.Repositories {
			return &r, nil
		}
	}
	for key, r := range cfg.Repositories {
		if key == name || r.URL == name {
			return &r, nil
		}
	}
	return nil, nil //nolint:nilnil // see above
}

// isAddress tells a place from a name of holdfast.yaml, which is a plain word.
func isAddress(name string) bool { return strings.ContainsAny(name, `:/\`) }

func firstOf(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

// passwordGiven tells whether flags or environment say where the password is.
func (c *command) passwordGiven() bool {
	_, set := os.LookupEnv("HOLDFAST_PASSWORD")
	return set || c.global.noPassword || firstOf(c.global.passwordFile, c.global.passwordCommand, env("PASSWORD"), env("PASSWORD_FILE"), env("PASSWORD_COMMAND")) != ""
}

// password gets the password from where flags or environment say, or asks.
func (c *command) password(ctx context.Context) ([]byte, error) {
	g := c.global
	if g.passwordFile != "" && g.passwordCommand != "" {
		return nil, errors.New("--password-file and --password-command exclude each other")
	}
	if g.noPassword && firstOf(g.passwordFile, g.passwordCommand, env("PASSWORD"), env("PASSWORD_FILE"), env("PASSWORD_COMMAND")) != "" {
		return nil, errors.New("--insecure-no-password says that there is no password: leave out what says where it is, also in the environment")
	}
	switch {
	case g.noPassword:
		c.warnNoPassword()
		return nil, nil
	case g.passwordFile != "":
		return readPasswordFile(g.passwordFile)
	case g.passwordCommand != "":
		return runPasswordCommand(ctx, g.passwordCommand)
	case env("PASSWORD") != "":
		return []byte(env("PASSWORD")), nil
	case env("PASSWORD_FILE") != "":
		return readPasswordFile(env("PASSWORD_FILE"))
	case env("PASSWORD_COMMAND") != "":
		return runPasswordCommand(ctx, env("PASSWORD_COMMAND"))
	}
	return c.askPassword("password of the repository: ")
}

func readPasswordFile(path string) ([]byte, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read password: %w", err)
	}
	return bytes.TrimRight(data, "\r\n"), nil
}

// runPasswordCommand runs a command as a shell would split it, without a
// shell where there is no need for one.
func runPasswordCommand(ctx context.Context, command string) ([]byte, error) {
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, "sh", "-c", command)
	cmd.Stdout, cmd.Stderr = &out, os.Stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("run the password command: %w", err)
	}
	return bytes.TrimRight(out.Bytes(), "\r\n"), nil
}

// askPassword asks on the terminal.
func (c *command) askPassword(prompt string) ([]byte, error) {
	in, ok := c.streams.In.(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		return nil, errors.New("no password given: use --password-file, --password-command or HOLDFAST_PASSWORD")
	}
	fmt.Fprint(c.streams.Err, prompt) //nolint:errcheck // the answer tells
	password, err := term.ReadPassword(int(in.Fd()))
	fmt.Fprintln(c.streams.Err) //nolint:errcheck // see above
	if errors.Is(err, io.EOF) {
		err = errors.New("no password was entered")
	}
	return password, err
}

// openStore opens the place of a repository; create makes it where it does
// not exist.
func (c *command) openStore(ctx context.Context, p place, create bool) (storage.Store, error) {
	settings, err := c.settings(p)
	if err != nil {
		return nil, err
	}
	o := app.StoreOptions{
		Create:    create,
		Settings:  settings,
		Patience:  c.global.patience,
		AnyServer: c.trustsAny(p),
		Limits: throttle.Limits{
			UploadBytesPerSecond:   int64(c.global.limitUpload) << 10,
			DownloadBytesPerSecond: int64(c.global.limitDownload) << 10,
		},
		Retrying: func(op, key string, err error, next time.Duration) {
			c.ui.warn("storage", key, fmt.Errorf("%s: %w; trying again in %v", op, err, next.Round(time.Millisecond)))
		},
	}
	if p.configured != nil {
		o.LogURL = p.configured.LogURL
		if p.configured.Immutable != nil {
			o.Immutable = p.configured.Immutable.Policy()
		}
	}
	s, err := app.OpenStore(ctx, p.url, o)
	if err != nil {
		return nil, err
	}
	if c.confirming != nil {
		s = confirm.New(s, *c.confirming)
	}
	if c.global.asOf.IsZero() {
		return s, nil
	}
	return app.AsOf(ctx, s, c.global.asOf.Time, o)
}

// settings returns what holdfast.yaml and then the command line set of the
// kind of place that p is.
func (c *command) settings(p place) (map[string]string, error) {
	kind, err := app.KindOf(p.url)
	if err != nil {
		return nil, err
	}
	settings := map[string]string{}
	if p.configured != nil {
		if p.configured.Tiers != nil && kind.IsObjectStore() {
			settings["mark-bulk"] = "true" // what the rule goes by
		}
		if p.configured.Immutable != nil && kind == "s3" {
			settings["object-lock"] = "true" // for a bucket that `init` makes
		}
		maps.Copy(settings, p.configured.Options)
	}
	if kind.SpeaksTLS() && c.global.caCert != "" {
		settings["ca-cert"] = c.global.caCert
	}
	if kind.SpeaksTLS() && c.global.clientCert != "" {
		settings["client-cert"] = c.global.clientCert
	}
	for _, option := range c.global.options {
		name, value, found := strings.Cut(option, "=")
		of, name, dotted := strings.Cut(name, ".")
		if !found || !dotted {
			return nil, fmt.Errorf("option %q: write it like -o s3.region=us-west-2", option)
		}
		if app.Kind(of) == kind {
			settings[name] = value
		}
	}
	return settings, nil
}

// repositoryOptions tell how repositories are opened.
func (c *command) repositoryOptions(ctx context.Context, p place) (repository.Options, error) {
	password, err := p.password(ctx)
	if err != nil {
		return repository.Options{}, err
	}
	dir, err := c.cacheDir()
	return repository.Options{
		Password: password,
		KeyHint:  firstOf(c.global.keyHint, env("KEY_HINT")),
		CacheDir: dir,
		Warn:     func(err error) { c.ui.warn("repository", "", err) },
		ReadOnly: c.global.noLock,
		// What is near is read as quickly as a copy of it.
		CacheObjects: isRemote(p.url),
	}, err
}

func isRemote(url string) bool {
	kind, err := app.KindOf(url)
	return err == nil && kind.IsRemote()
}

// cacheDir returns the folder of the cache, "" for none.
func (c *command) cacheDir() (string, error) {
	if c.global.noCache {
		return "", nil
	}
	if dir := firstOf(c.global.cacheDir, env("CACHE_DIR")); dir != "" {
		return filepath.Abs(dir)
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the cache folder: %w; name one with --cache-dir, or use --no-cache", err)
	}
	return filepath.Join(dir, "holdfast"), nil
}

// unusedCache is how long the cache of a repository nobody opens is kept, as
// restic keeps its own.
const unusedCache = 30 * 24 * time.Hour

// cleanCache drops what belongs to repositories that are not used any more.
func (c *command) cleanCache(dir string) {
	if dir == "" {
		return
	}
	if _, err := repository.CleanCache(dir, unusedCache); err != nil {
		c.ui.warn("cache", "", err)
	}
}

// openRepository opens the repository the user means.
func (c *command) openRepository(ctx context.Context) (*repository.Repository, error) {
	p, err := c.place()
	if err != nil {
		return nil, err
	}
	return c.openPlace(ctx, p)
}

func (c *command) openPlace(ctx context.Context, p place) (*repository.Repository, error) {
	return c.openPlaceWith(ctx, p, func(*repository.Options) {})
}

// openPlaceWith is openPlace with options that are changed before.
func (c *command) openPlaceWith(ctx context.Context, p place, change func(*repository.Options)) (_ *repository.Repository, err error) {
	ctx, span := trace.Start(ctx, "open repository", slog.String("repository", p.name))
	defer func() { span.End(err) }()
	store, err := c.openStore(ctx, p, false)
	if err != nil {
		return nil, noRepository(err)
	}
	o, err := c.repositoryOptions(ctx, p)
	if err != nil {
		return nil, err
	}
	change(&o)
	releaseStartMemory()
	r, err := repository.Open(ctx, store, o)
	releaseKeyMemory()
	c.cleanCache(o.CacheDir)
	return r, err
}
