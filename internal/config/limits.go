package config

import (
	"strconv"

	"holdfast/internal/size"
)

// Limits bound what a run may use. 0 sets no bound.
type Limits struct {
	// Upload and Download are how much may be sent and received in a second,
	// such as 10M; a number alone is KiB.
	Upload   size.Rate `yaml:"upload,omitempty"`
	Download size.Rate `yaml:"download,omitempty"`
	// Nice is the priority of a run for the processor, from 0, the usual one,
	// to 19, the last.
	Nice int `yaml:"nice,omitempty"`
	// Memory is what a run may use of it before the system ends it.
	Memory size.Bytes `yaml:"memory,omitempty"`
	// Timeout ends a run that takes longer, as failed.
	Timeout Duration `yaml:"timeout,omitempty"`
	// Retries says how often a failed run is tried again.
	Retries Retries `yaml:"retries,omitempty,flow"`
}

// Retries says how often a failed run is tried again, and when.
type Retries struct {
	// Attempts is how many tries a run has, the first one included.
	Attempts int `yaml:"attempts,omitempty" default:"3"`
	// Backoff is how long to wait before the second try; it doubles with each
	// further one, up to an hour.
	Backoff Duration `yaml:"backoff,omitempty" default:"1m"`
}

func (l Limits) check(k *checker) {
	checkRange(k.key("nice"), l.Nice, 0, 19)
	if l.Memory != 0 && l.Memory < minMemory {
		k.key("memory").report("a run does not work with less than "+size.Bytes(minMemory).String(), "")
	}
	if l.Retries.Attempts != 0 {
		checkRange(k.key("retries").key("attempts"), l.Retries.Attempts, 1, maxAttempts)
	}
}

const (
	// minMemory is what the smallest run needs.
	minMemory = 64 << 20
	// maxAttempts bounds the tries of one run: beyond it is no retry but a
	// schedule.
	maxAttempts = 20
)

func checkRange(k *checker, n, from, to int) {
	if n < from || n > to {
		k.report(strconv.Itoa(n)+" is out of range", "write a number from "+strconv.Itoa(from)+" to "+strconv.Itoa(to))
	}
}
