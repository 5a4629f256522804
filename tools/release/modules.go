package main

import (
	"bytes"
	"context"
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// bom is a list of modules as CycloneDX 1.5 has it.
type bom struct {
	Format     string      `json:"bomFormat"`
	Specified  string      `json:"specVersion"`
	Version    int         `json:"version"`
	Metadata   bomMetadata `json:"metadata"`
	Components []component `json:"components"`
}

type bomMetadata struct {
	Timestamp string    `json:"timestamp"`
	Component component `json:"component"`
}

type component struct {
	Type    string `json:"type"`
	Ref     string `json:"bom-ref,omitempty"`
	Name    string `json:"name"`
	Version string `json:"version"`
	PURL    string `json:"purl,omitempty"`
}

// modules lists the modules in the programs, as these say themselves.
func (r *release) modules(programs map[string]string) error {
	found := map[string]component{}
	for _, path := range programs {
		info, err := buildinfo.ReadFile(path)
		if err != nil {
			return err
		}
		for _, m := range info.Deps {
			if m.Replace != nil {
				m = m.Replace
			}
			found[m.Path] = component{"library", m.Path, m.Path, m.Version, "pkg:golang/" + m.Path + "@" + m.Version}
		}
		version := strings.TrimPrefix(info.GoVersion, "go")
		found["std"] = component{"library", "std", "std", version, "pkg:golang/std@" + version}
	}
	b := bom{
		Format: "CycloneDX", Specified: "1.5", Version: 1,
		Metadata: bomMetadata{r.made.Format("2006-01-02T15:04:05Z"), component{Type: "application", Name: "holdfast", Version: r.version}},
	}
	for _, name := range slices.Sorted(maps.Keys(found)) {
		b.Components = append(b.Components, found[name])
	}
	data, err := json.MarshalIndent(b, "", "  ")
	if err != nil {
		return err
	}
	path := filepath.Join(r.folder, fmt.Sprintf("holdfast_%s_modules.cdx.json", r.version))
	if err := os.WriteFile(path, append(data, '\n'), 0o644); err != nil {
		return err
	}
	r.note(path)
	return nil
}

// licenses returns the licenses of all modules in the program, which those who
// hand it on have to hand on, too.
func (r *release) licenses(ctx context.Context) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "go", "list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}} {{.Dir}}{{end}}{{end}}", "./cmd/holdfast")
	cmd.Dir, cmd.Stderr = r.root, os.Stderr
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64")
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("list the modules: %w", err)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	slices.Sort(lines)
	var all bytes.Buffer
	for _, line := range slices.Compact(lines) {
		module, rest, _ := strings.Cut(line, " ")
		version, dir, _ := strings.Cut(rest, " ")
		texts, err := licensesIn(dir)
		if err != nil {
			return nil, err
		}
		if len(texts) == 0 {
			return nil, fmt.Errorf("module %s has no license that this program finds", module)
		}
		for _, text := range texts {
			fmt.Fprintf(&all, "==== %s %s\n\n%s\n\n", module, version, bytes.TrimSpace(text))
		}
	}
	return all.Bytes(), nil
}

func licensesIn(dir string) ([][]byte, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var texts [][]byte
	for _, e := range entries {
		name := strings.ToUpper(e.Name())
		if e.IsDir() || !(strings.HasPrefix(name, "LICEN") || strings.HasPrefix(name, "COPYING") || strings.HasPrefix(name, "NOTICE")) || strings.HasSuffix(name, ".GO") {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		texts = append(texts, text)
	}
	return texts, nil
}
