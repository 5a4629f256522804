package arch_test

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// ring numbers the rings from the outside in.
type ring int

// check reads every Go file of the module at the root of tree, except tests,
// and returns what breaks the rules, one sentence each.
func check(tree fs.FS) ([]string, error) {
	module, err := moduleOf(tree)
	if err != nil {
		return nil, err
	}
	c := &checker{module: module}
	err = fs.WalkDir(tree, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir():
			return skip(tree, name)
		case !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		return c.file(tree, name)
	})
	return c.found, err
}

// skip leaves out folders that hold no code of this module.
func skip(tree fs.FS, name string) error {
	base := path.Base(name)
	if name == "." {
		return nil
	}
	if base == "testdata" || base[0] == '.' || base[0] == '_' {
		return fs.SkipDir
	}
	if _, err := fs.Stat(tree, name+"/go.mod"); err == nil {
		return fs.SkipDir
	}
	return nil
}

func moduleOf(tree fs.FS) (string, error) {
	text, err := fs.ReadFile(tree, "go.mod")
	if err != nil {
		return "", err
	}
	first, _, _ := strings.Cut(string(text), "\n")
	module, ok := strings.CutPrefix(first, "module ")
	if !ok {
		return "", errors.New("go.mod does not begin with its module line")
	}
	return strings.TrimSpace(module), nil
}

type checker struct {
	module string
	found  []string
}

func (c *checker) file(tree fs.FS, name string) error {
	text, err := fs.ReadFile(tree, name)
	if err != nil {
		return err
	}
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, name, text, parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	report := func(pos token.Pos, format string, args ...any) {
		c.found = append(c.found, fmt.Sprintf("%s:%d: ", name, files.Position(pos).Line)+fmt.Sprintf(format, args...))
	}
	from := path.Dir(name)
	family, r, ok := place(from)
	if !ok {
		report(file.Package, "%s stands in no ring: add it to placed in internal/arch_test.go", from)
		return nil
	}
	for _, spec := range file.Imports {
		target, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return err
		}
		inside, ours := strings.CutPrefix(target, c.module+"/")
		var broken string
		if ours {
			broken = crossing(from, family, r, inside)
		} else {
			broken = foreign(r, target)
		}
		if broken != "" {
			report(spec.Pos(), "%s imports %s: %s", from, target, broken)
		}
	}
	for pos, habit := range habits(file, r) {
		report(pos, "%s", habit)
	}
	return nil
}

// place finds the entry of placed that a package belongs to.
func place(pkg string) (family string, r ring, ok bool) {
	for family = pkg; family != "."; family = path.Dir(family) {
		if r, ok = placed[family]; ok {
			return family, r, true
		}
	}
	return "", 0, false
}

// crossing judges an import between two packages of the module; "" allows it.
func crossing(from, family string, r ring, to string) string {
	toFamily, toRing, ok := place(to)
	switch {
	case !ok:
		return "it stands in no ring: add it to placed in internal/arch_test.go"
	case slices.Contains(implementations, to) && r != shell && r != tool && !within(from, to):
		return "only the shell names implementations: hold the interface instead"
	case family == toFamily:
		return ""
	case r == public && strings.HasPrefix(to, "internal/"):
		return "public packages stand without the rest of the project"
	case r > public && toRing == public:
		if slices.Contains(pure, to) {
			return ""
		}
		return "rules and basics know values only"
	case slices.Contains(shortcuts[family], toFamily):
		return ""
	case r == toRing && r == job:
		return "jobs do not know each other: declare the interface you need, and app hands it over"
	case r == toRing:
		return "the two stand in one ring, without a shortcut"
	case r > toRing:
		return "imports point inwards"
	}
	return ""
}

// within tells whether pkg is the folder or lies below it.
func within(pkg, folder string) bool {
	return pkg == folder || strings.HasPrefix(pkg, folder+"/")
}

// foreign judges an import of the standard library or another module.
func foreign(r ring, target string) string {
	if r != rule {
		return ""
	}
	for _, side := range []string{"os", "net", "syscall", "database/sql", "golang.org/x/sys", "testing"} {
		if within(target, side) {
			return "rules do no I/O: take the facts as arguments"
		}
	}
	return ""
}

// habits finds calls and functions that the ring of a file rules out.
func habits(file *ast.File, r ring) map[token.Pos]string {
	found := map[token.Pos]string{}
	for _, decl := range file.Decls {
		if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
			found[f.Pos()] = "init() runs in every program, asked or not: call it where it is needed"
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		s, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		x, ok := s.X.(*ast.Ident)
		if !ok {
			return true
		}
		call := x.Name + "." + s.Sel.Name
		switch {
		case r > command && (call == "os.Exit" || strings.HasPrefix(call, "log.Fatal")):
			found[s.Pos()] = "only main exits: return an error"
		case r == rule && slices.Contains([]string{"time.Now", "time.Since", "time.Until", "time.Sleep", "time.After", "time.NewTimer"}, call):
			found[s.Pos()] = "rules have no clock: take the time as an argument"
		}
		return true
	})
	return found
}
