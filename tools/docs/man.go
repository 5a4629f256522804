package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

func manName(c *cobra.Command) string { return manTitle(c) + ".1" }

func manTitle(c *cobra.Command) string { return strings.ReplaceAll(c.CommandPath(), " ", "-") }

// manPage returns a page in the man macros of roff. It has no date: pages
// differ only if commands do.
func manPage(c *cobra.Command) string {
	var b strings.Builder
	fmt.Fprintf(&b, ".\\\" Written by \"make docs\" from the command itself.\n.TH %s 1 \"\" \"holdfast\" \"holdfast manual\"\n",
		strings.ToUpper(manTitle(c)))
	fmt.Fprintf(&b, ".SH NAME\n%s \\- %s\n", roff(manTitle(c)), roff(c.Short))
	if c.Runnable() {
		fmt.Fprintf(&b, ".SH SYNOPSIS\n.B %s\n", roff(useLine(c)))
	}
	if c.Long != "" {
		b.WriteString(".SH DESCRIPTION\n" + manText(c.Long))
	}
	manCommands(&b, c)
	manOptions(&b, "OPTIONS", own(c))
	if !c.HasParent() {
		manOptions(&b, "OPTIONS OF EVERY COMMAND", global(c))
	}
	if c.Example != "" {
		fmt.Fprintf(&b, ".SH EXAMPLES\n.nf\n%s\n.fi\n", roffLines(unindent(c.Example)))
	}
	if c.HasParent() {
		fmt.Fprintf(&b, ".SH SEE ALSO\n.BR %s (1),\nwhich has the options of every command and the exit codes\n", roff(manTitle(c.Root())))
	}
	return b.String()
}

func manCommands(b *strings.Builder, c *cobra.Command) {
	if !c.HasAvailableSubCommands() {
		return
	}
	b.WriteString(".SH COMMANDS\n")
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() {
			fmt.Fprintf(b, ".TP\n.BR %s (1)\n%s\n", roff(manTitle(sub)), roff(sub.Short))
		}
	}
}

func manOptions(b *strings.Builder, title string, all []option) {
	if len(all) == 0 {
		return
	}
	fmt.Fprintf(b, ".SH %s\n", title)
	for _, o := range all {
		fmt.Fprintf(b, ".TP\n\\fB%s\\fR", roff(o.names))
		if o.value != "" {
			fmt.Fprintf(b, " \\fI%s\\fR", roff(o.value))
		}
		fmt.Fprintf(b, "\n%s\n", roffLines(o.usage))
	}
}

// manText keeps paragraphs, and shows indented lines as they are.
func manText(text string) string {
	var b strings.Builder
	inBlock := false
	for line := range strings.Lines(text + "\n") {
		line = strings.TrimRight(line, "\n")
		indented := strings.HasPrefix(line, "  ")
		switch {
		case line == "" && !inBlock:
			b.WriteString(".PP\n")
			continue
		case indented && !inBlock:
			b.WriteString(".PP\n.nf\n")
		case !indented && inBlock:
			b.WriteString(".fi\n.PP\n")
		}
		inBlock = indented
		if line != "" {
			b.WriteString(roffLines(line) + "\n")
		}
	}
	if inBlock {
		b.WriteString(".fi\n")
	}
	return b.String()
}

// roff escapes text of one line.
func roff(s string) string {
	return strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", "\\(ga", "^", `\(ha`, "~", `\(ti`).Replace(s)
}

// roffLines escapes lines, of which none may look like a request.
func roffLines(s string) string {
	lines := strings.Split(roff(s), "\n")
	for k, line := range lines {
		if strings.HasPrefix(line, ".") {
			lines[k] = `\&` + line
		}
	}
	return strings.Join(lines, "\n")
}
