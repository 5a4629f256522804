// Package cache keeps copies of a remote repository's objects on this
// machine, so that what every command reads is fetched once: snapshots, and
// the packs that hold trees. The copies are the stored bytes, sealed as in the
// repository.
//
// # Guarantees
//
// The cache is never trusted. A copy is made only of bytes that hash to the
// object's name. A small object is hashed again when it is read; a pack is
// too large for that, but whoever reads a blob of it authenticates the blob,
// and drops a copy that fails. So the worst that a damaged, outdated or
// hostile cache can do is to be useless.
//
// A copy is written under a temporary name and renamed, and never changed
// again, so any number of processes may share a folder. Nothing is synced: a
// copy that a crash of the machine tore is found when it is read.
//
// A cache that cannot be written any more (a full disk) is given up for the
// rest of the process, and says so once.
//
// Its size is bounded by what it may hold, the snapshots and trees of one
// repository, which are a few hundredths of the repository; no copy is larger
// than MaxObjectBytes. What the repository no longer has is removed by Retain.
package cache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"holdfast/repository/id"
)

// MaxObjectBytes bounds one copy: the largest pack that anybody chooses to
// write, with its header.
const MaxObjectBytes = 160 << 20

// Kind is a kind of objects. Each has a folder of its own.
type Kind string

// The kinds of objects that are kept.
const (
	Snapshots Kind = "snapshots"
	Packs     Kind = "packs"
)

const (
	tempPrefix = "tmp-"
	// tempAge is when a temporary file counts as left behind by a process
	// that died.
	tempAge = 24 * time.Hour
)

// Cache is a folder of copies. It may be used from many goroutines at once.
type Cache struct {
	dir  string
	warn func(error)

	mu      sync.Mutex
	off     bool                    // given up
	flights map[id.ID]chan struct{} // packs being fetched
	fetched map[id.ID]struct{}      // packs this process has fetched, so proven
	refused map[id.ID]struct{}      // packs that are not worth another try
}

// Open opens the cache in a folder that holds nothing else, made if need be.
// warn, which may be nil, is told once when the cache is given up.
func Open(dir string, warn func(error)) (*Cache, error) {
	for _, k := range []Kind{Snapshots, Packs} {
		if err := os.MkdirAll(filepath.Join(dir, string(k)), 0o700); err != nil {
			return nil, fmt.Errorf("open object cache: %w", err)
		}
	}
	return &Cache{
		dir: dir, warn: warn,
		flights: map[id.ID]chan struct{}{},
		fetched: map[id.ID]struct{}{},
		refused: map[id.ID]struct{}{},
	}, nil
}

func (c *Cache) path(k Kind, i id.ID) string { return filepath.Join(c.dir, string(k), i.String()) }

// Load returns the copy of a small object, if there is one. A damaged copy is
// deleted.
func (c *Cache) Load(k Kind, i id.ID) ([]byte, bool) {
	data, err := os.ReadFile(c.path(k, i))
	if err != nil {
		return nil, false
	}
	if id.Hash(data) != i {
		c.Drop(k, i)
		return nil, false
	}
	return data, true
}

// Drop deletes a copy.
func (c *Cache) Drop(k Kind, i id.ID) {
	_ = os.Remove(c.path(k, i)) // in the worst case it stays, and fails again
}

// Save makes a copy of an object, read from src, in place of the one there
// may be. Errors of src are returned, wrapped, as are ErrMismatch and
// ErrTooLarge; a failing cache is given up without one.
func (c *Cache) Save(k Kind, i id.ID, src io.Reader) error {
	if c.isOff() {
		return nil
	}
	f, err := os.CreateTemp(filepath.Join(c.dir, string(k)), tempPrefix)
	if err != nil {
		c.giveUp(err)
		return nil
	}
	err = c.fill(f, i, src)
	if err == nil {
		c.publish(f.Name(), c.path(k, i))
	}
	_ = os.Remove(f.Name()) // there only if it was not renamed
	var local localError
	if errors.As(err, &local) {
		c.giveUp(err)
		return nil
	}
	return err
}

// publish gives a copy its name. Windows does not replace a file that somebody
// reads, which is as good.
func (c *Cache) publish(temporary, path string) {
	if err := os.Rename(temporary, path); err != nil {
		if _, there := os.Lstat(path); there != nil {
			c.giveUp(err)
		}
	}
}

// localError is a failure of the cache, not of what is read.
type localError struct{ error }

var (
	// ErrMismatch says that an object is not what its name says.
	ErrMismatch = errors.New("content does not match its name")
	// ErrTooLarge says that an object is larger than MaxObjectBytes.
	ErrTooLarge = errors.New("too large to be cached")
)

