// Package upkeep keeps repositories in order: it decides which snapshots go
// (forget), frees what no snapshot needs any more (prune), brings snapshots
// to other repositories (copy) and edits what is recorded (tag, rewrite).
//
// Whatever deletes is Plan, then show, then Execute. The caller holds the
// lock: exclusive for tag and a rewrite that replaces; shared for copy and a
// rewrite that adds. Forget and Prune take theirs by themselves, in turns with
// others; what they are made of says which it needs.
//
// # Guarantees
//
//   - Every operation may be cut off at any instant. What was acknowledged
//     before stays readable, and running the operation again finishes it.
//   - Nothing is deleted before what replaces it is durable.
//   - Data that moves is authenticated and hashed on the way.
//   - Nothing is deleted from a repository that lacks something its snapshots
//     need, or some of whose snapshots cannot be read.
package upkeep

import (
	"sync/atomic"
)

// Amount is a number of things and their size.
type Amount struct {
	Count uint64 `json:"count"`
	Bytes uint64 `json:"bytes"`
}

func (a *Amount) add(bytes uint64) {
	a.Count++
	a.Bytes += bytes
}

// Counter is how far a phase of work is. It may be read at any time.
type Counter struct {
	Items, Bytes atomic.Uint64
}

// Watch is told when a phase of long work begins, with its total, or zero
// where that is not known. It returns the Counter to count in, and a function
// that is called when the phase ends. A nil Watch watches nothing.
type Watch func(phase string, total Amount) (*Counter, func())

func (w Watch) start(phase string, total Amount) (*Counter, func()) {
	if w == nil {
		return new(Counter), func() {}
	}
	return w(phase, total)
}

func (a *Amount) plus(b Amount) {
	a.Count += b.Count
	a.Bytes += b.Bytes
}
