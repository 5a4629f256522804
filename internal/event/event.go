// Package event is what the parts of the service tell each other about what
// happened: one typed value, read by the log, the history, the metrics and
// the notifications alike.
//
// An event with a Key speaks of a problem that lasts until another event with
// the same key says Over. Whoever tells people about events sends one message
// for the beginning, not one for each repetition, and one for the end.
package event

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"time"
)

// Kind says what happened. Kinds are part of what users filter by and do not
// change.
type Kind string

// The kinds of events.
const (
	// RunStarted, RunSucceeded, RunPartial and RunFailed follow a run.
	// RunInterrupted is one that ended with the service or the machine.
	RunStarted     Kind = "run-started"
	RunSucceeded   Kind = "run-succeeded"
	RunPartial     Kind = "run-partial"
	RunFailed      Kind = "run-failed"
	RunInterrupted Kind = "run-interrupted"
	// RunMissed says that a run was due and could not begin in time.
	RunMissed Kind = "run-missed"

	// ObjectiveNear and ObjectiveBreached compare what is measured with what a
	// plan promises.
	ObjectiveNear     Kind = "objective-near"
	ObjectiveBreached Kind = "objective-breached"
	// CopyStale says that a copy lags behind, or cannot be looked at.
	CopyStale Kind = "copy-stale"
	// LogGap says that the log archive of a database has a hole.
	LogGap Kind = "log-gap"

	// RestoreTestFailed and RestoreTestPassed are what a restore test found.
	RestoreTestFailed Kind = "restore-test-failed"
	RestoreTestPassed Kind = "restore-test-passed"
	// Damage is damage found in a repository, a log archive or a copy.
	Damage Kind = "damage"
	// Anomaly says that what is backed up changed as it never does: pruning is
	// frozen until somebody looked.
	Anomaly Kind = "anomaly"

	// SurveyFailed says that it is not known how the plans stand.
	SurveyFailed Kind = "survey-failed"
	// ConfigRejected says that a changed configuration is not used, and why.
	ConfigRejected Kind = "config-rejected"
	// PlanPaused and PlanResumed tell of a person's wish.
	PlanPaused  Kind = "plan-paused"
	PlanResumed Kind = "plan-resumed"
	// LedgerRebuilt says that the service's state was made anew.
	LedgerRebuilt Kind = "ledger-rebuilt"
	// ServiceStarted and ServiceStopped are those of `holdfast serve`.
	ServiceStarted Kind = "service-started"
	ServiceStopped Kind = "service-stopped"
	// TokenChanged says that a token for the API was made or revoked,
	// AccessRefused that many were tried that are none.
	TokenChanged  Kind = "token-changed"
	AccessRefused Kind = "access-refused"
	// Test is what `holdfast notify test` sends.
	Test Kind = "test"
)

// Severity says who must care, and when.
type Severity int

// The severities. Error means that something failed which is tried again,
// Critical that data is in danger or a promise broken: it passes quiet hours.
const (
	Info Severity = iota
	Warning
	Error
	Critical
)

var severityNames = [...]string{"info", "warning", "error", "critical"}

func (s Severity) String() string {
	if s < Info || s > Critical {
		return "unknown"
	}
	return severityNames[s]
}

// MarshalText gives the severity its name in JSON.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what MarshalText wrote; what it does not know, which a
// newer program wrote, is critical.
func (s *Severity) UnmarshalText(text []byte) error {
	*s = Critical
	if n := slices.Index(severityNames[:], string(text)); n >= 0 {
		*s = Severity(n)
	}
	return nil
}

// Event is one thing that happened.
type Event struct {
	Time     time.Time `json:"time"`
	Kind     Kind      `json:"kind"`
	Severity Severity  `json:"severity"`

	// Plan, Source, Repository, Run and Job say what it is about, as far as
	// each applies: names of holdfast.yaml, the ID of a run, and what the run
	// does, such as "backup".
	Plan       string `json:"plan,omitempty"`
	Source     string `json:"source,omitempty"`
	Repository string `json:"repository,omitempty"`
	Run        string `json:"run,omitempty"`
	Job        string `json:"job,omitempty"`

	// Summary is one line for people: what, why, what next. No secrets.
	Summary string `json:"summary"`
	// Details are figures and names beside it.
	Details map[string]string `json:"details,omitempty"`

	// Key names the problem, such as "shop/backup": events with the same key
	// are about the same problem. Without a key an event stands for itself.
	Key string `json:"key,omitempty"`
	// Over says that the problem is over. It is told to those who were told
	// that it began, and to nobody else.
	Over bool `json:"over,omitempty"`
}

// AnomalyKey is the Key of what is unlike before in the backups of a source.
func AnomalyKey(plan, source string) string { return "anomaly/" + plan + "/" + source }

// The Details of a restore test that failed say what exactly did: which point,
// by the ID of the snapshot as it was made and the newest instant, and what of
// it (evidence.Failure).
const (
	DetailOriginal = "original"
	DetailInstant  = "instant"
	DetailFailure  = "failure"
)

// RestoreTestKey is the Key of restore tests of a source that fail from one
// repository, whatever the point. Keys of failures of one point begin with it.
func RestoreTestKey(plan, source, repository string) string {
	return "restore-test/" + plan + "/" + source + "/" + repository
}

// DamageKey is the Key of damage found in a repository.
func DamageKey(repository string) string { return "damage/" + repository }

// CopyKey is the Key of a copy of a plan that lags behind.
func CopyKey(plan, repository string) string { return "copy/" + plan + "/" + repository }

// Sink takes events. Emit returns at once: it neither waits for a network nor
// fails, for what happened must not harm what is being done. It is safe for
// concurrent use.
type Sink interface{ Emit(Event) }

// Sinks hands each event to all of them, in their order.
type Sinks []Sink

// Emit implements Sink.
func (s Sinks) Emit(e Event) {
	for _, sink := range s {
		sink.Emit(e)
	}
}

// Log writes events to a log.
type Log struct{ Logger *slog.Logger }

// Emit implements Sink.
func (l Log) Emit(e Event) {
	attrs := []slog.Attr{slog.String("event", string(e.Kind))}
	for _, a := range [...]struct{ key, value string }{
		{"plan", e.Plan},
		{"source", e.Source},
		{"repo", e.Repository},
		{"run", e.Run},
		{"does", e.Job},
		{"problem", e.Key},
	} {
		if a.value != "" {
			attrs = append(attrs, slog.String(a.key, a.value))
		}
	}
	if e.Over {
		attrs = append(attrs, slog.Bool("over", true))
	}
	for _, key := range slices.Sorted(maps.Keys(e.Details)) {
		attrs = append(attrs, slog.String(key, e.Details[key]))
	}
	l.Logger.LogAttrs(context.Background(), e.level(), e.Summary, attrs...)
}

func (e *Event) level() slog.Level {
	switch {
	case e.Over || e.Severity == Info:
		return slog.LevelInfo
	case e.Severity == Warning:
		return slog.LevelWarn
	}
	return slog.LevelError
}
