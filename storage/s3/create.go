package s3

import "sync"

// creating is what is known about how the service takes conditional writes.
// It learns from refusals: of a write, which shows that conditions are heeded,
// or of the condition itself.
type creating struct {
	mu     sync.Mutex
	answer Answer
}

func (c *creating) known() Answer {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.answer
}

// know remembers an answer, unless it is none.
func (c *creating) know(a Answer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if a != FindOut {
		c.answer = a
	}
}

// doubtful holds the names of objects of which a Put failed in a way that
// leaves open whether it arrived. A service refuses to put over an object
// before it has read all of the body, and then often cuts the connection, so
// that the refusal is not seen: it looks as if this attempt failed, too. So
// the next attempt looks first.
type doubtful struct {
	mu    sync.Mutex
	names map[string]struct{}
}

// maxDoubtful bounds the names remembered: far more than are under way at once.
const maxDoubtful = 1000

func (d *doubtful) has(name string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, ok := d.names[name]
	return ok
}

func (d *doubtful) set(name string, doubt bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !doubt {
		delete(d.names, name)
		return
	}
	if len(d.names) >= maxDoubtful {
		clear(d.names)
	}
	if d.names == nil {
		d.names = map[string]struct{}{}
	}
	d.names[name] = struct{}{}
}

// keyLocks lets one goroutine at a time work on a name.
type keyLocks struct {
	mu    sync.Mutex
	names map[string]*keyLock
}

type keyLock struct {
	sync.Mutex
	users int
}

// lock returns the function that unlocks name again.
func (l *keyLocks) lock(name string) (unlock func()) {
	l.mu.Lock()
	k := l.names[name]
	if k == nil {
		k = &keyLock{}
		if l.names == nil {
			l.names = map[string]*keyLock{}
		}
		l.names[name] = k
	}
	k.users++
	l.mu.Unlock()

	k.Lock()
	return func() {
		k.Unlock()
		l.mu.Lock()
		defer l.mu.Unlock()
		if k.users--; k.users == 0 {
			delete(l.names, name)
		}
	}
}
