package rest

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"
)

// Options tell how a place on a server is reached.
type Options struct {
	// URL of the place, with a slash at its end and without user or password.
	URL url.URL
	// User and Password log in; "" for a server that asks for none.
	User, Password string

	// Connections bounds the connections open at once; 0: 8.
	Connections int
	// CACertFile holds certificates (PEM) to be trusted besides those of the
	// system.
	CACertFile string
	// ClientCertFile holds a certificate and its private key (PEM) to be
	// shown to the server.
	ClientCertFile string
	// AnyServer takes whoever answers for the server, unchecked. It is no
	// setting: nobody shall write it down and forget it.
	AnyServer bool

	socket string // a Unix socket to connect to instead of the host
}

// Parse reads a URL as restic writes them:
//
//	rest:https://user:password@host:port/path/
//	rest:http+unix:///path/of/the/socket:/path/
//
// User and password that the URL does not give come from HOLDFAST_REST_USERNAME
// and HOLDFAST_REST_PASSWORD, or restic's own RESTIC_REST_...; certificates
// from HOLDFAST_CACERT and HOLDFAST_TLS_CLIENT_CERT, or RESTIC_....
func Parse(location string) (Options, error) {
	rest, ok := strings.CutPrefix(location, "rest:")
	if !ok {
		return Options{}, errors.New("place on a REST server: the URL does not begin with the word rest")
	}
	o := Options{CACertFile: env("CACERT"), ClientCertFile: env("TLS_CLIENT_CERT")}
	u, err := url.Parse(rest)
	if err != nil {
		return o, errors.New("place on a REST server: not a URL such as rest:https://host:8000/path/ is one") // err shows secrets
	}
	switch u.Scheme {
	case "http", "https":
		if u.Host == "" {
			return o, errors.New("place on a REST server: no host given; write rest:https://host:8000/path/")
		}
	case "http+unix":
		o.socket, u.Path, _ = strings.Cut(u.Path, ":")
		if o.socket == "" || u.Host != "" {
			return o, errors.New("place on a REST server: no socket given; write rest:http+unix:///path/of/the/socket:/path/")
		}
		u.Scheme, u.Host, u.RawPath = "http", "socket", ""
	default:
		return o, fmt.Errorf("place on a REST server: %q is no way to one; write rest:https://host:8000/path/", u.Scheme)
	}
	if u.RawQuery != "" || u.Fragment != "" {
		return o, errors.New("place on a REST server: what follows ? or # in the URL has no meaning; write rest:https://host:8000/path/")
	}
	o.User = u.User.Username()
	o.Password, _ = u.User.Password()
	if o.User == "" && o.Password == "" {
		o.User, o.Password = env("REST_USERNAME"), env("REST_PASSWORD")
	}
	u.User = nil
	if !strings.HasSuffix(u.Path, "/") {
		u.Path += "/"
		u.RawPath = ""
	}
	o.URL = *u
	return o, nil
}

// env returns the value of HOLDFAST_name, or of restic's own variable.
func env(name string) string {
	if v, ok := os.LookupEnv("HOLDFAST_" + name); ok {
		return v
	}
	return os.Getenv("RESTIC_" + name)
}

// TrustAnyServer has whoever answers taken for the service.
func (o *Options) TrustAnyServer() { o.AnyServer = true }

// Set changes one setting by its name.
func (o *Options) Set(name, value string) (err error) {
	switch name {
	case "connections":
		o.Connections, err = strconv.Atoi(value)
		if err != nil || o.Connections < 1 {
			return fmt.Errorf("setting connections: %q is no number of connections", value)
		}
	case "ca-cert":
		o.CACertFile = value
	case "client-cert":
		o.ClientCertFile = value
	default:
		return fmt.Errorf("REST servers have no setting %q; there are ca-cert, client-cert and connections", name)
	}
	return nil
}

func (o *Options) connections() int { return cmp.Or(o.Connections, 8) }

// location is the URL without the password.
func (o *Options) location() string {
	u := o.URL
	if o.socket != "" {
		return "rest:http+unix://" + o.socket + ":" + u.Path
	}
	if o.User != "" {
		u.User = url.User(o.User)
	}
	return "rest:" + u.String()
}
