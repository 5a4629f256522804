// Package expect reads what a check of restored data must answer, such as
// "> 0", "= paid" or "18", and judges answers.
package expect

import (
	"cmp"
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"time"
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

// HoldsAt is Holds for answers that may be instants: one is compared with an
// age, such as "< 1h", by how long before now it was. An instant without a time
// zone is taken for one of UTC.
func (e Expectation) HoldsAt(answer string, now time.Time) (bool, error) {
	want, ok := age(e.value)
	if !ok {
		return e.Holds(answer)
	}
	at, ok := instant(strings.TrimSpace(answer))
	if !ok {
		return false, fmt.Errorf("the answer %q is no instant, and only the age of one can be compared with %q", answer, e.value)
	}
	return e.ordered(cmp.Compare(now.Sub(at), want)), nil
}

// age reads a length of time: what Go writes, or days.
func age(text string) (time.Duration, bool) {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		return time.Duration(n) * 24 * time.Hour, err == nil
	}
	d, err := time.ParseDuration(text)
	return d, err == nil && strings.ContainsAny(text, "smh")
}

// instant reads a time as servers and programs write it.
func instant(text string) (time.Time, bool) {
	for _, layout := range [...]string{time.RFC3339Nano, "2006-01-02 15:04:05.999999-07", "2006-01-02 15:04:05.999999-07:00", "2006-01-02 15:04:05.999999", "2006-01-02T15:04:05.999999", "2006-01-02"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
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
	return e.ordered(order), nil
}

// ordered tells whether an answer that is less than, equal to or more than the
// value (-1, 0, 1) is what is expected.
func (e Expectation) ordered(order int) bool {
	switch e.operator {
	case "=":
		return order == 0
	case "!=":
		return order != 0
	case ">":
		return order > 0
	case ">=":
		return order >= 0
	case "<":
		return order < 0
	default:
		return order <= 0
	}
}
