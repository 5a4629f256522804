package cli

import (
	"sync"
	"time"

	"holdfast/internal/upkeep"
)

// watchUpkeep shows how far a phase of upkeep is.
func (c *command) watchUpkeep(phase string, total upkeep.Amount) (*upkeep.Counter, func()) {
	counter := new(upkeep.Counter)
	p := c.startProgress(phase, work{items: total.Count, bytes: total.Bytes}, func() work {
		return work{items: counter.Items.Load(), bytes: counter.Bytes.Load()}
	})
	return counter, p.stop
}

// jointProgress shows phases of upkeep that run side by side as one. Between
// them it shows nothing: a summary is the last that is printed.
type jointProgress struct {
	c *command

	mu      sync.Mutex
	total   work
	parts   []*upkeep.Counter
	running int       // of the parts
	shown   *progress // nil until the first of them begins
}

// watch is an upkeep.Watch.
func (j *jointProgress) watch(phase string, total upkeep.Amount) (*upkeep.Counter, func()) {
	counter := new(upkeep.Counter)
	j.mu.Lock()
	defer j.mu.Unlock()
	j.total.items += total.Count
	j.total.bytes += total.Bytes
	j.parts = append(j.parts, counter)
	if j.shown == nil {
		j.shown = j.c.startProgressOf(phase, j.inAll, j.done, func(elapsed time.Duration) any {
			return j.done().status(j.inAll(), elapsed)
		})
	}
	j.running++
	j.shown.resume()
	return counter, j.ended
}

// ended notes that a phase is over.
func (j *jointProgress) ended() {
	j.mu.Lock()
	j.running--
	last := j.running == 0
	if last {
		j.shown.pause()
	}
	j.mu.Unlock() // for what is shown asks for sums
	if last {
		j.shown.settle()
	}
}

func (j *jointProgress) inAll() work {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.total
}

func (j *jointProgress) done() (sum work) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, c := range j.parts {
		sum.items += c.Items.Load()
		sum.bytes += c.Bytes.Load()
	}
	return sum
}

// clear empties the line on a terminal, so that something else can be printed.
func (j *jointProgress) clear() {
	if p := j.current(); p != nil {
		p.clear()
	}
}

// stop ends the display.
func (j *jointProgress) stop() {
	if p := j.current(); p != nil {
		p.stop()
	}
}

func (j *jointProgress) current() *progress {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.shown
}
