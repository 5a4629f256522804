package proof

import "sync/atomic"

// Progress counts what a proof has done so far. It may be read at any time.
type Progress struct {
	// Items and Bytes count what was compared.
	Items, Bytes atomic.Uint64
	Differences  atomic.Uint64
}
