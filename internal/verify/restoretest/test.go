// Package restoretest carries out what all restore tests have in common: a
// place apart to restore to, checks of what came back, and the record of it
// that becomes evidence.
//
// What is restored is production data in a place where nobody expects it. The
// scratch folder is for its owner alone and removed whatever happens; leftovers
// of killed tests are removed by the next one. Commands of the user's run
// without a network and can write to the scratch folder only, where the system
// lets holdfast see to that; Isolation says what holds.
package restoretest

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/user"
	"slices"
	"time"

	"holdfast/internal/evidence"
)

// maxFindings bounds the findings that a test keeps; Problems counts all.
const maxFindings = 100

// Test is a restore test under way: what becomes its record, filled in step by
// step.
type Test struct {
	evidence.RestoreTest
	// Findings name the first of what is wrong, Problems counts all of it.
	Findings []string
	Problems int
	// OnStep, if set, is told when a step begins.
	OnStep func(name string)
}

// Begin begins a test now.
func Begin(t evidence.RestoreTest) *Test {
	t.Began = time.Now().UTC().Truncate(time.Millisecond)
	t.Target.Host, _ = os.Hostname() // it may have none
	if u, err := user.Current(); err == nil {
		t.Operator = u.Username
	}
	t.Steps, t.Checks = []evidence.Step{}, []evidence.TestCheck{}
	t.Target.Isolation = slices.Clone(t.Target.Isolation)
	if t.Versions == nil {
		t.Versions = make(map[string]string)
	}
	return &Test{RestoreTest: t}
}

// Step does a part of the test, and keeps how long it took and what became of
// it.
func (t *Test) Step(name string, do func() error) error {
	if t.OnStep != nil {
		t.OnStep(name)
	}
	began := time.Now()
	err := do()
	t.AddStep(name, began, time.Since(began), err)
	return err
}

// AddStep keeps a part of the test that was done elsewhere.
func (t *Test) AddStep(name string, began time.Time, took time.Duration, err error) {
	step := evidence.Step{Name: name, Began: began.UTC().Truncate(time.Millisecond), Seconds: took.Seconds()}
	if err != nil {
		step.Error = err.Error()
	}
	t.Steps = append(t.Steps, step)
}

// Took is how long the steps with these names took together.
func (t *Test) Took(names ...string) time.Duration {
	var sum float64
	for _, s := range t.Steps {
		if slices.Contains(names, s.Name) {
			sum += s.Seconds
		}
	}
	return time.Duration(sum * float64(time.Second))
}

// Check keeps what was looked at. What is not good is a finding, too.
func (t *Test) Check(name, expected, actual string, good bool) {
	c := evidence.TestCheck{Name: name, Expected: expected, Actual: actual, Good: good}
	t.Checks = append(t.Checks, c)
	if !good {
		t.Find("%s", c.String())
	}
}

// Find keeps something that is wrong.
func (t *Test) Find(format string, args ...any) {
	t.Problems++
	if len(t.Findings) < maxFindings {
		t.Findings = append(t.Findings, fmt.Sprintf(format, args...))
	}
}

// End comes to a verdict. An error that ended the test is a finding: what could
// not be restored is not proven, whatever the reason. Only a test that was
// interrupted judges nothing.
func (t *Test) End(ctx context.Context, err error) {
	if err != nil {
		t.Find("%v", err)
	}
	switch {
	case ctx.Err() != nil:
		t.Verdict = evidence.NotJudged
	case t.Problems > 0:
		t.Verdict = evidence.Failed
	default:
		t.Verdict = evidence.Proven
	}
}

// Good tells whether it came back.
func (t *Test) Good() bool { return t.Verdict == evidence.Proven }

// Record is the evidence of the test.
func (t *Test) Record() evidence.Record {
	test := t.RestoreTest
	test.Source = cmp.Or(test.Source, "a repository")
	return evidence.Record{
		Kind: evidence.Restore, Read: evidence.Part, Seconds: time.Since(t.Began).Seconds(), BytesRead: t.Bytes,
		RestoreTest: &test, Problems: t.Problems, Findings: t.Findings,
	}
}
