package seal

import (
	"errors"
	"fmt"
	"math/bits"
	"time"

	"golang.org/x/crypto/scrypt"
)

// ErrParams marks parameters that are invalid or would cost too much.
var ErrParams = errors.New("unacceptable scrypt parameters")

// Bounds of what a key file may demand. Whoever can write to a repository can
// put a key file there, and every client that opens the repository tries it.
const (
	maxMemory = 1 << 30 // bytes
	// maxWork bounds N·r·p. It is about a minute on a slow machine; what
	// restic chooses, and holdfast, is about 2^18 to 2^20.
	maxWork = 1 << 26
)

// Params say how costly it is to derive a key from a password. Memory is
// 128·N·r bytes, time is proportional to N·r·p (RFC 7914).
type Params struct {
	// N is a power of two.
	N int `json:"N"`
	R int `json:"r"`
	P int `json:"p"`
}

// usualR is the block size that RFC 7914 recommends and everyone uses.
const usualR = 8

// leastN is the N below which no key is made here, however slow the machine:
// the one that scrypt's author recommended for interactive logins in 2009.
const leastN = 1 << 14

// leastWork is the N·r·p below which no key is made here: with N = 2^15, the
// least that OWASP's Password Storage Cheat Sheet accepts (r = 8, p = 3).
const leastWork = (1 << 15) * usualR * 3

// Validate returns ErrParams unless p is valid and within bounds.
func (p Params) Validate() error {
	if p.N < 2 || p.R < 1 || p.P < 1 || p.N&(p.N-1) != 0 {
		return fmt.Errorf("%w: N=%d r=%d p=%d are invalid", ErrParams, p.N, p.R, p.P)
	}
	const most = 1 << 30 // keeps the products below within 64 bits
	if p.N > most || p.R > most || p.P > most {
		return fmt.Errorf("%w: N=%d r=%d p=%d are out of bounds", ErrParams, p.N, p.R, p.P)
	}
	cells := uint64(p.N) * uint64(p.R)
	hi, work := bits.Mul64(cells, uint64(p.P))
	memory := 128 * (uint64(p.N) + uint64(p.P)) * uint64(p.R)
	if memory > maxMemory || hi != 0 || work > maxWork {
		return fmt.Errorf("%w: N=%d r=%d p=%d take %d MiB and %d rounds, more than a key may cost here (%d MiB, %d)",
			ErrParams, p.N, p.R, p.P, memory>>20, work, maxMemory>>20, maxWork)
	}
	return nil
}

// Calibrate returns parameters that take about the target time on this
// machine and at most the given memory: restic's own are 500 ms and 60 MiB.
// Measuring takes a fraction of the target time.
func Calibrate(target time.Duration, memoryMiB int) (Params, error) {
	return calibrate(target, memoryMiB, measure)
}

// measure returns the time that one derivation takes as everybody does it, and
// not in package scrypt here: keys would cost as much as before, and other
// programs that open them twice that.
func measure(p Params) (time.Duration, error) {
	start := time.Now()
	_, err := scrypt.Key([]byte("calibration"), make([]byte, saltSize), p.N, p.R, p.P, 64)
	return time.Since(start), err
}

// calibrate doubles N while memory and time allow, then lets p use up the
// rest of the time.
func calibrate(target time.Duration, memoryMiB int, measure func(Params) (time.Duration, error)) (Params, error) {
	p := Params{N: leastN, R: usualR, P: 1}
	took, err := measure(p)
	if err != nil {
		return p, fmt.Errorf("calibrating scrypt: %w", err)
	}
	took = max(took, time.Microsecond) // for clocks that are coarse
	memory := min(memoryMiB<<20, maxMemory/2)
	for 128*usualR*2*p.N <= memory && 2*took <= target {
		p.N *= 2
		took *= 2
	}
	least := (leastWork + p.N*p.R - 1) / (p.N * p.R)
	p.P = max(least, min(int(target/took), maxWork/(p.N*p.R)))
	return p, p.Validate()
}
