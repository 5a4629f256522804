package backup

import "holdfast/internal/source"

// pace finds out how many files to read at once, by measuring. More only help
// where waiting for the medium takes the time: then one reader more brings
// nearly a reader's share of throughput more. Where a disk seeks, or the
// processors are busy, it brings nothing, and readers only take memory.
//
// So it tries: half as many readers more, for two measurements, of which the
// first, in which they get going, does not count. If throughput rose by a good
// part of what they could have brought they stay, and it tries again; if not
// they go, and the next try, now with fewer readers, comes later, and each
// one in vain later still. Fewer stay when next to nothing is lost with them.
//
// It has no clock and does no I/O.
type pace struct {
	limits  source.Concurrency
	readers int
	// rate is the throughput with so many readers, smoothed; 0 is unknown.
	rate float64
	// before is the number of readers before the try under way, 0 if there is
	// none; settling tells that the measurement to come does not count.
	before   int
	settling bool
	// fewer is the direction of the next try, patience the number of
	// measurements until then, and vain what it is after a try in vain.
	fewer    bool
	patience int
	vain     int
}

const (
	// worthwhile is the part of the throughput that further readers would
	// bring at best which they must bring to stay, and dispensable the part
	// of it that fewer may cost: well below, so that no number of readers is
	// found too small and too large in turn.
	worthwhile  = 0.25
	dispensable = 0.1
	// firstPatience and mostPatience are measurements between tries: often
	// enough to find what a slow medium needs in seconds, and so seldom in
	// the end that trying costs nothing.
	firstPatience = 2
	mostPatience  = 64
)

func newPace(limits source.Concurrency) *pace {
	return &pace{limits: limits, readers: limits.Start, patience: 1, vain: firstPatience}
}

// fixed tells that there is nothing to find out.
func (p *pace) fixed() bool { return p.limits.Least == p.limits.Most }

// measured takes in the throughput of the time since the last call, in any
// unit, and returns how many readers there should be.
func (p *pace) measured(rate float64) (readers int) {
	switch {
	case p.settling:
		p.settling = false
	case p.before != 0:
		p.judge(rate)
	default:
		p.smooth(rate)
		if p.patience--; p.patience <= 0 {
			p.try()
		}
	}
	return p.readers
}

func (p *pace) smooth(rate float64) {
	if p.rate == 0 {
		p.rate = rate
	}
	p.rate = (p.rate + rate) / 2
}

// try begins with more readers, or with fewer.
func (p *pace) try() {
	p.patience = p.vain
	more := min(p.readers+max(1, p.readers/2), p.limits.Most)
	fewer := max(p.readers-max(1, p.readers/3), p.limits.Least)
	next := more
	if p.fewer && fewer < p.readers || more == p.readers {
		next = fewer
	}
	if next != p.readers {
		p.before, p.readers, p.settling = p.readers, next, true
	}
}

// judge ends a try.
func (p *pace) judge(rate float64) {
	best := p.rate * float64(p.readers) / float64(p.before)
	part := worthwhile
	if p.readers < p.before {
		part = dispensable
	}
	stay := rate >= p.rate+part*(best-p.rate)
	p.fewer = p.readers < p.before
	if stay {
		p.rate, p.before, p.vain = rate, 0, firstPatience
		p.try()
		return
	}
	p.readers, p.before = p.before, 0
	p.fewer = !p.fewer
	p.vain = min(2*p.vain, mostPatience)
	p.patience = p.vain
}
