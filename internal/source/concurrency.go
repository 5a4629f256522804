package source

// Concurrency says how many files of a source to read at once: how many at
// first, and between which bounds whoever reads may look for a better number.
type Concurrency struct{ Least, Start, Most int }

// Exactly is the Concurrency of sources where the number is known.
func Exactly(n int) Concurrency { return Concurrency{n, n, n} }
