package ledger

import (
	"sync"
)

// breakage is the first reason for which the engine cannot go on.
type breakage struct {
	once     sync.Once
	happened chan struct{}
	reason   error // read after happened
}

func newBreakage() *breakage { return &breakage{happened: make(chan struct{})} }

func (b *breakage) report(reason error) {
	b.once.Do(func() {
		b.reason = reason
		close(b.happened)
	})
}

func (b *breakage) err() error {
	select {
	case <-b.happened:
		return b.reason
	default:
		return nil
	}
}
