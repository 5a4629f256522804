package web

import (
	"embed"
	"fmt"
	"html/template"
	"io"
	"sync"
)

//go:embed templates
var templateFiles embed.FS

// templates are the pages, each parsed when it is first shown: a service
// nobody looks at parses none.
type templates struct {
	functions template.FuncMap

	mu     sync.Mutex
	shared *template.Template // layout.html and part_*.html
	parsed map[string]*template.Template
}

func newTemplates(f template.FuncMap) *templates {
	return &templates{functions: f, parsed: make(map[string]*template.Template)}
}

// execute shows data in the layout with the "main" of a file.
func (t *templates) execute(w io.Writer, name string, data any) error {
	page, err := t.page(name)
	if err != nil {
		return err
	}
	return page.ExecuteTemplate(w, "layout.html", data)
}

func (t *templates) page(name string) (*template.Template, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if p := t.parsed[name]; p != nil {
		return p, nil
	}
	if t.shared == nil {
		shared, err := template.New("").Funcs(t.functions).ParseFS(templateFiles, "templates/layout.html", "templates/part_*.html")
		if err != nil {
			return nil, fmt.Errorf("parse the layout: %w", err)
		}
		t.shared = shared
	}
	p, err := t.shared.Clone()
	if err != nil {
		return nil, err
	}
	if p, err = p.ParseFS(templateFiles, "templates/"+name); err != nil {
		return nil, fmt.Errorf("parse %s: %w", name, err)
	}
	t.parsed[name] = p
	return p, nil
}
