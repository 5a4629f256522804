package cli

import (
	"errors"
	"strings"

	"github.com/spf13/pflag"

	"holdfast/internal/pattern"
)

// attributeFlags say which extended attributes are restored.
type attributeFlags struct {
	include, exclude []string
}

func (f *attributeFlags) register(fl *pflag.FlagSet) {
	fl.StringArrayVar(&f.include, "include-xattr", nil, "restore only extended attributes whose names match a `pattern`, such as user.* (may be repeated)")
	fl.StringArrayVar(&f.exclude, "exclude-xattr", nil, "do not restore extended attributes whose names match a `pattern`, such as security.* (may be repeated)")
}

// filter returns what tells whether an attribute is restored, nil for all.
func (f *attributeFlags) filter() (func(name string) bool, error) {
	switch {
	case len(f.include) > 0 && len(f.exclude) > 0:
		return nil, errors.New("--include-xattr and --exclude-xattr exclude each other")
	case len(f.include) > 0:
		return attributeMatcher(f.include, true)
	case len(f.exclude) > 0:
		return attributeMatcher(f.exclude, false)
	}
	return nil, nil //nolint:nilnil // all attributes
}

// attributeMatcher tells of names whether they match a pattern, or, with when
// false, whether they match none.
func attributeMatcher(patterns []string, when bool) (func(name string) bool, error) {
	for _, p := range patterns {
		if strings.Contains(p, "/") {
			return nil, errors.New("names of extended attributes have no slash in them: " + printable(p))
		}
	}
	list, err := pattern.Parse(patterns)
	if err != nil {
		return nil, err
	}
	return func(name string) bool { return list.Match("/"+name) == when }, nil
}
