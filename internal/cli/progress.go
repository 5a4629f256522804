package cli

import (
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/term"

	"holdfast/internal/size"
)

// work is an amount of work: done, or in all. A total of zero is unknown.
type work struct {
	items, bytes, errors uint64
	// read is how many bytes were read for it, where that can be far ahead of
	// what is done.
	read uint64
}

const (
	// terminalInterval and logInterval say how often progress is shown: often
	// enough to look alive on a terminal, seldom enough not to fill a log.
	terminalInterval = 200 * time.Millisecond
	logInterval      = 30 * time.Second
	jsonInterval     = 500 * time.Millisecond
)

// progress shows how far long work is: a line that is rewritten where
// standard error is a terminal, a line every 30 s where it is not, status
// messages with --json, and nothing with --quiet.
type progress struct {
	c     *command
	what  string
	total func() work
	done  func() work
	// status is the message that --json prints.
	status func(elapsed time.Duration) any
	start  time.Time
	show   func()

	showing  sync.Mutex
	paused   atomic.Bool
	stopOnce sync.Once
	quit     chan struct{}
	ended    chan struct{}
}

// startProgress shows progress until stop is called.
func (c *command) startProgress(what string, total work, done func() work) *progress {
	return c.startProgressOf(what, func() work { return total }, done, func(elapsed time.Duration) any {
		return done().status(total, elapsed)
	})
}

// startProgressOf is startProgress for work whose total becomes known while
// it is done, or that has a status message of its own.
func (c *command) startProgressOf(what string, total, done func() work, status func(elapsed time.Duration) any) *progress {
	p := &progress{c: c, what: what, total: total, done: done, status: status, start: time.Now(), quit: make(chan struct{}), ended: make(chan struct{})}
	interval := p.choose()
	if p.show == nil {
		close(p.ended)
		return p
	}
	go p.run(interval)
	return p
}

// choose decides how and how often progress is shown.
func (p *progress) choose() time.Duration {
	switch u := p.c.ui; {
	case u.quiet:
		return 0
	case u.json:
		p.show = func() { u.message(p.status(time.Since(p.start))) }
		return jsonInterval
	case isTerminal(u.err):
		p.show = p.redraw
		return terminalInterval
	default:
		p.show = func() { p.c.ui.note(p.line() + "\n") }
		return logInterval
	}
}

func (p *progress) run(interval time.Duration) {
	defer close(p.ended)
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-p.quit:
			return
		case <-tick.C:
			p.tick()
		}
	}
}

func (p *progress) tick() {
	p.showing.Lock()
	defer p.showing.Unlock()
	if !p.paused.Load() {
		p.show()
	}
}

// pause has nothing more shown until resume; settle waits for what is being
// shown, and clears its line.
func (p *progress) pause()  { p.paused.Store(true) }
func (p *progress) resume() { p.paused.Store(false) }

func (p *progress) settle() {
	p.showing.Lock()
	defer p.showing.Unlock()
	p.clear()
}

// stop ends the display and clears its line.
func (p *progress) stop() {
	p.stopOnce.Do(func() {
		close(p.quit)
		<-p.ended
		p.clear()
	})
}

// clear empties the line on a terminal, so that something else can be printed.
func (p *progress) clear() {
	if isTerminal(p.c.ui.err) && p.show != nil && !p.c.ui.json {
		p.c.ui.note("\r\x1b[K")
	}
}

// redraw rewrites the line, cut to the width of the terminal.
func (p *progress) redraw() {
	line := []rune(p.line())
	if f, ok := p.c.ui.err.(*os.File); ok {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil && len(line) >= width {
			line = line[:max(0, width-1)]
		}
	}
	p.c.ui.note("\r" + string(line) + "\x1b[K")
}

// line tells how far the work is: percent, amount, rate, time left.
func (p *progress) line() string {
	d, total, elapsed := p.done(), p.total(), time.Since(p.start)
	s := fmt.Sprintf("[%s] %s", size.FormatDuration(elapsed), p.what)
	if m := d.status(total, elapsed); total.bytes > 0 {
		s += fmt.Sprintf(" %.1f%%", 100*m.PercentDone)
		if m.SecondsRemaining > 0 {
			s += ", about " + size.FormatDuration(time.Duration(m.SecondsRemaining)*time.Second) + " left"
		}
	}
	if d.items > 0 {
		s += fmt.Sprintf(", %d items", d.items)
	}
	if d.bytes > 0 {
		s += ", " + size.FormatBytes(d.bytes) + ", " + size.FormatRate(int64(d.bytes), elapsed) //nolint:gosec // no work is larger
	}
	if d.read > d.bytes {
		s += ", " + size.FormatBytes(d.read) + " read"
	}
	if d.errors > 0 {
		s += fmt.Sprintf(", %d errors", d.errors)
	}
	return s
}

// note writes to standard error as it is.
func (u *ui) note(s string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	fmt.Fprint(u.err, s) //nolint:errcheck // nowhere to report it
}

func isTerminal(w any) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
