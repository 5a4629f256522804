// Command reach writes into the guide of the API which command of the command
// line is done by which operation, and why some are not. A test makes sure that
// no command is forgotten.
package main

//go:generate go run . -root ../..

import (
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"
)

// guide has the table, between these marks.
const (
	guide = "docs/guides/api.md"
	begin = "<!-- Written by `make docs` from here on. -->\n"
	end   = "<!-- Until here. -->\n"
)

func main() {
	root := flag.String("root", ".", "the folder of the project")
	flag.Parse()
	if err := run(*root); err != nil {
		log.Fatal(err)
	}
}

func run(root string) error {
	path := filepath.Join(root, filepath.FromSlash(guide))
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read the guide: %w", err)
	}
	before, rest, begun := strings.Cut(string(text), begin)
	_, after, ended := strings.Cut(rest, end)
	if !begun || !ended {
		return fmt.Errorf("%s lacks the marks between which the table stands", guide)
	}
	if err := os.WriteFile(path, []byte(before+begin+written()+end+after), 0o644); err != nil { //nolint:gosec // to be read
		return fmt.Errorf("write the guide: %w", err)
	}
	return nil
}

// written is the table in Markdown.
func written() string {
	var b strings.Builder
	b.WriteString("| command | operations of the API | |\n|---|---|---|\n")
	for _, r := range table() {
		var operations []string
		for _, id := range r.Operations {
			operations = append(operations, "`"+id+"`")
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", r.Command, strings.Join(operations, ", "), r.Note)
	}
	return b.String()
}
