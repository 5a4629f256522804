package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// markdownName returns the file of a command: the program's own is what
// shows first in the folder.
func markdownName(c *cobra.Command) string {
	if !c.HasParent() {
		return "README.md"
	}
	return strings.ReplaceAll(c.CommandPath(), " ", "-") + ".md"
}

func markdownPage(c *cobra.Command) string {
	var b strings.Builder
	fmt.Fprintf(&b, "<!-- Written by `make docs` from the command itself. -->\n# %s\n\n%s\n\n", c.CommandPath(), c.Short)
	if c.Runnable() {
		fmt.Fprintf(&b, "```\n%s\n```\n\n", useLine(c))
	}
	if c.Long != "" {
		fmt.Fprintf(&b, "%s\n\n", markdownText(c.Long))
	}
	if c.Example != "" {
		fmt.Fprintf(&b, "## Examples\n\n```sh\n%s\n```\n\n", unindent(c.Example))
	}
	markdownCommands(&b, c)
	markdownOptions(&b, "Options", own(c))
	if c.HasParent() {
		fmt.Fprintf(&b, "The [options of every command](README.md#options-of-every-command) work here, too.\n\nSee also: [%s](%s)\n", c.Parent().CommandPath(), markdownName(c.Parent()))
		return b.String()
	}
	markdownOptions(&b, "Options of every command", global(c))
	return b.String()
}

func markdownCommands(b *strings.Builder, c *cobra.Command) {
	if !c.HasAvailableSubCommands() {
		return
	}
	b.WriteString("## Commands\n\n| command | what it does |\n|---|---|\n")
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() {
			fmt.Fprintf(b, "| [%s](%s) | %s |\n", sub.CommandPath(), markdownName(sub), sub.Short)
		}
	}
	b.WriteString("\n")
}

func markdownOptions(b *strings.Builder, title string, all []option) {
	if len(all) == 0 {
		return
	}
	fmt.Fprintf(b, "## %s\n\n| option | meaning |\n|---|---|\n", title)
	for _, o := range all {
		fmt.Fprintf(b, "| `%s` | %s |\n", strings.TrimSpace(o.names+" "+o.value), escapeCell(o.usage))
	}
	b.WriteString("\n")
}

// markdownText keeps paragraphs, and takes indented lines for what is to be
// shown as it is.
func markdownText(text string) string {
	var b strings.Builder
	inBlock := false
	for line := range strings.Lines(text + "\n") {
		indented := strings.HasPrefix(line, "  ")
		if indented != inBlock && strings.TrimSpace(line) != "" {
			b.WriteString(map[bool]string{true: "\n```\n", false: "```\n\n"}[indented])
			inBlock = indented
		}
		if inBlock || indented {
			b.WriteString(strings.TrimPrefix(line, "  "))
			continue
		}
		b.WriteString(escapeText(line))
	}
	if inBlock {
		b.WriteString("```\n")
	}
	return strings.TrimSpace(strings.ReplaceAll(strings.ReplaceAll(b.String(), "\n\n\n", "\n\n"), "\n\n```\n\n", "\n```\n\n"))
}

func escapeText(s string) string {
	return strings.NewReplacer("<", "&lt;", "*", `\*`).Replace(s)
}

func escapeCell(s string) string { return strings.ReplaceAll(escapeText(s), "|", `\|`) }

func unindent(s string) string {
	var b strings.Builder
	for line := range strings.Lines(s) {
		b.WriteString(strings.TrimPrefix(line, "  "))
	}
	return strings.TrimRight(b.String(), "\n")
}
