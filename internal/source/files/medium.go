package files

import "holdfast/internal/source"

// How many files to read at once from a medium. More only helps where
// waiting, not reading, takes the time.
const (
	leastReaders    = 2
	mostReaders     = 8 // of local disks: more only contend with the workers
	rotatingReaders = 2 // disks that seek want few at once
	networkReaders  = 8 // each open and read waits for a round trip
	mostNetwork     = 32
)

// ReaderConcurrency returns how many files to read at once from the medium
// that path is on, at first and at most.
func ReaderConcurrency(path string) source.Concurrency {
	switch mediumOf(path) {
	case rotating:
		return source.Concurrency{Least: 1, Start: rotatingReaders, Most: rotatingReaders}
	case network:
		return source.Concurrency{Least: leastReaders, Start: networkReaders, Most: mostNetwork}
	}
	return source.Concurrency{Least: leastReaders, Start: leastReaders, Most: mostReaders}
}

// medium is what kind of storage a path is on.
type medium int

const (
	unknown medium = iota
	flash
	rotating
	network
)
