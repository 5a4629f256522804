package config

import (
	"path/filepath"
	"strings"

	"holdfast/internal/secret"
)

// Repository says where a repository lies and how it is opened.
type Repository struct {
	// URL is a path, or "scheme:..." for a place that is not a local disk.
	URL string `yaml:"url"`
	// Media and Site say what a copy here is independent of: the kind of
	// medium (disk, object, tape) and the failure domain.
	Media string `yaml:"media,omitempty"`
	Site  string `yaml:"site,omitempty"`
	// Password opens it.
	Password secret.Ref `yaml:"password,flow"`
	// Options are settings of the kind of place, such as the region of a
	// bucket. They are no place for secrets.
	Options map[string]string `yaml:"options,omitempty"`

	// Immutable locks every object from the first instant on.
	Immutable *Immutable `yaml:"immutable,flow,omitempty" config:"whole"`
	// Tiers move what is seldom read to cheaper classes.
	Tiers *Tiers `yaml:"tiers,flow,omitempty"`

	// Log has the keys of the log archive. LogURL is where the archive lies
	// when it is not in the repository itself.
	Log    *Log   `yaml:"log,omitempty"`
	LogURL string `yaml:"log_url,omitempty"`
}

func (r Repository) check(k *checker) {
	switch {
	case r.URL == "":
		k.key("url").require(false, "write where the repository lies, such as url: /srv/holdfast")
	case !hasScheme(r.URL) && !filepath.IsAbs(r.URL):
		k.key("url").report("a relative path leads somewhere else from every folder", "write the whole path, from / on")
	}
	checkSecret(k.key("password"), r.Password)
	if r.Immutable != nil {
		r.Immutable.check(k.key("immutable"))
	}
	if r.Tiers != nil {
		r.Tiers.check(k.key("tiers"))
	}
	if r.Log != nil {
		r.Log.check(k.key("log"))
	}
}

// hasScheme tells whether url names another kind of place than a path. A
// drive letter is no scheme.
func hasScheme(url string) bool {
	scheme, _, found := strings.Cut(url, ":")
	return found && len(scheme) > 1 && !strings.ContainsAny(scheme, `/\`)
}

func checkSecret(k *checker, ref secret.Ref) {
	if err := ref.Validate(); err != nil {
		k.report(err.Error(), "such as { file: /etc/holdfast/password }")
	}
}