// fill writes src to f, and closes it, if it is the object it should be.
func (c *Cache) fill(f *os.File, i id.ID, src io.Reader) error {
	w := newHashWriter(f)
	n, err := io.Copy(w, io.LimitReader(src, MaxObjectBytes+1))
	cerr := f.Close()
	switch {
	case w.err != nil:
		return localError{w.err}
	case err != nil:
		return fmt.Errorf("fetch for the cache: %w", err)
	case cerr != nil:
		return localError{cerr}
	case n > MaxObjectBytes:
		return ErrTooLarge
	case w.sum() != i:
		return ErrMismatch
	}
	return nil
}

// Getter starts to read a whole object from the repository.
type Getter func(ctx context.Context) (io.ReadCloser, error)

// OpenPack opens the copy of a pack, which it fetches when there is none. It
// returns nil without an error when the pack is not to be cached, or another
// process dropped the copy at once. proven tells
// that this process has hashed the copy; of one that is not, what fails to
// open may be the copy's fault. Each pack is fetched once, however many ask
// for it.
func (c *Cache) OpenPack(ctx context.Context, i id.ID, get Getter) (f *os.File, proven bool, err error) {
	if f, proven := c.openCopy(i); f != nil {
		return f, proven, nil
	}
	flight := c.flight(i)
	select {
	case flight <- struct{}{}:
	case <-ctx.Done():
		return nil, false, context.Cause(ctx)
	}
	defer func() { <-flight }()
	if f, proven := c.openCopy(i); f != nil { // another was faster
		return f, proven, nil
	}
	if c.isOff() || c.isRefused(i) {
		return nil, false, nil
	}
	src, err := get(ctx)
	if err != nil {
		return nil, false, err
	}
	err = c.Save(Packs, i, src)
	src.Close() //nolint:errcheck // it was only read
	if errors.Is(err, ErrMismatch) || errors.Is(err, ErrTooLarge) {
		c.Refuse(i)
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	c.mu.Lock()
	c.fetched[i] = struct{}{}
	c.mu.Unlock()
	f, proven = c.openCopy(i)
	return f, proven, nil
}

func (c *Cache) openCopy(i id.ID) (f *os.File, proven bool) {
	f, err := os.Open(c.path(Packs, i))
	if err != nil {
		return nil, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	_, proven = c.fetched[i]
	return f, proven
}

// flight returns a channel with the one place for who fetches a pack.
func (c *Cache) flight(i id.ID) chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.flights[i] == nil {
		c.flights[i] = make(chan struct{}, 1)
	}
	return c.flights[i]
}

// Refuse gives up a pack for this process: another copy would be no better.
func (c *Cache) Refuse(i id.ID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refused[i] = struct{}{}
}

func (c *Cache) isRefused(i id.ID) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, refused := c.refused[i]
	return refused
}

func (c *Cache) isOff() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.off
}

// giveUp stops making copies.
func (c *Cache) giveUp(err error) {
	c.mu.Lock()
	first := !c.off
	c.off = true
	c.mu.Unlock()
	if first && c.warn != nil {
		c.warn(fmt.Errorf("write object cache: %w; going on without", err))
	}
}

// IDs returns the IDs of the copies of a kind.
func (c *Cache) IDs(k Kind) id.Set {
	found := make(id.Set)
	files, err := os.ReadDir(filepath.Join(c.dir, string(k)))
	if err != nil {
		return found
	}
	for _, f := range files {
		if i, err := id.Parse(f.Name()); err == nil {
			found.Add(i)
		}
	}
	return found
}

// Retain deletes the copies of a kind that are not in keep, and what dead
// processes left behind.
func (c *Cache) Retain(k Kind, keep id.Set) {
	for i := range c.IDs(k) {
		if !keep.Has(i) {
			c.Drop(k, i)
		}
	}
	c.removeTemporary(k)
}

func (c *Cache) removeTemporary(k Kind) {
	dir := filepath.Join(c.dir, string(k))
	files, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, f := range files {
		info, err := f.Info()
		if err == nil && strings.HasPrefix(f.Name(), tempPrefix) && time.Since(info.ModTime()) > tempAge {
			_ = os.Remove(filepath.Join(dir, f.Name()))
		}
	}
}

// Due tells whether something that costs a little should be done, which was
// last done at least so long ago, and notes that it is done now.
func (c *Cache) Due(what string, every time.Duration) bool {
	mark := filepath.Join(c.dir, "last-"+what)
	if info, err := os.Stat(mark); err == nil && time.Since(info.ModTime()).Abs() < every {
		return false
	}
	if err := os.WriteFile(mark, nil, 0o600); err != nil {
		return false // what cannot be written needs no cleaning
	}
	now := time.Now()
	return os.Chtimes(mark, now, now) == nil
}
