package restserver

import (
	"fmt"
	"net/http"
	"path"
	"slices"
	"strings"

	"holdfast/storage"
)

// maxFolders is how deep repositories may lie, as in restic's rest-server.
const maxFolders = 2

// thing is what kind of thing a path means.
type thing int

const (
	repository thing = iota
	list
	object
)

// target is what a path means.
type target struct {
	what    thing
	folders []string // of the repository, below the root
	kind    string   // data, index, ..., config or holdfast
	key     string   // of an object; of a list, its prefix
	// hash is the SHA-256 that the content must have, in hex; "" for none.
	hash string
}

func (t *target) dir() string { return path.Join(t.folders...) }

// kinds are the kinds of files with a name beside it.
var kinds = []string{"data", "index", "keys", "locks", "snapshots"}

const (
	config = "config"
	own    = "holdfast"
)

// parsePath takes a decoded path apart. Whatever it returns leads nowhere but
// below the root: all segments pass storage.CheckKey.
func parsePath(p string) (target, error) {
	rest, ok := strings.CutPrefix(p, "/")
	if !ok {
		return target{}, status{http.StatusNotFound, ""}
	}
	segments := strings.Split(rest, "/")
	// Folders end at the first name that means something in a repository.
	begin := slices.IndexFunc(segments, func(s string) bool { return s == config || s == own || slices.Contains(kinds, s) })
	if begin < 0 {
		begin = len(segments)
		if segments[begin-1] == "" { // a slash at the end
			begin--
		}
		t := target{what: repository, folders: segments[:begin]}
		return t, t.check()
	}
	t := target{folders: segments[:begin], kind: segments[begin]}
	if err := t.check(); err != nil {
		return target{}, err
	}
	return t, t.parseObject(segments[begin+1:])
}

func (t *target) check() error {
	if len(t.folders) > maxFolders {
		return status{http.StatusNotFound, fmt.Sprintf("repositories lie at most %d folders deep", maxFolders)}
	}
	if len(t.folders) > 0 && storage.CheckKey(strings.Join(t.folders, "/")) != nil {
		return status{http.StatusNotFound, ""}
	}
	return nil
}

func (t *target) parseObject(rest []string) error {
	t.what = object
	switch {
	case t.kind == config && len(rest) == 0:
		t.key = config
	case t.kind == own:
		return t.parseOwn(rest)
	case t.kind != config && len(rest) == 1 && rest[0] == "":
		t.what, t.key = list, t.kind+"/"
	case t.kind != config && len(rest) == 1 && isID(rest[0]):
		t.hash = rest[0]
		t.key = t.kind + "/" + t.hash
		if t.kind == "data" {
			t.key = "data/" + t.hash[:2] + "/" + t.hash
		}
	default:
		return status{http.StatusNotFound, ""}
	}
	return nil
}

func (t *target) parseOwn(rest []string) error {
	t.key = own + "/" + strings.Join(rest, "/")
	check := t.key
	if strings.HasSuffix(t.key, "/") {
		t.what = list
		check = strings.TrimSuffix(t.key, "/")
	}
	if len(rest) == 0 || storage.CheckKey(check) != nil {
		return status{http.StatusNotFound, ""}
	}
	return nil
}

func isID(name string) bool {
	const hashDigits = 64
	return len(name) == hashDigits && strings.Trim(name, "0123456789abcdef") == ""
}
