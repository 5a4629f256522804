package main

import (
	"cmp"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// option is a flag as a page shows it.
type option struct {
	names string // "-r, --repo"
	value string // "repository", "" for a switch
	usage string
}

// own returns the flags of a command that its parents do not have.
func own(c *cobra.Command) []option {
	if !c.HasParent() {
		return nil // all of them are global
	}
	return options(c.NonInheritedFlags())
}

// global returns the flags of every command.
func global(c *cobra.Command) []option { return options(c.Root().PersistentFlags()) }

func options(flags *pflag.FlagSet) []option {
	var all []option
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" {
			return
		}
		o := option{names: "--" + f.Name}
		if f.Shorthand != "" {
			o.names = "-" + f.Shorthand + ", " + o.names
		}
		o.value, o.usage = pflag.UnquoteUsage(f)
		if f.Value.Type() == "count" { // a switch that counts
			o.value = ""
		}
		if d := shownDefault(f); d != "" {
			o.usage += " (default " + d + ")"
		}
		all = append(all, o)
	})
	slices.SortFunc(all, func(a, b option) int { return cmp.Compare(longName(a), longName(b)) })
	return all
}

func longName(o option) string { return o.names[strings.Index(o.names, "--"):] }

// shownDefault returns the default of a flag unless it is that of its type,
// or its usage tells it.
func shownDefault(f *pflag.Flag) string {
	switch f.DefValue {
	case "", "0", "0s", "false", "[]", "unlimited", "0B":
		return ""
	}
	if strings.Contains(f.Usage, "(default") {
		return ""
	}
	if f.Value.Type() == "string" {
		return `"` + f.DefValue + `"`
	}
	return f.DefValue
}

// useLine returns how a command is called.
func useLine(c *cobra.Command) string {
	return strings.ReplaceAll(c.UseLine(), "[flags] [flags]", "[flags]")
}
