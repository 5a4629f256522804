// Command openapi writes the OpenAPI document of the HTTP API, from the table
// of its operations, the types that they take and give, and their comments. The
// same sources always give the same bytes.
package main

//go:generate go run . -root ../..

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	"holdfast/internal/api"
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
	operations := api.Operations()
	says, err := comments.Read(root, []string{"internal/api", "internal/event", "internal/objective"}, keysOf(operations))
	if err != nil {
		return err
	}
	m := &maker{says: says, schemas: map[string]*schema{}}
	text, err := json.Marshal(m.document(operations))
	if err != nil {
		return fmt.Errorf("encode the document: %w", err)
	}
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, text, "", "  "); err != nil {
		return fmt.Errorf("encode the document: %w", err)
	}
	pretty.WriteByte('\n')
	for file, text := range map[string][]byte{
		"docs/openapi.json":         pretty.Bytes(), // for people
		"internal/api/openapi.json": text,           // for the program to carry
	} {
		if err := os.WriteFile(filepath.Join(root, filepath.FromSlash(file)), text, 0o644); err != nil { //nolint:gosec // to be read
			return fmt.Errorf("write the document: %w", err)
		}
	}
	return nil
}

// keysOf returns what names a field as clients know it: as a key in JSON, or
// as a parameter.
func keysOf(operations []api.Operation) func(reflect.StructField) string {
	parameters := map[string]string{}
	for i := range operations {
		for _, p := range operations[i].Parameters() {
			parameters[p.Field.Name] = p.Name
		}
	}
	return func(f reflect.StructField) string {
		if _, inJSON := f.Tag.Lookup("json"); inJSON {
			return jsonKey(f)
		}
		return parameters[f.Name]
	}
}

func jsonKey(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name
}
