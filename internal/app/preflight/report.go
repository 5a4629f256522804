// Package preflight tries beforehand what plans need: that places can be
// written to, that databases answer and let us do what we must, that programs
// and files are there, and that the clocks agree.
//
// It changes nothing that lasts: what it puts below holdfast/probe/ it deletes
// again, where it may.
package preflight

// Level says how much a finding matters.
type Level string

// The levels, from the least.
const (
	OK      Level = "ok"
	Warning Level = "warning"
	Wrong   Level = "wrong"
)

// Finding is one thing that was found out.
type Finding struct {
	Level Level `json:"level"`
	// Key is the key of the configuration that it is about, such as
	// "repositories.offsite".
	Key string `json:"key"`
	// Text says what is so, Fix what to do about it; "" for what is well.
	Text string `json:"text"`
	Fix  string `json:"fix,omitempty"`
}

// Report collects what was found out about one key. It is for one goroutine.
type Report struct {
	Key      string
	Findings []Finding
}

// OK notes what is well.
func (r *Report) OK(text string) { r.add(OK, text, "") }

// Warn notes what is dubious.
func (r *Report) Warn(text, fix string) { r.add(Warning, text, fix) }

// Wrong notes what keeps a plan from working.
func (r *Report) Wrong(text, fix string) { r.add(Wrong, text, fix) }

func (r *Report) add(level Level, text, fix string) {
	r.Findings = append(r.Findings, Finding{level, r.Key, text, fix})
}
