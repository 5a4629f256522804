// Command schema writes the reference of holdfast.yaml, from the types that it
// is decoded into and their comments: a JSON Schema, and the tables of keys in
// the guide. The same sources always give the same bytes.
package main

//go:generate go run . -root ../..

import (
	"flag"
	"log"
	"strings"

	"holdfast/tools/comments"
)

func main() {
	root := flag.String("root", ".", "the folder of the project")
	flag.Parse()
	if err := run(*root); err != nil {
		log.Fatal(err)
	}
}

func run(root string) error {
	says, err := comments.Read(root, []string{"internal/config", "internal/retention", "internal/secret"}, keyOf)
	if err != nil {
		return err
	}
	if err := writeSchema(root, says); err != nil {
		return err
	}
	return writeKeys(root, says)
}

// escapeCell writes a text for a table.
func escapeCell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }
