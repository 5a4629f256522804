package history

import (
	"time"
)

// Job says what a run does.
type Job string

// The jobs of the service.
const (
	Backup      Job = "backup"
	Copy        Job = "copy"
	Retention   Job = "retention"
	Prune       Job = "prune"
	Check       Job = "check"
	RestoreTest Job = "restore-test"
	// Extend keeps the locks of immutable objects ahead of their end.
	Extend Job = "extend"
	// LogPrune removes log that no promised point in time needs; LogReceive
	// supervises what streams a database's log into its archive.
	LogPrune   Job = "log-prune"
	LogReceive Job = "log-receive"
	// What people ask for once: Forget removes snapshots that they chose,
	// Protect begins a plan, PlanCheck tries whether the plans would work, and
	// NotifyTest whether messages arrive.
	Restore    Job = "restore"
	Forget     Job = "forget"
	Protect    Job = "protect"
	PlanCheck  Job = "plan-check"
	NotifyTest Job = "notify-test"
	// Tag changes the tags of snapshots that they chose, Unlock removes locks
	// whose holders are gone, Archive writes an archive and ArchiveCheck reads
	// some back, KitCheck holds a recovery kit to its repository, Storage sets a
	// bucket up and StorageCheck finds out what it would do.
	Tag          Job = "tag"
	Unlock       Job = "unlock"
	Archive      Job = "archive"
	ArchiveCheck Job = "archive-check"
	KitCheck     Job = "kit-check"
	Storage      Job = "storage"
	StorageCheck Job = "storage-check"
)

// Jobs returns all of them.
func Jobs() []Job {
	return []Job{
		Backup, Copy, Retention, Prune, Check, RestoreTest, Extend, LogPrune, LogReceive, Restore, Forget, Protect, PlanCheck,
		NotifyTest, Tag, Unlock, Archive, ArchiveCheck, KitCheck, Storage, StorageCheck,
	}
}

// Outcome says how a run ended.
type Outcome string

// The outcomes.
const (
	Succeeded Outcome = "succeeded"
	// Partial is a run that did its work but for something it names: a
	// snapshot without the files that could not be read.
	Partial Outcome = "partial"
	Failed  Outcome = "failed"
	// Interrupted is a run whose service or machine ended before it did.
	Interrupted Outcome = "interrupted"
	// Skipped is a run that was due and never began; Reason tells why.
	Skipped Outcome = "skipped"
)

// Outcomes returns all of them.
func Outcomes() []Outcome { return []Outcome{Succeeded, Partial, Failed, Interrupted, Skipped} }

// Good tells whether what the run was for is there now.
func (o Outcome) Good() bool { return o == Succeeded || o == Partial }

// Trigger says what made a run begin.
type Trigger string

// The triggers.
const (
	Schedule Trigger = "schedule"
	// CatchUp is a run for one that was missed.
	CatchUp Trigger = "catch-up"
	Retry   Trigger = "retry"
	Manual  Trigger = "manual"
	// After is a run that follows another one.
	After Trigger = "after"
)

// Run is one execution of a job that ended.
type Run struct {
	ID     string `json:"id"`
	Plan   string `json:"plan"`
	Source string `json:"source,omitempty"`
	// Repository is where it worked, and for a copy where it wrote.
	Repository string  `json:"repository,omitempty"`
	Job        Job     `json:"job"`
	Type       string  `json:"type,omitempty"` // of a backup: full, incremental, differential
	Trigger    Trigger `json:"trigger,omitempty"`
	// By is who asked for it, "" for nobody.
	By string `json:"by,omitempty"`

	// Due is when it should have begun, zero for one that nobody scheduled.
	Due     time.Time `json:"due,omitzero"`
	Started time.Time `json:"started,omitzero"`
	Ended   time.Time `json:"ended"`
	// Attempt counts from 1.
	Attempt int `json:"attempt,omitempty"`

	Outcome Outcome `json:"outcome"`
	// Reason is one line: why it failed, was skipped or is partial.
	Reason string  `json:"reason,omitempty"`
	Phases []Phase `json:"phases,omitempty"`

	// Bytes were read from the source (a backup), or moved; Added were new to
	// the repository. Files counts those looked at.
	Bytes     uint64   `json:"bytes,omitempty"`
	Added     uint64   `json:"added,omitempty"`
	Files     uint64   `json:"files,omitempty"`
	Snapshots []string `json:"snapshots,omitempty"`
	// Figures are other measurements of the run, by name, in base units:
	// seconds, bytes, counts. Names are of at most a few dozen kinds.
	Figures map[string]float64 `json:"figures,omitempty"`
	// Log names the run's log, "" for none.
	Log string `json:"log,omitempty"`
}

// Phase is one part of a run.
type Phase struct {
	Name    string        `json:"name"`
	Started time.Time     `json:"started"`
	Took    time.Duration `json:"took_ns"`
	Error   string        `json:"error,omitempty"`
}

// Took is how long the run worked.
func (r *Run) Took() time.Duration {
	if r.Started.IsZero() {
		return 0
	}
	return r.Ended.Sub(r.Started)
}

// Filter says which runs are meant. The zero Filter means all.
type Filter struct {
	// Plan, Source, Repository, Job and Outcome are what a run must say, "" for
	// anything.
	Plan       string
	Source     string
	Repository string
	Job        Job
	Outcome    Outcome
	// Since and Until bound the time a run ended, both inclusive; zero for
	// open.
	Since, Until time.Time
	// After is the ID of a run: those that come after it in the list, which has
	// the newest first, are meant.
	After string
	// Limit is how many of the newest are meant, 0 for all.
	Limit int
}

func (f *Filter) matches(r *Run) bool {
	switch {
	case f.Plan != "" && f.Plan != r.Plan,
		f.Source != "" && f.Source != r.Source,
		f.Repository != "" && f.Repository != r.Repository,
		f.Job != "" && f.Job != r.Job,
		f.Outcome != "" && f.Outcome != r.Outcome,
		!f.Since.IsZero() && r.Ended.Before(f.Since),
		!f.Until.IsZero() && r.Ended.After(f.Until):
		return false
	}
	return true
}
