package api

import (
	"slices"
	"time"

	"holdfast/internal/event"
	"holdfast/internal/objective"
)

// Service is the service itself.
type Service struct {
	Version string    `json:"version"`
	Host    string    `json:"host"`
	PID     int       `json:"pid"`
	Started time.Time `json:"started"`
	Now     time.Time `json:"now"`
	// Config is the file of the configuration, StateDir the folder of the
	// state.
	Config   string `json:"config"`
	StateDir string `json:"state_dir"`
	// Surveyed is when it was last looked how the plans stand, zero for never;
	// SurveyError is why the last look failed.
	Surveyed    time.Time `json:"surveyed,omitzero"`
	SurveyError string    `json:"survey_error,omitempty"`
	// ConfigError is why a changed configuration is not used.
	ConfigError string `json:"config_error,omitempty"`
	// Channels are the names of the channels of notifications.
	Channels []string `json:"channels"`
	// RestoreDirs are the folders that restores may write below.
	RestoreDirs []string `json:"restore_dirs"`
	// ArchivePlaces are the places that archives may be written to: those that
	// are named for it, and those of the plans' archives.
	ArchivePlaces []string `json:"archive_places"`
}

// Verdict is one word for how a plan stands.
type Verdict string

// The verdicts. AtRisk is a promise nearly broken, a copy that lags or a proof
// that is old; Unsafe a promise broken, or no recovery point at all; Unknown
// is a plan that was not looked at yet.
const (
	Safe    Verdict = "safe"
	AtRisk  Verdict = "at-risk"
	Unsafe  Verdict = "unsafe"
	Unknown Verdict = "unknown"
)

// Plan is a plan, and how it stands.
type Plan struct {
	Name    string   `json:"name"`
	Sources []Source `json:"sources"`
	Verdict Verdict  `json:"verdict"`
	// Why tells the verdict in a sentence, Missing what it lacks and what to
	// do about it.
	Why     string    `json:"why"`
	Missing []Missing `json:"missing"`
	RPO     Standing  `json:"rpo"`
	RTO     Standing  `json:"rto"`
	// Newest is the newest recovery point of the source that is worst off.
	Newest time.Time `json:"newest,omitzero"`
	// Proven is the newest restore test that passed, Tested the newest at all.
	Proven time.Time `json:"proven,omitzero"`
	Tested time.Time `json:"tested,omitzero"`
	// Score is that of 3-2-1-1-0, such as "2-1-1-0-0".
	Score     string  `json:"score"`
	Copies    int     `json:"copies"`
	Media     int     `json:"media"`
	OffSite   int     `json:"off_site"`
	Immutable int     `json:"immutable"`
	Errors    int     `json:"errors"`
	Places    []Place `json:"places"`
	// Archives are those of the plan, if it has any and they were looked at.
	Archives *PlanArchives `json:"archives,omitempty"`
	Paused   *Pause        `json:"paused,omitempty"`
	Jobs     []Job         `json:"jobs"`
	// Config is what the plan says, with what is set by default, as YAML
	// without secrets.
	Config string `json:"config,omitempty"`
}

// Source is what a plan protects.
type Source struct {
	Name string `json:"name"`
	// Kind is files, postgres and so on; What is a line for people: paths, or
	// the server and database without a password.
	Kind string `json:"kind"`
	What string `json:"what"`
	// Newest is the newest recovery point, LogTo how far its log leads, Bytes
	// its size when it was last backed up.
	Newest time.Time `json:"newest,omitzero"`
	LogTo  time.Time `json:"log_to,omitzero"`
	Bytes  uint64    `json:"bytes,omitempty"`
	// LogRanges are the times of which every instant can be restored to, from
	// one repository or another, the oldest first; between two of them the log
	// has a gap. None is not known. Logs are what each repository has.
	LogRanges []Range     `json:"log_ranges,omitempty"`
	Logs      []SourceLog `json:"logs,omitempty"`
}

// SourceLog is what one repository has of the log of a source.
type SourceLog struct {
	Repository string `json:"repository"`
	// To is how far it leads, Ranges are the times of which every instant can
	// be restored to from there.
	To     time.Time `json:"to,omitzero"`
	Ranges []Range   `json:"ranges"`
	// Unproven is why newer log may be lost there without anybody noticing, ""
	// if it would be noticed.
	Unproven string `json:"unproven,omitempty"`
}

// Covers tells whether an instant can be restored to from there.
func (l *SourceLog) Covers(at time.Time) bool {
	return slices.ContainsFunc(l.Ranges, func(r Range) bool { return !at.Before(r.From) && !at.After(r.To) })
}

// Range is a time with its ends.
type Range struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

// Standing is a promise beside what is measured; seconds.
type Standing struct {
	State    objective.State `json:"state,omitempty"`
	Measured float64         `json:"measured_seconds"`
	Promised float64         `json:"promised_seconds"`
	Source   string          `json:"source,omitempty"`
	Reason   string          `json:"reason,omitempty"`
}

// Missing is something a plan lacks.
type Missing struct {
	Rule string `json:"rule"`
	What string `json:"what"`
	Next string `json:"next"`
}

// Place is a repository as far as a plan is concerned.
type Place struct {
	Repository string    `json:"repository"`
	Media      string    `json:"media,omitempty"`
	Site       string    `json:"site,omitempty"`
	Down       string    `json:"down,omitempty"`
	Newest     time.Time `json:"newest,omitzero"`
	// Holds says whether the newest recovery point of all is there.
	Holds          bool      `json:"holds_newest"`
	BehindSeconds  float64   `json:"behind_seconds,omitempty"`
	ImmutableUntil time.Time `json:"immutable_until,omitzero"`
	ReadBack       time.Time `json:"last_read_back,omitzero"`
	LastError      time.Time `json:"last_error,omitzero"`
	RPO            Standing  `json:"rpo"`
	RTO            Standing  `json:"rto"`
}

