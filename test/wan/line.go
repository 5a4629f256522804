package wan

import (
	"sync"
	"time"
)

// backlog is how long bytes may wait for their turn on the line, as in the
// buffer of a router: enough that the line is never idle while a sender is
// being woken up, and short beside any round trip worth simulating.
const backlog = 10 * time.Millisecond

// line is one direction of a link: a queue of bytes that leaves at a fixed
// rate, shared by all connections.
type line struct {
	bytesPerSecond float64 // 0: no bound

	mu    sync.Mutex
	free  time.Time // when all that was queued so far has left
	bytes int64
	busy  time.Duration
}

// send queues bytes and returns when the last of them will have left.
func (l *line) send(n int, now time.Time) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.bytes += int64(n)
	if l.bytesPerSecond == 0 {
		return now
	}
	if l.free.Before(now) {
		l.free = now
	}
	takes := time.Duration(float64(n) / l.bytesPerSecond * float64(time.Second))
	l.free = l.free.Add(takes)
	l.busy += takes
	return l.free
}

// usage returns what went over the line so far.
func (l *line) usage() Usage {
	l.mu.Lock()
	defer l.mu.Unlock()
	return Usage{Bytes: l.bytes, Busy: l.busy}
}

// Usage is what went over one direction of a link.
type Usage struct {
	Bytes int64
	Busy  time.Duration // how long the line was sending
}

// Since returns what was added since an earlier reading.
func (u Usage) Since(earlier Usage) Usage {
	return Usage{Bytes: u.Bytes - earlier.Bytes, Busy: u.Busy - earlier.Busy}
}

// Share returns the part of a time in which the line was sending.
func (u Usage) Share(of time.Duration) float64 { return u.Busy.Seconds() / of.Seconds() }
