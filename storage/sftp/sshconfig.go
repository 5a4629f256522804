package sftp

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"github.com/kevinburke/ssh_config"
)

// target is one server to log in to, with everything ssh_config says of it.
type target struct {
	alias string // as the user calls it
	host  string
	port  int
	user  string
	// knownAs is the name under which the server's key is known.
	knownAs    string
	knownHosts []string
	identities identities
	// jumps are the servers to go through, the nearest first.
	jumps []target
}

func (t *target) address() string { return net.JoinHostPort(t.host, strconv.Itoa(t.port)) }

// maxJumps bounds the servers on the way, which may name each other.
const maxJumps = 8

// sshConfig is what the files named ssh_config say, the user's first.
type sshConfig struct {
	files []*ssh_config.Config
	home  string
}

// readSSHConfig reads the files that ssh would read. Only a file given by
// name has to exist.
func readSSHConfig(given string) (*sshConfig, error) {
	home, err := os.UserHomeDir()
	if err != nil {
		home = "" // a service without a home folder has no files there
	}
	c := &sshConfig{home: home}
	if given == "none" {
		return c, nil
	}
	if given != "" {
		return c, c.read(c.expandHome(given), true)
	}
	if home != "" {
		if err := c.read(filepath.Join(home, ".ssh", "config"), false); err != nil {
			return nil, err
		}
	}
	if runtime.GOOS != "windows" {
		// What cannot be understood here are settings of ciphers and locales
		// (Match final): nothing of it is asked for.
		c.read("/etc/ssh/ssh_config", false) //nolint:errcheck // see above
	}
	return c, nil
}

// read adds a file.
func (c *sshConfig) read(file string, must bool) error {
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) && !must {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read ssh_config: %w", err)
	}
	parsed, err := ssh_config.DecodeBytes(withoutConditions(data))
	if err != nil {
		return fmt.Errorf("read %s: %w; name another file with the setting config-file (or none), or let ssh itself connect with the setting args", file, err)
	}
	c.files = append(c.files, parsed)
	return nil
}

// withoutConditions makes of every Match block with a condition other than a
// host one that matches nothing: conditions run programs, and the parser
// refuses a file that has some.
func withoutConditions(config []byte) []byte {
	lines := strings.Split(string(config), "\n")
	for i, line := range lines {
		words := strings.Fields(strings.Replace(line, "=", " ", 1))
		if len(words) < 2 || !strings.EqualFold(words[0], "Match") {
			continue
		}
		all := len(words) == 2 && strings.EqualFold(words[1], "all")
		host := len(words) == 3 && strings.EqualFold(words[1], "host")
		if !all && !host {
			lines[i] = "Host !*"
		}
	}
	return []byte(strings.Join(lines, "\n"))
}

// get returns the first value of a key, as ssh takes it.
func (c *sshConfig) get(alias, key string) string {
	for _, f := range c.files {
		if v, err := f.Get(alias, key); err == nil && v != "" {
			return v
		}
	}
	return ""
}

func (c *sshConfig) all(alias, key string) []string {
	var values []string
	for _, f := range c.files {
		if v, err := f.GetAll(alias, key); err == nil {
			values = append(values, v...)
		}
	}
	return values
}

func (c *sshConfig) yes(alias, key string) bool {
	v := strings.ToLower(c.get(alias, key))
	return v == "yes" || v == "true"
}

// target finds out all about the server of o, and the ones before it.
func (c *sshConfig) target(o *Options) (target, error) {
	if command := c.get(o.Host, "ProxyCommand"); command != "" && command != "none" {
		return target{}, errors.New("ssh_config asks for a ProxyCommand, which only ssh itself can run; use ProxyJump, or let ssh connect with the setting args")
	}
	t, err := c.resolve(o.Host, o.User, o.Port)
	if err != nil {
		return target{}, err
	}
	if o.KnownHostsFile != "" {
		t.knownHosts = []string{c.expandHome(o.KnownHostsFile)}
	}
	if o.KeyFile != "" {
		t.identities.given = c.expandHome(o.KeyFile)
	}
	t.identities.passphrase, t.identities.password = o.KeyPassphrase, o.Password
	if err := c.findJumps(&t); err != nil {
		return target{}, err
	}
	for i := range t.jumps {
		if o.KnownHostsFile != "" {
			t.jumps[i].knownHosts = t.knownHosts
		}
		t.jumps[i].identities.given, t.jumps[i].identities.passphrase = t.identities.given, t.identities.passphrase
	}
	return t, nil
}

