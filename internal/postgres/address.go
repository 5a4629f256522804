package postgres

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// Address is how a server is reached by programs that have libpq: a connection
// string without a password, which may be seen by others while they run.
type Address struct {
	url      *URL     // without a password; nil if it is none
	settings []string // key='value', if it is no URL
	password string
	// Shown tells that the connection string has a password in it.
	Shown bool
}

// ParseAddress takes a connection string apart, in either of libpq's forms.
func ParseAddress(dsn string) (Address, error) {
	cfg, err := pgconn.ParseConfig(dsn)
	if err != nil {
		return Address{}, errDSN
	}
	a := Address{password: cfg.Password}
	if IsURL(dsn) {
		return a, a.fromURL(dsn)
	}
	return a, a.fromSettings(dsn)
}

var (
	errDSN = errors.New("the connection string cannot be read; write it like postgres://user@host:5432/database")
	// ErrKeyPassword says that there is no way to hand this one to a program unseen.
	ErrKeyPassword = errors.New("the connection string has the password of a key (sslpassword), which PostgreSQL's programs cannot be given unseen; use a key without one, readable by this user only")
)

// keyPassword is the setting of a connection that is the password of a key.
const keyPassword = "sslpassword"

func (a *Address) fromURL(dsn string) error {
	u, err := ParseURL(dsn)
	if err != nil {
		return err
	}
	if _, has := u.Parameter(keyPassword); has {
		return ErrKeyPassword
	}
	_, a.Shown = u.Password()
	u = u.Without("dbname")
	a.url = &u
	return nil
}

func (a *Address) fromSettings(dsn string) error {
	for rest := strings.TrimSpace(dsn); rest != ""; {
		key, after, ok := strings.Cut(rest, "=")
		key = strings.TrimSpace(key)
		if !ok || key == "" {
			return errDSN
		}
		var value string
		if value, rest, ok = cutValue(strings.TrimLeft(after, " \t\n")); !ok {
			return errDSN
		}
		switch key {
		case keyPassword:
			return ErrKeyPassword
		case "password":
			a.Shown = true
		case "dbname":
		default:
			a.settings = append(a.settings, key+"="+quoteSetting(value))
		}
	}
	return nil
}

// cutValue cuts the first value off a connection string: a word, or anything
// in single quotes, with backslashes before quotes and backslashes.
func cutValue(text string) (value, rest string, ok bool) {
	var b strings.Builder
	quoted := strings.HasPrefix(text, "'")
	if quoted {
		text = text[1:]
	}
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\' && i+1 < len(text):
			i++
			b.WriteByte(text[i])
		case quoted && c == '\'', !quoted && strings.IndexByte(" \t\n", c) >= 0:
			return b.String(), strings.TrimSpace(text[i+1:]), true
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), "", !quoted
}

func quoteSetting(value string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(value) + "'"
}

// To returns the connection string to a database, without a password.
func (a Address) To(database string) string {
	if a.url != nil {
		return a.url.To(database).String()
	}
	return strings.Join(append(slices.Clip(a.settings), "dbname="+quoteSetting(database)), " ")
}

// Env is what a program needs in its environment beside the connection string.
func (a Address) Env() []string {
	// Messages are looked into, and shown to whom the rest is in English.
	env := []string{"LC_ALL=C", "PGAPPNAME=holdfast"}
	if a.password != "" {
		env = append(env, "PGPASSWORD="+a.password)
	}
	return env
}

// String hides nothing that it should: there is no password in it.
func (a Address) String() string {
	if a.url != nil {
		return a.url.String()
	}
	return strings.Join(a.settings, " ")
}

// QuoteIdentifier writes a name as SQL wants it.
func QuoteIdentifier(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// QuoteLiteral writes a text as SQL wants it, with standard_conforming_strings.
func QuoteLiteral(text string) string {
	if strings.Contains(text, `\`) {
		return fmt.Sprintf(" E'%s'", strings.NewReplacer(`\`, `\\`, `'`, `''`).Replace(text))
	}
	return "'" + strings.ReplaceAll(text, "'", "''") + "'"
}
