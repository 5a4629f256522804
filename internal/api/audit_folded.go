package api

import (
	"strconv"
	"sync"
	"time"
)

// foldedFor is how long entries are gathered that come too fast.
const foldedFor = time.Minute

// folded writes to the audit log what must not be refused because it comes
// fast: in a disaster somebody downloads ten thousand files by a script. As
// many as anything else each are written; of those beyond, once a minute, how
// many they were.
type folded struct {
	audit *audit
	each  *limiters
	now   func() time.Time

	mu    sync.Mutex
	left  map[foldKey]*foldedEntry
	timer *time.Timer // nil while nothing is gathered
}

// foldKey tells apart what is not told as one.
type foldKey struct{ by, from, act string }

// foldedEntry stands for several that were left out.
type foldedEntry struct {
	AuditEntry

	count int
	since time.Time
}

func newFolded(a *audit, now func() time.Time) *folded {
	return &folded{audit: a, each: newLimiters(actRate, actBurst, now), now: now, left: make(map[foldKey]*foldedEntry)}
}

// write adds an entry, or gathers it.
func (f *folded) write(e AuditEntry) {
	if f.each.take(e.By) == 0 {
		f.audit.write(e)
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	key := foldKey{e.By, e.From, e.Act}
	one := f.left[key]
	if one == nil {
		one = &foldedEntry{since: e.Time}
		f.left[key] = one
	}
	one.AuditEntry = e
	one.count++
	if f.timer == nil {
		f.timer = time.AfterFunc(foldedFor, f.flush)
	}
}

// flush writes what was gathered.
func (f *folded) flush() {
	f.mu.Lock()
	left := f.left
	f.left = make(map[foldKey]*foldedEntry)
	if f.timer != nil {
		f.timer.Stop()
		f.timer = nil
	}
	f.mu.Unlock()
	for _, one := range left {
		e := one.AuditEntry
		e.Time, e.Path, e.Status = f.now(), "", 0
		e.About = map[string]string{"requests": strconv.Itoa(one.count), "since": one.since.UTC().Format(time.RFC3339)}
		f.audit.write(e)
	}
}
