package postgres

import (
	"errors"
	"net/url"
	"slices"
	"strings"
)

// URL is a connection string that is a URL, taken apart as libpq does it. That
// is not what RFC 3986 and net/url have: several hosts, sockets, and nearly any
// character in a password may stand there as they are. Its parts are kept as they
// are written.
type URL struct {
	scheme string
	// user and password stand before the hosts, where at tells that anything does,
	// and shown that there is a password, be it an empty one.
	user, password string
	at, shown      bool
	// place is all hosts and ports, path the database with the slash before it,
	// and parameters what comes after the question mark.
	place, path string
	parameters  []string
}

// IsURL tells whether a connection string is a URL, and not a list of settings.
func IsURL(dsn string) bool {
	return strings.HasPrefix(dsn, "postgres://") || strings.HasPrefix(dsn, "postgresql://")
}

// errAt says that nobody knows where the password ends.
var errAt = errors.New("the connection string has an @ too many, or a / before it: inside of a user, a password or a database, write @ as %40 and / as %2F")

// ParseURL takes a connection string apart that is a URL. The error does not
// quote it: it may have a password in it.
func ParseURL(dsn string) (u URL, err error) {
	scheme, rest, ok := strings.Cut(dsn, "://")
	if !ok {
		return u, errDSN
	}
	u.scheme = scheme
	// Only a slash ends the search: a question mark may belong to the password.
	if k := strings.IndexAny(rest, "@/"); k >= 0 && rest[k] == '@' {
		u.user, u.password, u.shown = strings.Cut(rest[:k], ":")
		u.at, rest = true, rest[k+1:]
	}
	rest, parameters, _ := strings.Cut(rest, "?")
	if parameters != "" {
		u.parameters = strings.Split(parameters, "&")
	}
	if k := strings.IndexByte(rest, '/'); k >= 0 {
		rest, u.path = rest[:k], rest[k:]
	}
	u.place = rest
	if strings.Contains(u.place+u.path, "@") {
		return u, errAt
	}
	return u, nil
}

// String writes the URL with all that is in it.
func (u URL) String() string {
	var b strings.Builder
	b.WriteString(u.scheme + "://" + u.user)
	if u.shown {
		b.WriteString(":" + u.password)
	}
	if u.at {
		b.WriteByte('@')
	}
	b.WriteString(u.place + u.path)
	if len(u.parameters) > 0 {
		b.WriteString("?" + strings.Join(u.parameters, "&"))
	}
	return b.String()
}

// Password returns the password, and whether there is one.
func (u URL) Password() (password string, ok bool) {
	if given, ok := u.Parameter("password"); ok { // the last one counts
		return given, true
	}
	return decoded(u.password), u.shown
}

// Without returns the URL without its password and some parameters.
func (u URL) Without(parameters ...string) URL {
	u.password, u.shown = "", false
	u.parameters = slices.DeleteFunc(slices.Clone(u.parameters), func(p string) bool {
		key := keyOf(p)
		return key == "password" || slices.Contains(parameters, key)
	})
	return u
}

// WithPassword returns the URL with another password.
func (u URL) WithPassword(password string) URL {
	u = u.Without()
	u.password, u.shown, u.at = encoded(password), true, true
	return u
}

// To returns the URL of another database of the same server.
func (u URL) To(database string) URL {
	u = u.Without("dbname")
	u.path = "/" + encoded(database)
	return u
}

// Parameter returns what a parameter says, and whether it is there.
func (u URL) Parameter(key string) (value string, ok bool) {
	for _, p := range slices.Backward(u.parameters) {
		if keyOf(p) == key {
			_, value, _ = strings.Cut(p, "=")
			return decoded(value), true
		}
	}
	return "", false
}

// Parameters returns what all parameters say.
func (u URL) Parameters() map[string]string {
	said := make(map[string]string)
	for _, p := range u.parameters {
		_, value, _ := strings.Cut(p, "=")
		said[keyOf(p)] = decoded(value)
	}
	return said
}

// Database returns the database that the URL names; "" if none.
func (u URL) Database() string { return decoded(strings.TrimPrefix(u.path, "/")) }

// Host returns the first host, or the folder of its socket; "" if none is named.
func (u URL) Host() string {
	first, _, _ := strings.Cut(u.place, ",")
	if inner, ok := strings.CutPrefix(first, "["); ok {
		first, _, _ = strings.Cut(inner, "]")
	} else {
		first, _, _ = strings.Cut(first, ":")
	}
	return decoded(first)
}

func keyOf(parameter string) string {
	key, _, _ := strings.Cut(parameter, "=")
	return decoded(key)
}

// decoded reads a part of a URL; one that cannot be read stays as it is. (Unlike
// in queries of web pages, a plus is a plus.)
func decoded(part string) string {
	if plain, err := url.PathUnescape(part); err == nil {
		return plain
	}
	return part
}

func encoded(text string) string { return strings.ReplaceAll(url.QueryEscape(text), "+", "%20") }
