package unit

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"holdfast/internal/app"
	"holdfast/internal/config"
	"holdfast/internal/secret"
)

// Folder is one that the service writes to because holdfast.yaml says so.
type Folder struct {
	Path string `json:"path"`
	// For is what it is, such as "repository local".
	For string `json:"for"`
	// Repository tells that it is one, or the log of one; Restores that the
	// service restores to it.
	Repository bool `json:"repository"`
	Restores   bool `json:"restores"`
}

// Folders returns the folders of this machine that the plans write to, by
// what they are.
func Folders(cfg *config.Config) []Folder {
	var all []Folder
	for _, name := range slices.Sorted(maps.Keys(cfg.Repositories)) {
		r := cfg.Repositories[name]
		all = appendLocal(all, r.URL, "repository "+name)
		all = appendLocal(all, r.LogURL, "log of repository "+name)
	}
	for _, name := range slices.Sorted(maps.Keys(cfg.Plans)) {
		if test := cfg.Plans[name].RestoreTest; test != nil && test.Scratch != "" {
			all = append(all, Folder{Path: test.Scratch, For: "restore tests of plan " + name})
		}
	}
	for _, dir := range cfg.Service.RestoreDirs {
		all = append(all, Folder{Path: filepath.Clean(dir), For: "restores by the service", Restores: true})
	}
	for _, place := range cfg.Service.ArchivePlaces {
		if folder, local := app.LocalFolder(place); local && filepath.IsAbs(folder) {
			all = append(all, Folder{Path: folder, For: "archives"})
		}
	}
	return all
}

func appendLocal(all []Folder, url, what string) []Folder {
	folder, local := app.LocalFolder(url)
	if !local || !filepath.IsAbs(folder) {
		return all
	}
	return append(all, Folder{Path: folder, For: what, Repository: true})
}

// needsSharedTemp tells whether something that is backed up, or written to,
// lies in a folder for temporary files: a private one would hide it.
func needsSharedTemp(cfg *config.Config, folders []Folder) bool {
	paths := []string{cfg.Path}
	for _, f := range folders {
		paths = append(paths, f.Path)
	}
	for _, s := range cfg.Sources {
		if s.Files != nil {
			paths = append(paths, s.Files.Paths...)
		}
		if s.Postgres != nil && (strings.Contains(s.Postgres.DSN, "/tmp") || strings.Contains(strings.ToLower(s.Postgres.DSN), "%2ftmp")) {
			return true // the server's socket
		}
	}
	return slices.ContainsFunc(paths, func(path string) bool { return below("/tmp", path) || below("/var/tmp", path) })
}

// environment returns the names of the variables that secrets are taken from.
func environment(cfg *config.Config) []string {
	var names []string
	add := func(ref secret.Ref) {
		if ref.Env != "" && !slices.Contains(names, ref.Env) {
			names = append(names, ref.Env)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(cfg.Repositories)) {
		add(cfg.Repositories[name].Password)
	}
	for _, name := range slices.Sorted(maps.Keys(cfg.Notify)) {
		add(cfg.Notify[name].URL)
	}
	return names
}
