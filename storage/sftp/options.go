package sftp

import (
	"cmp"
	"fmt"
	"net"
	"net/url"
	"os"
	"path"
	"strconv"
	"strings"
)

// Options tell how a folder on a server is reached. What they leave open is
// taken from ssh_config (Host, HostName, User, Port, IdentityFile,
// IdentitiesOnly, IdentityAgent, UserKnownHostsFile, GlobalKnownHostsFile,
// HostKeyAlias, ProxyJump; Match blocks with conditions are passed over), then
// from what ssh does by itself.
type Options struct {
	// Host is the server's name: one of DNS, an address, or an alias from
	// ssh_config.
	Host string
	// User logs in. "": as ssh_config says, or the user of this process.
	User string
	// Port of the server; 0: as ssh_config says, or 22.
	Port int
	// Path of the folder; a relative one begins where the server puts the
	// user at login.
	Path string

	// Connections bounds the connections held at once; 0: 4.
	Connections int
	// KeyFile is a private key to log in with, tried before all others.
	KeyFile string
	// KnownHostsFile replaces the usual known_hosts files.
	KnownHostsFile string
	// ConfigFile replaces ~/.ssh/config and /etc/ssh/ssh_config; "none"
	// reads neither.
	ConfigFile string

	// Command, if set, is run by a shell instead of connecting to the server,
	// and speaks SFTP on its standard input and output.
	Command string
	// Args, if set, are given to the program ssh, which is then run instead
	// of connecting from here: for what only ssh itself can do, such as
	// logging in by Kerberos.
	Args string

	// KeyPassphrase opens private keys that are encrypted
	// (HOLDFAST_SFTP_KEY_PASSPHRASE).
	KeyPassphrase string
	// Password logs in on servers that take no key (HOLDFAST_SFTP_PASSWORD).
	Password string
}

// Parse reads a URL as restic writes them:
//
//	sftp:user@host:/absolute/path
//	sftp:user@host:path/from/the/home/folder
//	sftp://user@host:port//absolute/path
//	sftp://user@host:port/path/from/the/home/folder
//
// Secrets come from the environment, see Options.
func Parse(location string) (Options, error) {
	o := Options{
		KeyPassphrase: os.Getenv("HOLDFAST_SFTP_KEY_PASSPHRASE"),
		Password:      os.Getenv("HOLDFAST_SFTP_PASSWORD"),
	}
	rest, ok := strings.CutPrefix(location, "sftp:")
	if !ok {
		return o, fmt.Errorf("%q is no place on an SFTP server: it does not begin with the word sftp", location)
	}
	var err error
	if strings.HasPrefix(rest, "//") {
		err = o.parseURL(location)
	} else {
		err = o.parseShort(rest)
	}
	if err != nil {
		return o, err
	}
	return o, o.checkPath()
}

func (o *Options) parseURL(location string) error {
	u, err := url.Parse(location)
	if err != nil {
		return fmt.Errorf("place on an SFTP server: not a URL; write sftp://user@host:port//absolute/path") // err shows secrets
	}
	if _, has := u.User.Password(); has {
		return fmt.Errorf("place on the SFTP server %s: a password in the URL can be seen by every user of this machine; set HOLDFAST_SFTP_PASSWORD instead, or better use a key", u.Hostname())
	}
	o.User, o.Host = u.User.Username(), u.Hostname()
	if port := u.Port(); port != "" {
		if err := o.setPort(port); err != nil {
			return err
		}
	}
	o.Path = strings.TrimPrefix(u.Path, "/")
	return nil
}

func (o *Options) parseShort(rest string) error {
	var host string
	var ok bool
	if strings.HasPrefix(rest[strings.LastIndex(rest, "@")+1:], "[") { // an IPv6 address holds colons
		var before, after string
		before, after, ok = strings.Cut(rest, "]:")
		host, o.Path = before+"]", after
	} else {
		host, o.Path, ok = strings.Cut(rest, ":")
	}
	if !ok {
		return fmt.Errorf("place on an SFTP server: %q names no folder; write sftp:user@host:/path", "sftp:"+rest)
	}
	if at := strings.LastIndex(host, "@"); at >= 0 { // names of users may hold one
		o.User, host = host[:at], host[at+1:]
	}
	o.Host = strings.Trim(host, "[]")
	return nil
}

func (o *Options) checkPath() error {
	switch {
	case o.Host == "":
		return fmt.Errorf("place on an SFTP server: no host given; write sftp:user@host:/path")
	case strings.HasPrefix(o.Host, "-"):
		return fmt.Errorf("place on an SFTP server: %q is no host", o.Host) // ssh would take it for a flag
	case o.Path == "":
		return fmt.Errorf("place on the SFTP server %s: no folder given; write sftp:user@host:/path", o.Host)
	case strings.HasPrefix(o.Path, "~"):
		return fmt.Errorf("place on the SFTP server %s: %s means nothing to most servers; leave out %q, relative paths begin in the home folder", o.Host, o.Path, "~/")
	}
	o.Path = path.Clean(o.Path)
	return nil
}

// Set changes one setting by its name.
func (o *Options) Set(name, value string) (err error) {
	switch name {
	case "connections":
		o.Connections, err = strconv.Atoi(value)
		if err != nil || o.Connections < 1 {
			return fmt.Errorf("setting connections: %q is no number of connections", value)
		}
	case "port":
		return o.setPort(value)
	case "user":
		o.User = value
	case "key-file":
		o.KeyFile = value
	case "known-hosts-file":
		o.KnownHostsFile = value
	case "config-file":
		o.ConfigFile = value
	case "command":
		o.Command = value
	case "args":
		o.Args = value
	default:
		return fmt.Errorf("SFTP has no setting %q; it has args, command, config-file, connections, key-file, known-hosts-file, port and user", name)
	}
	return nil
}

func (o *Options) setPort(value string) error {
	port, err := strconv.ParseUint(value, 10, 16)
	if err != nil || port == 0 {
		return fmt.Errorf("place on the SFTP server %s: %q is no port", o.Host, value)
	}
	o.Port = int(port)
	return nil
}

func (o *Options) connections() int { return cmp.Or(o.Connections, 4) }

// location is the URL of the folder, without secrets.
func (o *Options) location() string {
	u := url.URL{Scheme: "sftp", Host: o.Host, Path: "/" + o.Path}
	if o.User != "" {
		u.User = url.User(o.User)
	}
	switch {
	case o.Port != 0:
		u.Host = net.JoinHostPort(o.Host, strconv.Itoa(o.Port))
	case strings.Contains(o.Host, ":"):
		u.Host = "[" + o.Host + "]"
	}
	return u.String()
}
