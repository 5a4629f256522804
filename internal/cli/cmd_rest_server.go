package cli

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"holdfast/internal/app"
	"holdfast/internal/restserver"
)

// restServerFlags are the flags of `holdfast rest-server`: those of restic's
// rest-server.
type restServerFlags struct {
	config      restserver.Config
	listen      string
	group       bool
	tls         bool
	tlsCert     string
	tlsKey      string
	tlsMinimum  string
	log         string
	debug       bool
	maxSizeByte int64
}

func newRestServer(c *command) *cobra.Command {
	var f restServerFlags
	cmd := &cobra.Command{
		Use:   "rest-server --path DIR [flags]",
		Short: "Serve repositories over restic's REST protocol",
		Long: `Serve the repositories below a folder over HTTP, to holdfast and to restic:
rest:http://HOST:8000/ or, for one of several, rest:http://HOST:8000/NAME/.

The flags are those of restic's rest-server, so a unit file written for that
needs another program name only. What is uploaded is compared with the hash in
its name, stored whole or not at all, and never replaced. With --append-only
nobody can delete anything but locks: a client that was broken into cannot
destroy the backups it made. Run forget and prune on this machine then.

Users and their passwords are read from the file .htpasswd in the folder, made
with ` + "`htpasswd -B -c .htpasswd USER`" + `; changes are noticed. Passwords are sent
as they are, so use --tls, or a proxy that does, on every network.

A socket handed over by systemd is used in place of --listen. SIGTERM finishes
the requests under way.`,
		Example: `  holdfast rest-server --path /srv/backup --append-only --private-repos --tls \
      --tls-cert /etc/ssl/backup.pem --tls-key /etc/ssl/backup.key
  holdfast rest-server --path /srv/backup --no-auth --listen 127.0.0.1:8000
  holdfast rest-server --path /srv/backup --listen unix:/run/holdfast.sock`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.runRestServer(cmd.Context(), &f) },
	}
	fl := cmd.Flags()
	fl.StringVar(&f.config.Path, "path", "", "`folder` that holds the repositories")
	fl.StringVar(&f.listen, "listen", ":8000", "`address` to listen on: host:port, or unix:/path/of/a/socket")
	fl.BoolVar(&f.config.NoAuth, "no-auth", false, "ask for no password")
	fl.StringVar(&f.config.HtpasswdFile, "htpasswd-file", "", "`file` that holds users and hashes of passwords (default DIR/.htpasswd)")
	fl.StringVar(&f.config.ProxyAuthUsername, "proxy-auth-username", "", "`header` in which a proxy gives the user it has checked")
	fl.BoolVar(&f.config.AppendOnly, "append-only", false, "let nobody delete anything but locks")
	fl.BoolVar(&f.config.PrivateRepos, "private-repos", false, "let users reach only what lies below a folder of their name")
	fl.BoolVar(&f.config.NoVerifyUpload, "no-verify-upload", false, "do not compare uploads with the hash in their names")
	fl.BoolVar(&f.group, "group-accessible-repos", false, "let the group of the files read them")
	fl.Int64Var(&f.maxSizeByte, "max-size", 0, "most `bytes` that all repositories may take together")
	fl.BoolVar(&f.tls, "tls", false, "serve over TLS")
	fl.StringVar(&f.tlsCert, "tls-cert", "", "`file` with the certificate (default DIR/public_key)")
	fl.StringVar(&f.tlsKey, "tls-key", "", "`file` with its private key (default DIR/private_key)")
	fl.StringVar(&f.tlsMinimum, "tls-min-ver", "1.2", "lowest `version` of TLS: 1.2 or 1.3")
	fl.StringVar(&f.log, "log", "", "`file` that gets a line for each request, - for standard output")
	fl.BoolVar(&f.debug, "debug", false, "print each request and what came of it")
	fl.BoolVar(&f.config.Prometheus, "prometheus", false, "serve metrics for Prometheus at /metrics")
	fl.BoolVar(&f.config.PrometheusNoAuth, "prometheus-no-auth", false, "serve the metrics without a password")
	return cmd
}

// listeningMessage tells that the server is ready.
type listeningMessage struct {
	MessageType string `json:"message_type"` // "listening"
	Address     string `json:"address"`
	TLS         bool   `json:"tls"`
}

func (c *command) runRestServer(ctx context.Context, f *restServerFlags) (err error) {
	if err := f.check(); err != nil {
		return err
	}
	level := slog.LevelInfo
	if f.debug {
		level = slog.LevelDebug
	}
	config := f.config
	config.Log = slog.New(slog.NewTextHandler(c.streams.Err, &slog.HandlerOptions{Level: level}))
	config.Open = app.LocalStores(f.group)
	config.MaxSizeBytes = f.maxSizeByte
	accessLog, err := f.openLog(c.streams.Out)
	if err != nil {
		return err
	}
	if accessLog != nil {
		defer accessLog.Close()
		config.AccessLog = accessLog
	}
	secure, err := f.tlsConfig(config.Log)
	if err != nil {
		return err
	}
	server, err := restserver.New(ctx, config)
	if err != nil {
		return err
	}
	listener, err := restserver.Listen(f.listen)
	if err != nil {
		return err
	}
	m := listeningMessage{"listening", listener.Addr().String(), secure != nil}
	c.ui.message(m)
	c.ui.infof("serving %s on %s", config.Path, m.Address)
	return server.Serve(ctx, listener, secure)
}

// check refuses what cannot be meant, and fills in the defaults.
func (f *restServerFlags) check() error {
	switch {
	case f.config.Path == "":
		return errors.New("no folder given: name the one that holds the repositories with --path")
	case !f.tls && (f.tlsCert != "" || f.tlsKey != ""):
		return errors.New("--tls-cert and --tls-key need --tls")
	case f.maxSizeByte < 0:
		return errors.New("--max-size is negative")
	case f.config.NoAuth && f.config.ProxyAuthUsername != "":
		return errors.New("--no-auth and --proxy-auth-username exclude each other")
	}
	info, err := os.Stat(f.config.Path)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return errors.New(f.config.Path + " is no folder")
	}
	in := func(given, name string) string { return firstOf(given, filepath.Join(f.config.Path, name)) }
	f.config.HtpasswdFile = in(f.config.HtpasswdFile, ".htpasswd")
	f.tlsCert, f.tlsKey = in(f.tlsCert, "public_key"), in(f.tlsKey, "private_key")
	return nil
}

func (f *restServerFlags) tlsConfig(log *slog.Logger) (*tls.Config, error) {
	if !f.tls {
		return nil, nil //nolint:nilnil // plain HTTP
	}
	return restserver.TLSConfig(f.tlsCert, f.tlsKey, f.tlsMinimum, log)
}

// openLog opens the access log, nil for none.
func (f *restServerFlags) openLog(out io.Writer) (io.WriteCloser, error) {
	switch f.log {
	case "":
		return nil, nil //nolint:nilnil // no log is wanted
	case "-":
		return notClosed{out}, nil
	}
	return os.OpenFile(f.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o640)
}

// notClosed keeps a stream of the program open.
type notClosed struct{ io.Writer }

func (notClosed) Close() error { return nil }
