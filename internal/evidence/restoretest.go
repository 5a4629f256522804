package evidence

import (
	"fmt"
	"time"
)

// RestoreTest is what one restore test did, all that an auditor asks for.
// Durations are in seconds.
type RestoreTest struct {
	Plan   string `json:"plan,omitempty"`
	Source string `json:"source"`
	// SourceKind is files, postgres or dump.
	SourceKind string `json:"source_kind"`
	// Settings is the hash of what holdfast.yaml says of the plan.
	Settings string `json:"settings_sha256,omitempty"`
	// From is the repository that was restored from. It is another than the
	// one that keeps the record when that one could not.
	From Place `json:"from"`
	// InsteadOf is the repository that the source had just not come back from,
	// which is why this test was made.
	InsteadOf *Place `json:"instead_of,omitempty"`
	// Point is what was restored.
	Point TestPoint `json:"point"`
	// Target is where to.
	Target Target `json:"target"`
	// Versions are those of the programs that took part, by their names.
	Versions map[string]string `json:"versions,omitempty"`
	// Began is when the test began, Operator who ran it.
	Began    time.Time   `json:"began"`
	Operator string      `json:"operator,omitempty"`
	Steps    []Step      `json:"steps"`
	Checks   []TestCheck `json:"checks"`
	// Files and Bytes are what was restored.
	Files uint64 `json:"files,omitempty"`
	Bytes uint64 `json:"bytes,omitempty"`
	RTO   Time   `json:"rto"`
	RPO   Time   `json:"rpo"`
	// Verdict is proven, failed, or not judged when the test itself could not
	// be carried out.
	Verdict Verdict `json:"verdict"`
	// Cleanup tells what became of the restored data.
	Cleanup Cleanup `json:"cleanup"`
}

// Place is a repository.
type Place struct {
	Name       string `json:"name,omitempty"`
	Location   string `json:"location"`
	Repository string `json:"repository,omitempty"`
}

// TestPoint is the recovery point that was restored.
type TestPoint struct {
	// Asked is how it was chosen: newest, oldest, random, a time or a snapshot;
	// Seed is what a random choice came from.
	Asked string `json:"asked"`
	Seed  uint64 `json:"seed,omitempty"`
	// Again tells that the point was chosen because it did not come back before,
	// and was nobody's turn.
	Again bool `json:"again,omitempty"`
	// Snapshot and Time are what was chosen; both are left out if nothing was.
	Snapshot string    `json:"snapshot,omitempty"`
	Time     time.Time `json:"time,omitzero"`
	// Reached is where in the log a recovery ended.
	Reached string `json:"reached,omitempty"`
}

// Target is the place apart that was restored to.
type Target struct {
	Host   string `json:"host,omitempty"`
	System string `json:"system,omitempty"`
	Folder string `json:"folder"`
	// Isolation says, in words, what keeps the test from everything else.
	Isolation []string `json:"isolation"`
}

// Step is a part of the test.
type Step struct {
	Name    string    `json:"name"`
	Began   time.Time `json:"began"`
	Seconds float64   `json:"seconds"`
	Error   string    `json:"error,omitempty"`
}

// TestCheck is one thing that was looked at.
type TestCheck struct {
	Name     string `json:"name"`
	Expected string `json:"expected"`
	Actual   string `json:"actual"`
	Good     bool   `json:"good"`
}

// String says what is wrong.
func (c *TestCheck) String() string {
	return fmt.Sprintf("%s: %s, want %s", c.Name, c.Actual, c.Expected)
}

// Time is what was measured, beside what the plan promises; 0 promises
// nothing.
type Time struct {
	Measured float64 `json:"measured_seconds"`
	Promised float64 `json:"promised_seconds,omitempty"`
}

// Kept tells whether what is promised was measured.
func (t Time) Kept() bool { return t.Promised == 0 || t.Measured <= t.Promised }

// Verdict is what a restore test comes to.
type Verdict string

// The verdicts.
const (
	Proven    Verdict = "proven"
	Failed    Verdict = "failed"
	NotJudged Verdict = "not judged"
)

// Cleanup tells what became of the restored data.
type Cleanup struct {
	Done  bool      `json:"done"`
	Time  time.Time `json:"time,omitzero"`
	Error string    `json:"error,omitempty"`
}
