package restserver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"path/filepath"
	"sync"
)

// quota bounds what is stored. nil has no bound.
type quota struct {
	maxBytes int64

	mu        sync.Mutex
	usedBytes int64
}

// taken is room that an upload has reserved.
type taken struct {
	quota *quota
	bytes int64
}

// take reserves room before anything is written, so that uploads side by side
// cannot use the same room.
func (q *quota) take(bytes int64) (*taken, error) {
	t := &taken{quota: q}
	return t, t.more(bytes)
}

// more reserves more room.
func (t *taken) more(bytes int64) error {
	if t.quota == nil {
		return nil
	}
	t.quota.mu.Lock()
	defer t.quota.mu.Unlock()
	if bytes > t.quota.maxBytes-t.quota.usedBytes {
		return status{http.StatusInsufficientStorage, fmt.Sprintf("the repositories may hold %d bytes, and hold %d", t.quota.maxBytes, t.quota.usedBytes)}
	}
	t.quota.usedBytes += bytes
	t.bytes += bytes
	return nil
}

// giveBack frees what was reserved.
func (t *taken) giveBack() { t.quota.giveBack(t.bytes) }

// giveBack frees room.
func (q *quota) giveBack(bytes int64) {
	if q == nil {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.usedBytes -= bytes
}

// usedBytes adds up the sizes of all files below root.
func usedBytes(ctx context.Context, root string) (total int64, err error) {
	err = filepath.WalkDir(root, func(_ string, e fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) { // deleted meanwhile
			return nil
		}
		if err == nil {
			total += info.Size()
		}
		return err
	})
	return total, err
}
