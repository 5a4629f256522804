package api

import (
	"encoding/json"
	"fmt"
	"time"
)

// RestoreRequest asks for a restore. Either Snapshot or Time (with Plan and
// Source) says to what.
type RestoreRequest struct {
	Plan       string    `json:"plan,omitempty"`
	Source     string    `json:"source,omitempty"`
	Repository string    `json:"repository,omitempty"` // "" for that of the plan
	Snapshot   string    `json:"snapshot,omitempty"`
	Time       time.Time `json:"time,omitzero"`
	// Paths are what of the snapshot is restored, all of it if empty.
	Paths []string `json:"paths,omitempty"`
	// Target is the folder that is written to, "" for a new one below the
	// first of Service.RestoreDirs.
	Target string `json:"target,omitempty"`
	// Overwrite is always, if-changed, if-newer or never (the default).
	Overwrite string `json:"overwrite,omitempty"`
	// Confirm is the token of the plan that was shown; Restore refuses
	// without.
	Confirm string `json:"confirm,omitempty"`
}

// RestorePlan is what a restore would do.
type RestorePlan struct {
	Request  RestoreRequest `json:"request"`
	Snapshot *Snapshot      `json:"snapshot,omitempty"`
	Target   string         `json:"target"`
	// Recovery is the instant that is restored to.
	Recovery  time.Time `json:"recovery,omitzero"`
	Files     uint64    `json:"files"`
	Bytes     uint64    `json:"bytes"`
	FreeBytes uint64    `json:"free_bytes,omitempty"`
	// Overwrites are files that are there and would be replaced, Kept those
	// that would not; some of each.
	Overwrites []string `json:"overwrites,omitempty"`
	Kept       []string `json:"kept,omitempty"`
	// Seconds is how long it will take, by the last restore test; 0 for not
	// known.
	Seconds float64 `json:"seconds,omitempty"`
	// Refused is why the service will not do it; Command is what does it, or
	// what does the same.
	Refused string   `json:"refused,omitempty"`
	Command []string `json:"command"`
	// Confirm is what the request must carry.
	Confirm string `json:"confirm"`
}

// ForgetRequest asks to forget snapshots.
type ForgetRequest struct {
	Repository string   `json:"repository"`
	Snapshots  []string `json:"snapshots"`
	Confirm    string   `json:"confirm,omitempty"`
}

// ForgetPlan is what forgetting would remove.
type ForgetPlan struct {
	Remove []Snapshot `json:"remove"`
	Keep   int        `json:"keep"`
	// Warnings say what would be lost with them: the last snapshot of a
	// source, points in time.
	Warnings []string `json:"warnings,omitempty"`
	Refused  string   `json:"refused,omitempty"`
	Command  []string `json:"command"`
	Confirm  string   `json:"confirm"`
}

// Hold keeps snapshots from being removed.
type Hold struct {
	ID     string    `json:"id"`
	Plan   string    `json:"plan,omitempty"`
	Source string    `json:"source,omitempty"`
	Since  time.Time `json:"since"`
	By     string    `json:"by,omitempty"`
	Reason string    `json:"reason,omitempty"`
}

// HoldRequest asks for a hold.
type HoldRequest struct {
	Plan   string `json:"plan,omitempty"`
	Source string `json:"source,omitempty"`
	Reason string `json:"reason"`
}

// ProtectRequest asks that something is protected.
type ProtectRequest struct {
	// What are paths, or one connection string.
	What []string `json:"what"`
	// To is a name of holdfast.yaml or the URL of a repository, "" for the
	// default.
	To   string `json:"to,omitempty"`
	Name string `json:"name,omitempty"`
}

// RestoreTestQuery says which restore tests are meant; "" means any.
type RestoreTestQuery struct {
	Plan, Source, Repository string
	Since, Until             time.Time
	Limit                    int
}

// RestoreTestPage are restore tests, and what could not be asked for them.
type RestoreTestPage struct {
	Tests []RestoreTest `json:"tests"`
	// Unread are the repositories whose records could not be read now. What
	// was read of them before is among Tests.
	Unread []Unread `json:"unread,omitempty"`
	// Damage are records that cannot be read.
	Damage []Damage `json:"damage,omitempty"`
	// Evidence is what all records of each repository come to, as far as that
	// is known by now.
	Evidence []EvidenceVerdict `json:"evidence,omitempty"`
}

