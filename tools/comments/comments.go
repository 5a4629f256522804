// Package comments has what the source says of types and their fields, for
// references that are made of them.
package comments

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
)

// Comments are what the source says of types and their fields.
type Comments struct {
	// says is by "package.Type" and "package.Type.Field".
	says map[string]string
	// key names a field as its users know it, "-" and "" for those that they
	// do not.
	key func(reflect.StructField) string
	// values are the texts of constants by the type they have, in their order.
	values map[string][]string
}

// Read reads those of some folders below root. In all of them fields are
// called by their keys.
func Read(root string, folders []string, key func(reflect.StructField) string) (*Comments, error) {
	c := &Comments{says: map[string]string{}, key: key, values: map[string][]string{}}
	for _, folder := range folders {
		if err := c.read(filepath.Join(root, filepath.FromSlash(folder))); err != nil {
			return nil, fmt.Errorf("read comments of %s: %w", folder, err)
		}
	}
	return c, nil
}

func (c *Comments) read(folder string) error {
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
			switch d, ok := d.(*ast.GenDecl); {
			case ok && d.Tok == token.TYPE:
				c.addTypes(file.Name.Name, d)
			case ok && d.Tok == token.CONST:
				c.addValues(file.Name.Name, d)
			}
		}
	}
	return nil
}

func (c *Comments) addTypes(pkg string, d *ast.GenDecl) {
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
		c.says[name] = sentence(first)
		if t, ok := spec.Type.(*ast.StructType); ok {
			c.addFields(name, t)
		}
	}
}

// addFields notes what is said of each field. One without a comment shares
// that of a field before it that names both ("Media and Site say ...").
func (c *Comments) addFields(name string, t *ast.StructType) {
	doc := ""
	for _, f := range t.Fields.List {
		if f.Doc != nil {
			doc = sentence(f.Doc.Text())
		}
		for _, n := range f.Names {
			if strings.Contains(doc, n.Name) || f.Doc != nil {
				c.says[name+"."+n.Name] = doc
			}
		}
	}
}

// addValues notes the texts of constants.
func (c *Comments) addValues(pkg string, d *ast.GenDecl) {
	for _, s := range d.Specs {
		spec, ok := s.(*ast.ValueSpec)
		if !ok {
			continue
		}
		of, named := spec.Type.(*ast.Ident)
		for _, value := range spec.Values {
			text, isText := value.(*ast.BasicLit)
			if !named || !isText || text.Kind != token.STRING {
				continue
			}
			if word, err := strconv.Unquote(text.Value); err == nil {
				c.values[pkg+"."+of.Name] = append(c.values[pkg+"."+of.Name], word)
			}
		}
	}
}

// OfType returns what is said of a type.
func (c *Comments) OfType(t reflect.Type) string { return c.inKeys(c.says[t.String()], t) }

// OfField returns what is said of a field of a type.
func (c *Comments) OfField(t reflect.Type, name string) string {
	return c.inKeys(c.says[t.String()+"."+name], t)
}

// Values returns the texts of the constants of a type.
func (c *Comments) Values(t reflect.Type) []string { return c.values[t.String()] }

// inKeys writes the names of a type's fields as those of its keys.
func (c *Comments) inKeys(doc string, t reflect.Type) string {
	if t.Kind() != reflect.Struct {
		return doc
	}
	for i := range t.NumField() {
		f := t.Field(i)
		if key := c.key(f); key != "-" && key != "" && f.Name != t.Name() {
			doc = regexp.MustCompile(`\b`+f.Name+`\b`).ReplaceAllString(doc, key)
		}
	}
	return doc
}

// sentence joins the lines of a comment.
func sentence(doc string) string { return strings.Join(strings.Fields(doc), " ") }
