package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
)

// comments are what the source says of types and their fields, by
// "package.Type" and "package.Type.Field".
type comments map[string]string

// readComments reads those of the packages that the configuration is made of.
func readComments(root string) (comments, error) {
	says := comments{}
	for _, folder := range []string{"internal/config", "internal/retention", "internal/secret"} {
		if err := says.read(filepath.Join(root, filepath.FromSlash(folder))); err != nil {
			return nil, fmt.Errorf("read comments of %s: %w", folder, err)
		}
	}
	return says, nil
}

func (c comments) read(folder string) error {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(folder, e.Name()), nil, parser.ParseComments)
		if err != nil {
			return err
		}
		for _, d := range file.Decls {
			if d, ok := d.(*ast.GenDecl); ok && d.Tok == token.TYPE {
				c.addTypes(file.Name.Name, d)
			}
		}
	}
	return nil
}

func (c comments) addTypes(pkg string, d *ast.GenDecl) {
	for _, s := range d.Specs {
		spec, ok := s.(*ast.TypeSpec)
		if !ok {
			continue
		}
		name := pkg + "." + spec.Name.Name
		doc := d.Doc.Text()
		if spec.Doc != nil {
			doc = spec.Doc.Text()
		}
		first, _, _ := strings.Cut(doc, "\n\n") // the rest is for programmers
		c[name] = sentence(first)
		if t, ok := spec.Type.(*ast.StructType); ok {
			c.addFields(name, t)
		}
	}
}

// addFields notes what is said of each field. One without a comment shares
// that of a field before it that names both ("Media and Site say ...").
func (c comments) addFields(name string, t *ast.StructType) {
	doc := ""
	for _, f := range t.Fields.List {
		if f.Doc != nil {
			doc = sentence(f.Doc.Text())
		}
		for _, n := range f.Names {
			if strings.Contains(doc, n.Name) || f.Doc != nil {
				c[name+"."+n.Name] = doc
			}
		}
	}
}

func (c comments) ofType(t reflect.Type) string { return inKeys(c[t.String()], t) }

func (c comments) ofField(t reflect.Type, name string) string {
	return inKeys(c[t.String()+"."+name], t)
}

// inKeys writes the names of a type's fields as those of its keys.
func inKeys(doc string, t reflect.Type) string {
	for i := range t.NumField() {
		f := t.Field(i)
		if key := keyOf(f); key != "-" && key != "" && f.Name != t.Name() {
			doc = regexp.MustCompile(`\b`+f.Name+`\b`).ReplaceAllString(doc, key)
		}
	}
	return doc
}

// sentence joins the lines of a comment.
func sentence(doc string) string { return strings.Join(strings.Fields(doc), " ") }
