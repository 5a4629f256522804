package cli

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/pflag"

	"holdfast/internal/pattern"
)

// patternFlags are the four flags that give patterns of one kind.
type patternFlags struct {
	exact, folded           []string
	exactFiles, foldedFiles []string
}

// register adds the flags --kind, --ikind, --kind-file and --ikind-file.
func (f *patternFlags) register(fl *pflag.FlagSet, kind, short, does string) {
	fl.StringArrayVarP(&f.exact, kind, short, nil, does+" what matches a `pattern` (may be repeated)")
	fl.StringArrayVar(&f.folded, "i"+kind, nil, "as --"+kind+" with a `pattern`, whatever the case of letters")
	fl.StringArrayVar(&f.exactFiles, kind+"-file", nil, "read --"+kind+" patterns from a `file`")
	fl.StringArrayVar(&f.foldedFiles, "i"+kind+"-file", nil, "as --"+kind+"-file with a `file`, whatever the case of letters")
}

// lists compiles the patterns given; without any there are no lists.
func (f *patternFlags) lists(c *command) (pattern.Lists, error) {
	var lists pattern.Lists
	for _, kind := range []struct {
		given, files []string
		parse        func([]string) (*pattern.List, error)
	}{{f.exact, f.exactFiles, pattern.Parse}, {f.folded, f.foldedFiles, pattern.ParseFold}} {
		all := append([]string(nil), kind.given...)
		for _, path := range kind.files {
			read, err := c.readPatterns(path)
			if err != nil {
				return nil, err
			}
			all = append(all, read...)
		}
		list, err := kind.parse(all)
		if err != nil {
			return nil, err
		}
		if !list.Empty() {
			lists = append(lists, list)
		} else if len(kind.files) > 0 {
			return nil, errors.New("a pattern file was given, but it holds no patterns")
		}
	}
	return lists, nil
}

// readPatterns reads a file of patterns, or standard input for "-".
func (c *command) readPatterns(path string) ([]string, error) {
	var data []byte
	var err error
	if path == "-" {
		data, err = io.ReadAll(c.streams.In)
	} else {
		data, err = os.ReadFile(path)
	}
	if err != nil {
		return nil, fmt.Errorf("read patterns: %w", err)
	}
	parsed := pattern.ParseFile(data, os.LookupEnv)
	for _, name := range parsed.Unset {
		c.ui.warn("read patterns", path, fmt.Errorf("$%s is not set; it was replaced by nothing", name))
	}
	return parsed.Patterns, nil
}
