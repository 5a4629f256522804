package arch_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	fence   = regexp.MustCompile("(?s)```.*?```")
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.*)$`)
	quoted  = regexp.MustCompile("`((?:internal|storage|repository|tools|test|docs)/[a-z0-9/_.]+)`")
)

// A link in a document leads to a file that is there, and to a heading in it.
func TestLinksOfDocuments(t *testing.T) {
	for _, doc := range documents(t) {
		for _, found := range link.FindAllStringSubmatch(prose(t, doc), -1) {
			if strings.Contains(found[1], ":") { // a page of somebody else
				continue
			}
			path, anchor, _ := strings.Cut(found[1], "#")
			target := doc
			if path != "" {
				target = filepath.Join(filepath.Dir(doc), filepath.FromSlash(path))
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s links to %s, which is not there", doc, found[1])
			} else if anchor != "" && strings.HasSuffix(target, ".md") && !slices.Contains(anchors(t, target), anchor) {
				t.Errorf("%s links to %s, and there is no such heading", doc, found[1])
			}
		}
	}
}

// A row of ARCHITECTURE.md that names a package or file of another time sends
// newcomers nowhere.
func TestPathsOfArchitecture(t *testing.T) {
	for _, found := range quoted.FindAllStringSubmatch(prose(t, "../docs/ARCHITECTURE.md"), -1) {
		if _, err := os.Stat(filepath.Join("..", filepath.FromSlash(found[1]))); err != nil {
			t.Errorf("ARCHITECTURE.md names %s, which is not there", found[1])
		}
	}
}

// documents are those of the project, from here.
func documents(t *testing.T) (all []string) {
	t.Helper()
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name := d.Name(); d.IsDir() && (name == "bin" || name == "dist" || name == "testdata" || strings.HasPrefix(name, ".") && name != "..") {
			return fs.SkipDir
		}
		if strings.HasSuffix(path, ".md") {
			all = append(all, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// prose is a document without its blocks of code.
func prose(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return fence.ReplaceAllString(string(text), "")
}

// anchors are the headings of a document as links name them.
func anchors(t *testing.T, path string) (all []string) {
	t.Helper()
	for _, found := range heading.FindAllStringSubmatch(prose(t, path), -1) {
		name := strings.Map(func(r rune) rune {
			switch {
			case r == ' ', r == '-':
				return '-'
			case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '_':
				return r
			}
			return -1
		}, strings.ToLower(found[1]))
		all = append(all, name)
	}
	return all
}
