package chunk

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"strconv"
)

// polynomialDegree is the degree of every polynomial restic makes
// (doc/design.rst, "Backups and Deduplication").
const polynomialDegree = 53

// ErrPolynomial marks a value that cannot be used to find cut points.
var ErrPolynomial = errors.New("not an irreducible polynomial of degree 53")

// Polynomial is a polynomial over GF(2): bit i is the coefficient of x^i.
// A repository's config holds the one its files are cut with; repositories
// deduplicate against each other only if they share it.
type Polynomial uint64

// randomTries bounds the search for an irreducible polynomial. One candidate
// in about 27 (with constant term 1) is one, so that running out of tries
// means a broken source of randomness.
const randomTries = 1 << 13

// RandomPolynomial returns a random irreducible polynomial of degree 53.
func RandomPolynomial() (Polynomial, error) {
	var buf [8]byte
	for range randomTries {
		rand.Read(buf[:]) //nolint:errcheck // crypto/rand.Read never fails (Go 1.24)
		p := Polynomial(binary.LittleEndian.Uint64(buf[:]))
		p &= 1<<polynomialDegree - 1
		p |= 1<<polynomialDegree | 1
		if p.Irreducible() {
			return p, nil
		}
	}
	return 0, fmt.Errorf("random polynomial: none of %d candidates is irreducible", randomTries)
}

// ParsePolynomial reads the hex form that a config holds and checks that it
// is usable. It returns ErrPolynomial if not.
func ParsePolynomial(s string) (Polynomial, error) {
	v, err := strconv.ParseUint(s, 16, 64)
	if err != nil {
		return 0, fmt.Errorf("polynomial %q: want hex digits: %w", s, ErrPolynomial)
	}
	p := Polynomial(v)
	return p, p.Validate()
}

// Validate returns ErrPolynomial unless p is an irreducible polynomial of
// degree 53.
func (p Polynomial) Validate() error {
	if p.degree() != polynomialDegree || !p.Irreducible() {
		return fmt.Errorf("polynomial %s: %w", p, ErrPolynomial)
	}
	return nil
}

// String returns the hex form that a config holds.
func (p Polynomial) String() string { return strconv.FormatUint(uint64(p), 16) }

// MarshalText writes the hex form.
func (p Polynomial) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads what MarshalText wrote and checks it as
// ParsePolynomial does.
func (p *Polynomial) UnmarshalText(text []byte) error {
	v, err := ParsePolynomial(string(text))
	if err == nil {
		*p = v
	}
	return err
}

// Irreducible tells whether p has no divisors but 1 and itself. It is Rabin's
// test: p of degree n is irreducible if and only if it divides x^(2^n) - x,
// and x^(2^(n/q)) - x has no factor in common with it for any prime q that
// divides n (M. O. Rabin, "Probabilistic algorithms in finite fields", 1980).
func (p Polynomial) Irreducible() bool {
	n := p.degree()
	if n < 1 {
		return false
	}
	const x = Polynomial(2)
	for q := 2; q <= n; q++ {
		if n%q != 0 || !isPrime(q) {
			continue
		}
		if gcd(p, x.squared(n/q, p)^x.mod(p)) != 1 {
			return false
		}
	}
	return x.squared(n, p) == x.mod(p)
}

// degree returns the highest power with a coefficient of 1; -1 for zero.
func (p Polynomial) degree() int { return bits.Len64(uint64(p)) - 1 }

// mod returns the remainder of p divided by m, which is not zero.
func (p Polynomial) mod(m Polynomial) Polynomial {
	for d := m.degree(); p.degree() >= d; {
		p ^= m << (p.degree() - d)
	}
	return p
}

// squared returns p^(2^times) mod m.
func (p Polynomial) squared(times int, m Polynomial) Polynomial {
	p = p.mod(m)
	for range times {
		p = mulMod(p, p, m)
	}
	return p
}

// mulMod returns a*b mod m, for a and b of lower degree than m, and m of a
// degree of at most 63.
func mulMod(a, b, m Polynomial) Polynomial {
	top := Polynomial(1) << m.degree()
	var product Polynomial
	for ; b != 0; b >>= 1 {
		if b&1 != 0 {
			product ^= a
		}
		a <<= 1
		if a&top != 0 {
			a ^= m
		}
	}
	return product
}

// gcd returns the greatest common divisor of a and b.
func gcd(a, b Polynomial) Polynomial {
	for b != 0 {
		a, b = b, a.mod(b)
	}
	return a
}

// isPrime tells whether n >= 2, a number below 64, is prime.
func isPrime(n int) bool {
	for d := 2; d*d <= n; d++ {
		if n%d == 0 {
			return false
		}
	}
	return true
}
