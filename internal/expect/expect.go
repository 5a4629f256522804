// Package expect reads what a check of restored data must answer, such as
// "> 0", "= paid" or "18", and judges answers.
package expect

import (
	"fmt"
	"math/big"
	"strings"
)

// Expectation is what an answer must be. The zero value is content with any.
type Expectation struct {
	operator string
	value    string
}

// operators, the longer ones first where one begins another.
var operators = [...]string{">=", "<=", "!=", "<>", "==", "=", ">", "<"}

// Parse reads an expectation: an operator and a value, or a value alone, which
// the answer must equal. Nothing is content with anything.
func Parse(text string) (Expectation, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return Expectation{}, nil
	}
	for _, operator := range operators {
		value, ok := strings.CutPrefix(text, operator)
		if !ok {
			continue
		}
		value = strings.TrimSpace(value)
		if value == "" {
			return Expectation{}, fmt.Errorf("%q compares with nothing: write it like %s 100", text, operator)
		}
		return Expectation{canonical(operator), value}, nil
	}
	return Expectation{"=", text}, nil
}

func canonical(operator string) string {
	switch operator {
	case "==":
		return "="
	case "<>":
		return "!="
	}
	return operator
}

// String writes the expectation.
func (e Expectation) String() string {
	if e.operator == "" {
		return "anything"
	}
	return e.operator + " " + e.value
}

// Holds tells whether an answer is what is expected. Numbers are compared as
// numbers of any size, everything else as text; an order of text is refused.
func (e Expectation) Holds(answer string) (bool, error) {
	if e.operator == "" {
		return true, nil
	}
	a, aOK := new(big.Rat).SetString(strings.TrimSpace(answer))
	b, bOK := new(big.Rat).SetString(e.value)
	order := 0
	switch {
	case aOK && bOK:
		order = a.Cmp(b)
	case e.operator == "=" || e.operator == "!=":
		order = strings.Compare(answer, e.value)
	default:
		return false, fmt.Errorf("the answer %q cannot be compared with %q: both must be numbers", answer, e.value)
	}
	switch e.operator {
	case "=":
		return order == 0, nil
	case "!=":
		return order != 0, nil
	case ">":
		return order > 0, nil
	case ">=":
		return order >= 0, nil
	case "<":
		return order < 0, nil
	default:
		return order <= 0, nil
	}
}
