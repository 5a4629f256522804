package repository

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"holdfast/repository/id"
	"holdfast/repository/internal/cache"
	"holdfast/storage"
)

// keyAhead is a key file that is read beside the list of keys: the one that
// opened the repository of this place last. Its ID alone is remembered, which
// opens nothing, so that whoever gets hold of the cache cannot guess passwords.
type keyAhead struct {
	id     id.ID
	cancel context.CancelFunc
	done   chan struct{}
	data   []byte // with a *CorruptError, too
	err    error
}

// readLastKey begins to read the key that is likely to open a repository; nil
// is none.
func readLastKey(ctx context.Context, s storage.Store, o Options) *keyAhead {
	path := o.lastKeyPath(s)
	if path == "" {
		return nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	i, err := id.Parse(string(text))
	if err != nil || !strings.HasPrefix(i.String(), o.KeyHint) {
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	a := &keyAhead{id: i, cancel: cancel, done: make(chan struct{})}
	go func() { // abandon waits for it
		defer close(a.done)
		a.data, a.err = readFile(ctx, s, KeyFile, i)
	}()
	return a
}

// first moves the key to the front, if it is among those there are.
func (a *keyAhead) first(ids []id.ID) []id.ID {
	if a == nil {
		return ids
	}
	at := slices.Index(ids, a.id)
	if at < 1 {
		return ids
	}
	return slices.Concat([]id.ID{a.id}, ids[:at], ids[at+1:])
}

// of returns what was read of a key, and its damage. It is not ok for any other
// key, and when reading failed.
func (a *keyAhead) of(i id.ID) (data []byte, damage error, ok bool) { //nolint:revive // damage comes with data
	if a == nil || a.id != i {
		return nil, nil, false
	}
	<-a.done
	return a.data, a.err, a.err == nil || IsCorrupt(a.err)
}

// abandon ends what is still under way.
func (a *keyAhead) abandon() {
	if a != nil {
		a.cancel()
		<-a.done
	}
}

// lastKeyPath is where the ID of the last key of a place is kept; "" for none:
// what is near is asked quickly.
func (o *Options) lastKeyPath(s storage.Store) string {
	if o.CacheDir == "" || !o.CacheObjects {
		return ""
	}
	sum := sha256.Sum256([]byte(s.Location()))
	return filepath.Join(o.CacheDir, fmt.Sprintf("%s%x", cache.KeyPrefix, sum[:8]))
}

// rememberKey notes which key has opened the repository.
func (r *Repository) rememberKey() {
	if path := r.options.lastKeyPath(r.store); path != "" && r.cache() != "" {
		_ = os.WriteFile(path, []byte(r.keyID.String()), 0o600) // without it, opening takes longer
	}
}
