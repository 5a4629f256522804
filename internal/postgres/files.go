package postgres

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// inFiles are the settings of a connection that name files, with the variables
// that libpq takes them from. What is only in service files has none.
var inFiles = [...]struct{ key, variable string }{
	{"passfile", "PGPASSFILE"},
	{"servicefile", "PGSERVICEFILE"},
	{"sslkey", "PGSSLKEY"},
	{"sslcert", "PGSSLCERT"},
	{"sslrootcert", "PGSSLROOTCERT"},
	{"sslcrl", "PGSSLCRL"},
	{"sslcrldir", "PGSSLCRLDIR"},
}

// Files returns what of this machine decides where a connection string leads
// to, who is let in, and which server is believed: passwords, services, keys
// and certificates, as libpq finds them. Not all need to exist: whoever can put
// one there is as good as who can change it.
func Files(dsn string) []string {
	said := settingsIn(dsn)
	service := said["service"]
	if service == "" {
		service = os.Getenv("PGSERVICE")
	}
	var files []string
	add := func(settings map[string]string) {
		for _, one := range inFiles {
			files = append(files, settings[one.key])
		}
	}
	add(said)
	for _, one := range inFiles {
		files = append(files, os.Getenv(one.variable))
	}
	if home, err := os.UserHomeDir(); err == nil {
		files = append(files, filepath.Join(home, ".pgpass"), filepath.Join(home, ".postgresql"), filepath.Join(home, ".pg_service.conf"))
	}
	if folder := os.Getenv("PGSYSCONFDIR"); folder != "" {
		files = append(files, filepath.Join(folder, "pg_service.conf"))
	}
	if service != "" {
		for _, file := range slices.Clone(files) {
			add(serviceIn(file, service))
		}
	}
	slices.Sort(files)
	return slices.DeleteFunc(slices.Compact(files), func(file string) bool { return !filepath.IsAbs(file) })
}

// settingsIn returns what a connection string says, in either of libpq's forms.
func settingsIn(dsn string) map[string]string {
	if u, err := ParseURL(dsn); IsURL(dsn) && err == nil {
		return u.Parameters()
	}
	said := make(map[string]string)
	for rest := strings.TrimSpace(dsn); rest != ""; {
		key, after, ok := strings.Cut(rest, "=")
		if !ok {
			break
		}
		value, next, ok := cutValue(strings.TrimLeft(after, " \t\n"))
		if !ok {
			break
		}
		said[strings.TrimSpace(key)], rest = value, next
	}
	return said
}

// HasPassword tells whether a connection string holds a password.
func HasPassword(dsn string) bool {
	if IsURL(dsn) {
		u, err := ParseURL(dsn)
		_, has := u.Password()
		return has || err != nil // nobody knows what of it is one
	}
	_, has := settingsIn(dsn)["password"]
	return has
}

// HasKeyPassword tells whether a connection string holds the password of a key.
func HasKeyPassword(dsn string) bool {
	_, has := settingsIn(dsn)[keyPassword]
	return has
}

// maxServiceFile bounds what is read in the hope that it names services.
const maxServiceFile = 1 << 20

// serviceIn returns what a file says of a service, if it is one of libpq's for
// services (see its documentation, "The Connection Service File").
func serviceIn(file, service string) map[string]string {
	info, err := os.Stat(file)
	if err != nil || !info.Mode().IsRegular() || info.Size() > maxServiceFile {
		return nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	said, within := make(map[string]string), false
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") {
			within = line == "["+service+"]"
		} else if key, value, ok := strings.Cut(line, "="); ok && within {
			said[strings.TrimSpace(key)] = strings.TrimSpace(value)
		}
	}
	return said
}
