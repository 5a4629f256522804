package mount

import (
	"errors"
	"fmt"
	"path"
	"strings"
	"time"

	"holdfast/repository/snapshot"
)

// The default Layout, which is restic's.
var (
	// DefaultPaths are the places where a snapshot appears.
	DefaultPaths = []string{"ids/%i", "snapshots/%T", "hosts/%h/%T", "tags/%t/%T"}
	// DefaultTime is the form of times in them.
	DefaultTime = time.RFC3339
)

// Layout says where snapshots appear.
type Layout struct {
	// Paths are templates, in which %i stands for the short ID, %I for the
	// ID, %u for the user, %h for the host, %t for a tag (the snapshot then
	// appears once for each) and %T for the time. A template that ends with
	// "/%T" has a symlink "latest" beside the snapshots.
	Paths []string
	// Time is the form of %T, as time.Format takes it.
	Time string
}

// Validate returns what is wrong with a layout.
func (l Layout) Validate() error {
	if l.Time == "" || l.Time != strings.TrimPrefix(path.Clean("/"+l.Time), "/") {
		return errors.New("the time template must be a name, or names with single slashes between them")
	}
	if len(l.Paths) == 0 {
		return errors.New("there is no path template")
	}
	for _, p := range l.Paths {
		if staticFolder(p) == p {
			return fmt.Errorf("path template %q names no property of a snapshot, such as %%i", p)
		}
	}
	return nil
}

// folder is a folder above the snapshots.
type folder struct {
	entries map[string]*entry
	// made is when the newest snapshot in it was made.
	made time.Time
}

// entry is what a folder holds under one name; one of the fields is set.
type entry struct {
	folder   *folder
	snapshot *snapshot.Snapshot
	link     string // target of a symlink
}

func newFolder() *folder { return &folder{entries: make(map[string]*entry)} }

// build arranges snapshots, which are sorted with the oldest first.
func (l Layout) build(list []*snapshot.Snapshot) *folder {
	root := newFolder()
	for _, template := range l.Paths {
		// Empty folders tell what there could be.
		root.enter(path.Clean("/" + staticFolder(template)))
	}
	for _, s := range list {
		for _, template := range l.Paths {
			for _, p := range l.expand(template, s) {
				root.place(p, s, strings.HasSuffix("/"+template, "/%T"), l.suffixDepth())
			}
		}
	}
	return root
}

// suffixDepth is how many folders a time takes.
func (l Layout) suffixDepth() int { return strings.Count(l.Time, "/") + 1 }

// place puts a snapshot at a path, or beside it if the place is taken. The
// last components, timeDepth of them, are those of a time.
func (f *folder) place(p string, s *snapshot.Snapshot, latest bool, timeDepth int) {
	dir, name := path.Split(p)
	at := f.enter(dir)
	name = at.freeName(name)
	at.entries[name] = &entry{snapshot: s}
	f.touch(dir, s.Time)
	if !latest {
		return
	}
	parts := strings.Split(path.Join(dir, name), "/")
	split := max(0, len(parts)-timeDepth)
	above := f.enter(strings.Join(parts[:split], "/"))
	if e := above.entries[latestName]; e == nil || e.link != "" {
		above.entries[latestName] = &entry{link: strings.Join(parts[split:], "/")}
	}
}

const latestName = "latest"

// enter returns the folder at a path, and makes what is missing. Where there
// is a snapshot already, the folder gets another name.
func (f *folder) enter(p string) *folder {
	for name := range strings.SplitSeq(p, "/") {
		if name == "" {
			continue
		}
		e := f.entries[name]
		if e == nil || e.folder == nil {
			e = &entry{folder: newFolder()}
			f.entries[f.freeName(name)] = e
		}
		f = e.folder
	}
	return f
}

// touch gives the folders on a path the time of a snapshot in them.
func (f *folder) touch(p string, t time.Time) {
	f.made = t
	for name := range strings.SplitSeq(p, "/") {
		e := f.entries[name]
		if e == nil || e.folder == nil {
			return
		}
		f = e.folder
		f.made = t
	}
}

// freeName returns a name that is not taken.
func (f *folder) freeName(name string) string {
	free := name
	for n := 1; f.entries[free] != nil; n++ {
		free = fmt.Sprintf("%s-%d", name, n)
	}
	return free
}

// find returns what is at a path; nil if there is nothing.
func (f *folder) find(p string) *entry {
	at := &entry{folder: f}
	for name := range strings.SplitSeq(p, "/") {
		if name == "" {
			continue
		}
		if at.folder == nil {
			return nil
		}
		if at = at.folder.entries[name]; at == nil {
			return nil
		}
	}
	return at
}

// expand returns the paths that a template gives a snapshot: one for each
// tag if it names tags.
func (l Layout) expand(template string, s *snapshot.Snapshot) []string {
	paths := []string{""}
	add := func(alternatives ...string) {
		var longer []string
		for _, a := range alternatives {
			for _, p := range paths {
				longer = append(longer, p+a)
			}
		}
		paths = longer
	}
	for len(template) > 0 {
		before, rest, found := strings.Cut(template, "%")
		add(before)
		if !found {
			break
		}
		if rest == "" {
			add("%")
			break
		}
		add(l.verb(rest[0], s)...)
		template = rest[1:]
	}
	for n := range paths {
		paths[n] = strings.TrimPrefix(path.Clean("/"+paths[n]), "/")
	}
	return paths
}

// verb returns what stands for one property of a snapshot.
func (l Layout) verb(verb byte, s *snapshot.Snapshot) []string {
	switch verb {
	case 'i':
		return []string{s.ID.Short()}
	case 'I':
		return []string{s.ID.String()}
	case 'u':
		return []string{fileName(s.Username)}
	case 'h':
		return []string{fileName(s.Hostname)}
	case 'T':
		return []string{s.Time.Format(l.Time)}
	case 't':
		var tags []string
		for _, tag := range s.UserTags() {
			tags = append(tags, fileName(tag))
		}
		return tags
	}
	return []string{string(verb)}
}

// fileName returns a name that leads nowhere else.
func fileName(s string) string {
	switch s {
	case "", ".":
		return "_"
	case "..":
		return "__"
	}
	return strings.NewReplacer("/", "_", "\x00", "_").Replace(s)
}

// staticFolder returns the folders of a template that are the same for all
// snapshots; the whole template if it is.
func staticFolder(template string) string {
	for n := 0; n+1 < len(template); n++ {
		if template[n] != '%' {
			continue
		}
		if strings.IndexByte("iIuhtT", template[n+1]) >= 0 {
			return template[:strings.LastIndexByte(template[:n], '/')+1]
		}
		n++
	}
	return template
}