// resolve applies ssh_config to one server. What the caller knows already
// counts first.
func (c *sshConfig) resolve(alias, login string, port int) (target, error) {
	t := target{alias: alias, port: port}
	if t.port == 0 {
		t.port, _ = strconv.Atoi(c.get(alias, "Port"))
	}
	t.port = cmp.Or(t.port, 22)
	t.user = cmp.Or(login, c.get(alias, "User"))
	if t.user == "" {
		u, err := user.Current()
		if err != nil {
			return t, fmt.Errorf("find out who logs in to %s: %w; name a user: sftp:user@%s:/path", alias, err, alias)
		}
		t.user = u.Username[strings.LastIndex(u.Username, `\`)+1:] // DOMAIN\user
	}
	t.host = strings.NewReplacer("%%", "%", "%h", alias).Replace(cmp.Or(c.get(alias, "HostName"), alias))
	if t.knownAs = c.get(alias, "HostKeyAlias"); t.knownAs == "" {
		t.knownAs = knownName(t.host, t.port)
	}
	t.knownHosts = c.knownHosts(&t)
	t.identities = c.identities(&t)
	return t, nil
}

// findJumps fills in the servers on the way. Each of them may have some of
// its own.
func (c *sshConfig) findJumps(t *target) error {
	list := c.get(t.alias, "ProxyJump")
	if list == "" || strings.EqualFold(list, "none") {
		return nil
	}
	for hop := range strings.SplitSeq(list, ",") {
		login, host, port, err := splitHop(strings.TrimSpace(hop))
		if err != nil {
			return err
		}
		next, err := c.resolve(host, login, port)
		if err != nil {
			return err
		}
		t.jumps = append(t.jumps, next)
	}
	for first := 0; len(t.jumps) <= maxJumps; first++ {
		nearest := t.jumps[0]
		if err := c.findJumps(&nearest); err != nil {
			return err
		}
		if len(nearest.jumps) == 0 {
			return nil
		}
		t.jumps = append(nearest.jumps, t.jumps...)
	}
	return fmt.Errorf("ProxyJump of %s: more than %d servers on the way; do they name each other?", t.alias, maxJumps)
}

// splitHop takes apart user@host:port and ssh://user@host:port.
func splitHop(hop string) (login, host string, port int, err error) {
	rest := strings.TrimPrefix(hop, "ssh://")
	if at := strings.LastIndex(rest, "@"); at >= 0 {
		login, rest = rest[:at], rest[at+1:]
	}
	host = strings.Trim(rest, "[]")
	if h, p, splitErr := net.SplitHostPort(rest); splitErr == nil {
		host = h
		if port, err = strconv.Atoi(p); err != nil {
			return "", "", 0, fmt.Errorf("ProxyJump %q: %q is no port", hop, p)
		}
	}
	if host == "" {
		return "", "", 0, fmt.Errorf("ProxyJump %q names no host", hop)
	}
	return login, host, port, nil
}

func (c *sshConfig) knownHosts(t *target) []string {
	user := c.get(t.alias, "UserKnownHostsFile")
	if user == "" {
		user = "~/.ssh/known_hosts ~/.ssh/known_hosts2"
	}
	global := cmp.Or(c.get(t.alias, "GlobalKnownHostsFile"), "/etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2")
	var files []string
	for _, file := range strings.Fields(user + " " + global) {
		if file != "none" {
			files = append(files, c.expand(file, t))
		}
	}
	return files
}

func (c *sshConfig) identities(t *target) identities {
	i := identities{only: c.yes(t.alias, "IdentitiesOnly"), agent: os.Getenv("SSH_AUTH_SOCK")}
	for _, file := range c.all(t.alias, "IdentityFile") {
		if file != "none" {
			i.files = append(i.files, c.expand(strings.Trim(file, `"`), t))
		}
	}
	if len(i.files) == 0 && c.home != "" {
		for _, name := range []string{"id_ed25519", "id_ecdsa", "id_rsa"} {
			i.files = append(i.files, filepath.Join(c.home, ".ssh", name))
		}
	}
	switch agent := c.get(t.alias, "IdentityAgent"); agent {
	case "", "SSH_AUTH_SOCK":
	case "none":
		i.agent = ""
	default:
		i.agent = c.expand(strings.Trim(agent, `"`), t)
	}
	return i
}

// expand replaces what stands for something else in names of files.
func (c *sshConfig) expand(file string, t *target) string {
	local, _ := os.Hostname()
	me, _ := user.Current()
	name := ""
	if me != nil {
		name = me.Username
	}
	r := strings.NewReplacer("%%", "%", "%d", c.home, "%h", t.host, "%n", t.alias, "%p", strconv.Itoa(t.port), "%r", t.user, "%u", name, "%l", local)
	return c.expandHome(os.Expand(r.Replace(file), os.Getenv))
}

func (c *sshConfig) expandHome(file string) string {
	if rest, ok := strings.CutPrefix(file, "~/"); ok && c.home != "" {
		return filepath.Join(c.home, rest)
	}
	return file
}
