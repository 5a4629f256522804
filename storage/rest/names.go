package rest

import (
	"fmt"
	"slices"
	"strings"

	"holdfast/storage"
)

// kinds are the kinds of files that have a name beside it.
var kinds = []string{"keys", "locks", "snapshots", "index", "data"}

const (
	config = "config"
	// ownKeys begins the keys that only `holdfast rest-server` serves.
	ownKeys = "holdfast/"
)

// remoteName turns a key into the path of its object below the URL. ok is
// false for a key that no such server can hold.
func remoteName(key string) (name string, ok bool, err error) {
	if err := storage.CheckKey(key); err != nil {
		return "", false, err
	}
	if key == config || strings.HasPrefix(key, ownKeys) {
		return key, true, nil
	}
	kind, id, _ := strings.Cut(key, "/")
	if !slices.Contains(kinds, kind) {
		return "", false, nil
	}
	if kind == "data" {
		var folder string
		folder, id, _ = strings.Cut(id, "/")
		if len(folder) != 2 || !strings.HasPrefix(id, folder) {
			return "", false, nil
		}
	}
	return kind + "/" + id, isID(id), nil
}

// keyOf is the opposite of remoteName for an object of a kind.
func keyOf(kind, id string) string {
	if kind == "data" {
		return "data/" + id[:2] + "/" + id
	}
	return kind + "/" + id
}

func isID(name string) bool {
	const hashDigits = 64
	return len(name) == hashDigits && strings.Trim(name, "0123456789abcdef") == ""
}

func errNoSuchKind(key string) error {
	return fmt.Errorf("%s: %w: a REST server holds only the files of a restic repository, and what lies below %s", key, storage.ErrUnsupported, ownKeys)
}
