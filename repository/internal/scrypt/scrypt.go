// Package scrypt derives keys from passwords (RFC 7914), for less CPU time than
// golang.org/x/crypto/scrypt, and with the same results.
//
// A key costs p runs of scryptROMix that know nothing of each other. x/crypto
// does one after the other, with the words of one block in the registers of
// integers, and each step waits for the one before. Here up to four runs go on
// at once, with four words in each register of the vector unit. They take no
// more memory than one: of k runs at once each keeps every k-th of its values,
// and makes the others again when they are asked for. Three runs take half the
// time of three that follow each other, with half again as many mixes.
//
// Where a CPU has no such instructions, x/crypto does the work.
package scrypt

import (
	"bytes"
	"crypto/pbkdf2"
	"crypto/sha256"
	"errors"
	"fmt"
	"math"

	"golang.org/x/crypto/scrypt"
)

// Key derives a key of so many bytes. It takes 128·n·r bytes of memory.
func Key(password, salt []byte, n, r, p, length int) ([]byte, error) {
	ways := waysToMix()
	if len(ways) == 0 || !usual(n, r, p) {
		return scrypt.Key(password, salt, n, r, p, length)
	}
	return derive(ways[0], password, salt, n, r, p, length)
}

// errUnlike says that this machine cannot be relied on for making keys.
var errUnlike = errors.New("scrypt: derived in two ways, a key is not the same: this machine, or holdfast on it, miscalculates")

// Derivation is what Key and x/crypto have in common.
type Derivation func(password, salt []byte, n, r, p, length int) ([]byte, error)

// ProvenKey is Key for what is to be sealed: other programs and other machines
// must come to the same key, so that x/crypto derives it, and Key must agree.
func ProvenKey(password, salt []byte, n, r, p, length int) ([]byte, error) {
	return provenBy(Key, password, salt, n, r, p, length)
}

func provenBy(other Derivation, password, salt []byte, n, r, p, length int) ([]byte, error) {
	key, err := scrypt.Key(password, salt, n, r, p, length)
	if err != nil {
		return nil, err
	}
	same, err := other(password, salt, n, r, p, length)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(key, same) {
		return nil, errUnlike
	}
	return key, nil
}

// derive is Key by one way to mix.
func derive(way mixer, password, salt []byte, n, r, p, length int) ([]byte, error) {
	blocks, err := pbkdf2.Key(sha256.New, string(password), salt, 1, p*blockBytes(r))
	if err != nil {
		return nil, fmt.Errorf("scrypt: %w", err)
	}
	if err := newRuns(n, r, blocks).do(way); err != nil {
		return nil, fmt.Errorf("scrypt: %w", err)
	}
	key, err := pbkdf2.Key(sha256.New, string(password), blocks, 1, length)
	if err != nil {
		return nil, fmt.Errorf("scrypt: %w", err)
	}
	return key, nil
}

// blockBytes is how long the value is that a run works on.
func blockBytes(r int) int { return 128 * r }

// usual tells whether parameters are valid and of a size that is counted here
// without a thought. x/crypto says what is wrong with others, or does them.
func usual(n, r, p int) bool {
	const most = math.MaxInt32 / 128
	return n > 1 && n&(n-1) == 0 && n <= 1<<30 && r > 0 && p > 0 && r <= most && p <= most/r
}
