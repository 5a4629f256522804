package chunk

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/restic/chunker"
	"pgregory.net/rapid"
)

func TestIrreducibleAsRestic(t *testing.T) {
	for p := Polynomial(2); p < 1<<11; p++ {
		if got, want := p.Irreducible(), chunker.Pol(p).Irreducible(); got != want {
			t.Errorf("%s: got %v, want %v", p, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		p := Polynomial(rapid.Uint64Range(2, 1<<54-1).Draw(t, "p"))
		if got, want := p.Irreducible(), chunker.Pol(p).Irreducible(); got != want {
			t.Fatalf("%s: got %v, want %v", p, got, want)
		}
	})
}

func TestRandomPolynomialIsUsable(t *testing.T) {
	for range 20 {
		p, err := RandomPolynomial()
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Validate(); err != nil {
			t.Error(err)
		}
		if !chunker.Pol(p).Irreducible() || chunker.Pol(p).Deg() != 53 {
			t.Errorf("restic would refuse %s", p)
		}
	}
}

func TestParsePolynomial(t *testing.T) {
	p, err := ParsePolynomial("3da3358b4dc173")
	if err != nil || p != benchPolynomial {
		t.Fatalf("got %v, %v", p, err)
	}
	for _, bad := range []string{
		"", "0", "1", "x", "-3da3358b4dc173", "0x3da3358b4dc173",
		"3da3358b4dc172",           // even: divisible by x
		"25",                       // irreducible, but of degree 5
		"ffffffffffffffffffffffff", // too long for 64 bits
		"8000000000000001",
	} {
		if _, err := ParsePolynomial(bad); !errors.Is(err, ErrPolynomial) {
			t.Errorf("%q: got %v", bad, err)
		}
	}
}

func TestPolynomialJSON(t *testing.T) {
	text, err := json.Marshal(benchPolynomial)
	if err != nil || string(text) != `"3da3358b4dc173"` {
		t.Fatalf("got %s, %v", text, err)
	}
	var p Polynomial
	if err := json.Unmarshal(text, &p); err != nil || p != benchPolynomial {
		t.Fatalf("got %v, %v", p, err)
	}
}
