package files

// How many files to read at once from a medium. More only helps where
// waiting, not reading, takes the time.
const (
	rotatingReaders = 2 // disks that seek want few at once; virtual ones call themselves rotating and do not
	defaultReaders  = 2 // flash, or not known
	networkReaders  = 8 // each open and read waits for a round trip
	maxLocalReaders = 4 // of flash: more only contend with the workers
)

// ReaderConcurrency returns how many files to read at once from the medium
// that path is on, on a machine with cpus processors.
func ReaderConcurrency(path string, cpus int) int {
	switch mediumOf(path) {
	case rotating:
		return rotatingReaders
	case network:
		return networkReaders
	}
	return min(max(defaultReaders, cpus/2), maxLocalReaders)
}

// medium is what kind of storage a path is on.
type medium int

const (
	unknown medium = iota
	flash
	rotating
	network
)
