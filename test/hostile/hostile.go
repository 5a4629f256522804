// Package hostile brings stores into the troubles of storagetest.RunHostile:
// those behind HTTP by a proxy before their server, those of files by what
// happens to files.
package hostile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"holdfast/storage"
	"holdfast/storage/confirm"
	"holdfast/storage/fault"
	"holdfast/storage/retry"
	"holdfast/storage/storagetest"
	"holdfast/test/wan"
)

// Run runs storagetest.RunHostile with the wrappers that stores in use have.
func Run(t *testing.T, open func(t *testing.T, trouble storagetest.Trouble) storagetest.Hostile) {
	storagetest.RunHostile(t, storagetest.Wrappers{
		Patient: func(s storage.Store) storage.Store {
			return retry.New(s, retry.Policy{FirstDelay: time.Millisecond, MaxDelay: 10 * time.Millisecond, MaxAttempts: 5})
		},
		Confirming: func(s storage.Store) storage.Store { return confirm.New(s, confirm.Cheapest) },
	}, open)
}

// Service is a server that stores objects over HTTP.
type Service struct {
	URL string
	// Put is the method of requests that store an object, Lists a part of the
	// path or query of those that list some.
	Put, Lists string
}

// HTTP returns a store whose server is behind a proxy. open opens it, given
// the proxy.
func HTTP(t *testing.T, trouble storagetest.Trouble, service Service, open func(proxy *wan.Proxy) storage.Store) storagetest.Hostile {
	t.Helper()
	proxy, err := wan.NewProxy(service.URL, 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { proxy.Close() })
	proxy.Remember(service.Lists)
	rule := map[storagetest.Trouble]wan.Rule{
		storagetest.CutShort:    {Fault: wan.CutBody, Method: "GET", Path: "data"},
		storagetest.LyingLength: {Fault: wan.ShortBody, Method: "GET", Path: "data"},
		storagetest.WrongHash:   {Fault: wan.WrongUpload, Method: service.Put},
		storagetest.StaleLists:  {Fault: wan.OldAnswer, Method: "GET", Path: service.Lists},
		storagetest.SkewedClock: {Fault: wan.ClockAhead},
	}[trouble]
	return storagetest.Hostile{Store: open(proxy), Strike: func(n int) {
		if n == 0 {
			proxy.Set()
			return
		}
		proxy.Remember("") // only what was before
		r := rule
		r.Count = max(n, 0)
		proxy.Set(r)
	}}
}

// Files returns a store that keeps its objects as files below a folder of this
// machine.
func Files(t *testing.T, trouble storagetest.Trouble, s storage.Store, folder string) storagetest.Hostile {
	t.Helper()
	switch trouble {
	case storagetest.CutShort, storagetest.LyingLength:
		c := &cutting{Store: s, t: t, folder: folder, before: trouble == storagetest.LyingLength}
		return storagetest.Hostile{Store: c, Strike: func(n int) { c.left.Store(int64(n)) }}
	case storagetest.WrongHash:
		f := fault.New(s, 1)
		return storagetest.Hostile{Store: f, Strike: func(n int) {
			f.Clear()
			if n != 0 {
				f.Add(fault.Rule{Op: fault.OpPut, Times: max(n, 0), Fault: fault.Flip()})
			}
		}}
	case storagetest.StaleLists:
		f := fault.New(s, 1)
		return storagetest.Hostile{Store: f, Strike: func(n int) { f.LagLists(min(n*n, 1)) }}
	case storagetest.SkewedClock:
		return storagetest.Hostile{Store: s, Strike: func(int) { date(t, folder, time.Now().Add(-storagetest.SkewBy)) }}
	}
	panic("hostile: an unknown trouble: " + trouble)
}

// date dates all files below a folder.
func date(t *testing.T, folder string, at time.Time) {
	t.Helper()
	err := filepath.WalkDir(folder, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		return os.Chtimes(path, at, at)
	})
	if err != nil {
		t.Error(err)
	}
}

// cutting is a store whose files somebody cuts off, before or while they are
// read, and mends when the reader is done.
type cutting struct {
	storage.Store
	t      *testing.T
	folder string
	before bool
	left   atomic.Int64 // reads that will meet it; negative: all
}

func (c *cutting) Get(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	if !strings.HasPrefix(key, "data/") || c.left.Load() == 0 {
		return c.Store.Get(ctx, key, offset, length)
	}
	c.left.Add(-1)
	var r io.ReadCloser
	var err error
	if !c.before {
		if r, err = c.Store.Get(ctx, key, offset, length); err != nil {
			return nil, err
		}
	}
	mend := c.cut(key, offset+length/2)
	if c.before {
		if r, err = c.Store.Get(ctx, key, offset, length); err != nil {
			mend()
			return nil, err
		}
	}
	return &mended{r, mend}, nil
}

// cut shortens the file of an object, and returns what makes it whole again.
func (c *cutting) cut(key string, sizeBytes int64) (mend func()) {
	path := filepath.Join(c.folder, filepath.FromSlash(key))
	whole, err := os.ReadFile(path)
	info, serr := os.Stat(path)
	if err = errors.Join(err, serr); err == nil {
		err = errors.Join(os.Chmod(path, 0o600), os.Truncate(path, sizeBytes))
	}
	if err != nil {
		c.t.Errorf("cut %s: %v", key, err)
		return func() {}
	}
	return func() {
		if err := errors.Join(os.WriteFile(path, whole, 0o600), os.Chmod(path, info.Mode())); err != nil {
			c.t.Error(fmt.Errorf("mend %s: %w", key, err))
		}
	}
}

type mended struct {
	io.ReadCloser
	mend func()
}

func (m *mended) Close() error {
	defer m.mend()
	return m.ReadCloser.Close()
}