// Unread is a repository that does not answer, and why.
type Unread struct {
	Repository string `json:"repository"`
	Why        string `json:"why"`
}

// RestoreTest is a restore that was tried, and its record.
type RestoreTest struct {
	ID         string    `json:"id"`
	Repository string    `json:"repository"` // that keeps the record
	Plan       string    `json:"plan"`
	Source     string    `json:"source"`
	From       string    `json:"from"` // repository that was restored from
	Time       time.Time `json:"time"`
	// InsteadOf is the repository that it had just not come back from, which is
	// why this test was made.
	InsteadOf string `json:"instead_of,omitempty"`
	// ComesBackFrom is, for a test that failed, the repository that it came back
	// from when that was tested instead.
	ComesBackFrom string `json:"comes_back_from,omitempty"`
	// Verdict is proven, failed or not-judged.
	Verdict  string    `json:"verdict"`
	Snapshot string    `json:"snapshot,omitempty"`
	Recovery time.Time `json:"recovery,omitzero"`
	Bytes    uint64    `json:"bytes,omitempty"`
	Files    uint64    `json:"files,omitempty"`
	RTO      Standing  `json:"rto"`
	Checks   []Check   `json:"checks,omitempty"`
	Findings []string  `json:"findings,omitempty"`
	// Signature tells whether the record's signature is good: good, bad, none,
	// or unknown for one by a key that is not trusted here.
	Signature string          `json:"signature,omitempty"`
	Record    json.RawMessage `json:"record,omitempty"`
}

// Check is one check of a restore test.
type Check struct {
	What     string `json:"what"`
	Expected string `json:"expected,omitempty"`
	Got      string `json:"got,omitempty"`
	Passed   bool   `json:"passed"`
}

// Month is a month of a year, in the zone of the service.
type Month struct {
	Year  int
	Month time.Month
}

func (m Month) String() string { return fmt.Sprintf("%04d-%02d", m.Year, int(m.Month)) }

// MarshalText writes it like 2026-11.
func (m Month) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (m *Month) UnmarshalText(text []byte) (err error) {
	*m, err = ParseMonth(string(text))
	return err
}

// ParseMonth reads what String wrote.
func ParseMonth(s string) (Month, error) {
	t, err := time.Parse("2006-01", s)
	if err != nil {
		return Month{}, fmt.Errorf("%w: %q is no month; write it like 2026-11", ErrInvalid, s)
	}
	return Month{t.Year(), t.Month()}, nil
}

// Report is how a plan did in a month.
type Report struct {
	Plan  Plan      `json:"plan"`
	Month Month     `json:"month"`
	From  time.Time `json:"from"`
	To    time.Time `json:"to"`
	Made  time.Time `json:"made"`
	// Runs are counted by job and then by outcome.
	Runs map[string]map[string]int `json:"runs"`
	// Failures are the runs that did not succeed.
	Failures []Run         `json:"failures"`
	Tests    []RestoreTest `json:"tests"`
	// WorstRPO is the longest time between recovery points, 0 for not known;
	// BrokenSeconds is how long a promise was broken, as far as events tell,
	// from the first recovery point or restore test of the plan on.
	WorstRPO         float64 `json:"worst_rpo_seconds"`
	RPOBrokenSeconds float64 `json:"rpo_broken_seconds"`
	RTOBrokenSeconds float64 `json:"rto_broken_seconds"`
	WorstRTO         float64 `json:"worst_rto_seconds"`
	BytesRead        uint64  `json:"bytes_read"`
	BytesAdded       uint64  `json:"bytes_added"`
	// Changes are what people did: pauses, holds, changes of the
	// configuration.
	Changes []Change `json:"changes"`
	// Incomplete says what the report lacks, "" for nothing.
	Incomplete string `json:"incomplete,omitempty"`
}

// Change is something a person did.
type Change struct {
	Time time.Time `json:"time"`
	By   string    `json:"by,omitempty"`
	What string    `json:"what"`
}
