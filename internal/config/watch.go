package config

import (
	"crypto/sha256"
	"fmt"
	"slices"
)

// Watcher tells when the files of a configuration say something else. It
// compares what they hold, not their dates: an edit that changes nothing is
// none. It is for one goroutine, which owns the clock.
type Watcher struct {
	path string
	from reader
	// files and patterns are what the last reading has followed.
	files, patterns []string
	// read is what was read last, and seen what the last Poll saw: two alike
	// mean that nobody is writing.
	read, seen fingerprint
}

// fingerprint stands for what all files hold.
type fingerprint [sha256.Size]byte

// Watch reads the configuration at path, as Load, and watches its files from
// then on.
func Watch(path string) (*Watcher, *Config, error) {
	w := &Watcher{path: path, from: disk}
	c, err := w.Read()
	return w, c, err
}

// Read reads the configuration now, changed or not. If it is wrong, what
// counted before still does.
func (w *Watcher) Read() (*Config, error) {
	w.files, w.patterns = []string{w.path}, nil
	data, err := w.from.read(w.path)
	if err != nil {
		w.read = w.look()
		return nil, err
	}
	l, problems := load(w.from, w.path, data)
	w.files, w.patterns = append(l.files.paths(), l.files.lacking...), l.files.patterns
	w.read = l.files.fingerprint()
	if len(problems) > 0 {
		return nil, problems
	}
	return l.config, nil
}

// Poll reads the configuration if its files have changed since it was last
// read, and hold still: the change was there in the Poll before, too, since
// not every editor replaces files at once. It returns nil, nil if there is
// nothing new, and what is wrong once.
func (w *Watcher) Poll() (*Config, error) {
	before := w.seen
	w.seen = w.look()
	if w.seen == w.read || w.seen != before {
		return nil, nil
	}
	return w.Read()
}

// look takes the fingerprint of all files, and of which there are: a pattern
// may find new ones.
func (w *Watcher) look() fingerprint {
	paths := slices.Clone(w.files)
	for _, pattern := range w.patterns {
		found, _ := matches(w.from, pattern) // a wrong one finds nothing, now as before
		paths = append(paths, found...)
	}
	slices.Sort(paths)
	contents := map[string][]byte{}
	for _, path := range paths {
		data, err := w.from.read(path)
		if err != nil {
			data = unreadable
		}
		contents[path] = data
	}
	return fingerprintOf(contents)
}

// fingerprint is that of what was gathered, so that no change since then is
// missed.
func (g *gatherer) fingerprint() fingerprint {
	contents := map[string][]byte{}
	for _, f := range g.files {
		contents[f.path] = f.data
	}
	for _, path := range g.lacking {
		contents[path] = unreadable
	}
	return fingerprintOf(contents)
}

// unreadable stands for what a file holds that cannot be read.
var unreadable = []byte("\x00")

func fingerprintOf(contents map[string][]byte) (f fingerprint) {
	h := sha256.New()
	for _, path := range sortedNames(contents) {
		fmt.Fprintf(h, "%q %d\n", path, len(contents[path])) //nolint:errcheck // never fails
		h.Write(contents[path])                              //nolint:errcheck // never fails
	}
	h.Sum(f[:0])
	return f
}