// PlanArchives are the archives of a plan.
type PlanArchives struct {
	// Place is where they lie, Count how many there are.
	Place string `json:"place"`
	Count int    `json:"count"`
	// Newest is the time of the newest snapshot that is archived.
	Newest time.Time `json:"newest,omitzero"`
	// ReadBack is when all of them were last read back without error, Opened that
	// a key was there for it, and LastError when one was last found to be wrong.
	ReadBack  time.Time `json:"last_read_back,omitzero"`
	Opened    bool      `json:"opened,omitempty"`
	LastError time.Time `json:"last_error,omitzero"`
}

// Pause is a person's wish that nothing of a plan begins.
type Pause struct {
	Since  time.Time `json:"since"`
	Until  time.Time `json:"until,omitzero"`
	Reason string    `json:"reason,omitempty"`
}

// PauseRequest asks for a pause; without For it has no end.
type PauseRequest struct {
	Reason     string  `json:"reason,omitempty"`
	ForSeconds float64 `json:"for_seconds,omitempty"`
}

// Job is what is done again and again.
type Job struct {
	// Job is its ID, such as plans/shop/backup, Kind what it does.
	Job        string `json:"job"`
	Kind       string `json:"kind"`
	Plan       string `json:"plan,omitempty"`
	Repository string `json:"repository,omitempty"`
	// Types are the types a backup can have.
	Types    []string  `json:"types,omitempty"`
	Next     time.Time `json:"next,omitzero"`
	NextType string    `json:"next_type,omitempty"`
	// Running is the run that goes on, "" for none.
	Running string `json:"running,omitempty"`
	// Waiting is why a run that is due does not begin.
	Waiting     string    `json:"waiting,omitempty"`
	LastOutcome string    `json:"last_outcome,omitempty"`
	Last        time.Time `json:"last,omitzero"`
	LastGood    time.Time `json:"last_good,omitzero"`
	LastRun     string    `json:"last_run,omitempty"`
}

// The outcome of a run that goes on.
const Running = "running"

// Run is a run, of those that go on or of those that ended.
type Run struct {
	ID         string `json:"id"`
	Job        string `json:"job"` // backup, copy, restore ...
	Plan       string `json:"plan,omitempty"`
	Source     string `json:"source,omitempty"`
	Repository string `json:"repository,omitempty"`
	Type       string `json:"type,omitempty"`
	Trigger    string `json:"trigger,omitempty"`
	// By is who asked for it, "" for nobody.
	By      string    `json:"by,omitempty"`
	Due     time.Time `json:"due,omitzero"`
	Started time.Time `json:"started,omitzero"`
	Ended   time.Time `json:"ended,omitzero"`
	Attempt int       `json:"attempt,omitempty"`
	// Outcome is succeeded, partial, failed, interrupted, skipped or running.
	Outcome string `json:"outcome"`
	// Reason is why, and Next what can be done about it.
	Reason    string             `json:"reason,omitempty"`
	Next      string             `json:"next,omitempty"`
	Phases    []Phase            `json:"phases,omitempty"`
	Bytes     uint64             `json:"bytes,omitempty"`
	Added     uint64             `json:"added,omitempty"`
	Files     uint64             `json:"files,omitempty"`
	Snapshots []string           `json:"snapshots,omitempty"`
	Figures   map[string]float64 `json:"figures,omitempty"`
	HasLog    bool               `json:"has_log"`
	Progress  *Progress          `json:"progress,omitempty"`
}

// Phase is a part of a run; seconds.
type Phase struct {
	Name    string    `json:"name"`
	Started time.Time `json:"started"`
	Took    float64   `json:"seconds"`
	Error   string    `json:"error,omitempty"`
}

// Progress is how far a run is.
type Progress struct {
	At         time.Time `json:"at"`
	Percent    float64   `json:"percent"` // 0 to 100, negative for not known
	BytesDone  uint64    `json:"bytes_done,omitempty"`
	BytesTotal uint64    `json:"bytes_total,omitempty"`
	FilesDone  uint64    `json:"files_done,omitempty"`
	FilesTotal uint64    `json:"files_total,omitempty"`
	// Left is how many seconds are left, 0 for not known.
	Left    float64 `json:"seconds_left,omitempty"`
	Current string  `json:"current,omitempty"`
}

// RunQuery says which runs are meant; "" and zero mean any.
type RunQuery struct {
	Plan, Repository, Job, Outcome string
	Since, Until                   time.Time
	// After is the ID of a run: those that come after it in the list are
	// meant. Limit is how many, at most 1000.
	After string
	Limit int
}

// RunPage is a part of the list of runs.
type RunPage struct {
	Runs []Run `json:"runs"`
	// After asks for the next part, "" at the end.
	After string `json:"after,omitempty"`
}

// EventQuery says which events are meant; "" and zero mean any.
type EventQuery struct {
	Plan, Repository, Kind string
	MinSeverity            event.Severity
	Since, Until           time.Time
	Limit                  int
}

// Update says what happened: exactly one is set. A lagging listener loses
// updates and gets Lost.
type Update struct {
	Event    *event.Event `json:"event,omitempty"`
	Run      *Run         `json:"run,omitempty"` // began, went on or ended
	Surveyed bool         `json:"surveyed,omitempty"`
	Lost     bool         `json:"lost,omitempty"`
}
