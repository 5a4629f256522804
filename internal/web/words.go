package web

import (
	"strconv"

	"holdfast/internal/api"
	"holdfast/internal/event"
	"holdfast/internal/objective"
)

// sign says how something is, in three ways at once: a colour, a form and a
// word.
type sign struct{ Class, Icon, Word string }

func verdictSign(v api.Verdict) sign {
	switch v {
	case api.Safe:
		return sign{"good", "good", "Safe"}
	case api.AtRisk:
		return sign{"near", "near", "At risk"}
	case api.Unsafe:
		return sign{"bad", "bad", "Not safe"}
	}
	return sign{"unknown", "unknown", "Not known"}
}

func outcomeSign(outcome string) sign {
	switch outcome {
	case "succeeded":
		return sign{"good", "good", "Succeeded"}
	case "partial":
		return sign{"near", "near", "Partial"}
	case "failed":
		return sign{"bad", "bad", "Failed"}
	case "interrupted":
		return sign{"near", "near", "Interrupted"}
	case "skipped":
		return sign{"unknown", "skipped", "Skipped"}
	case api.Running:
		return sign{"running", "running", "Running"}
	case "":
		return sign{"unknown", "unknown", "Not run yet"}
	}
	return sign{"unknown", "unknown", outcome}
}

func standingSign(s objective.State) sign {
	switch s {
	case objective.Met:
		return sign{"good", "good", "Kept"}
	case objective.Near:
		return sign{"near", "near", "Nearly broken"}
	case objective.Breached:
		return sign{"bad", "bad", "Broken"}
	case objective.Unpromised:
		return sign{"unknown", "skipped", "No promise"}
	case objective.Unknown:
	}
	return sign{"unknown", "unknown", "Not measured"}
}

func severitySign(s event.Severity) sign {
	switch s {
	case event.Info:
		return sign{"unknown", "info", "Info"}
	case event.Warning:
		return sign{"near", "near", "Warning"}
	case event.Error:
		return sign{"bad", "bad", "Error"}
	case event.Critical:
	}
	return sign{"bad", "bad", "Critical"}
}

// moodSign is a sign of the caller's own words.
func moodSign(class, word string) sign { return sign{class, class, word} }

// mark is one of the five numbers of 3-2-1-1-0.
type mark struct {
	sign

	Number string
	Text   string // what the number counts, and what is wanted
}

// marksOf are the five numbers of a plan.
func marksOf(p api.Plan) []mark {
	if p.Score == "" {
		return nil
	}
	one := func(n int, good bool, text string) mark {
		m := mark{sign: sign{"bad", "bad", "not met"}, Number: strconv.Itoa(n), Text: text}
		if good {
			m.sign = sign{"good", "good", "met"}
		}
		return m
	}
	return []mark{
		one(p.Copies, p.Copies >= 3, plural(p.Copies, "copy", "copies")+" with the source; 3 are wanted"),
		one(p.Media, p.Media >= 2, plural(p.Media, "kind", "kinds")+" of media; 2 are wanted"),
		one(p.OffSite, p.OffSite >= 1, plural(p.OffSite, "copy", "copies")+" at another site; 1 is wanted"),
		one(p.Immutable, p.Immutable >= 1, plural(p.Immutable, "copy", "copies")+" that nobody can delete; 1 is wanted"),
		one(p.Errors, p.Errors == 0, plural(p.Errors, "copy", "copies")+" with errors or not read back; 0 are wanted"),
	}
}

// lastly says in a sentence how a run ended.
func lastly(outcome string) string {
	switch outcome {
	case "failed":
		return "failed"
	case "interrupted":
		return "was interrupted"
	case "partial":
		return "was partial"
	}
	return "ended: " + outcome
}

// jobKinds are the kinds of jobs, as runs are filtered by.
var jobKinds = []string{
	"backup", "copy", "restore-test", "restore", "retention", "prune", "check", "extend", "log-receive", "log-prune",
	"forget", "protect", "plan-check", "notify-test", "tag", "unlock", "archive", "archive-check", "kit-check", "storage", "storage-check",
}

// jobName says what a job or a run does.
func jobName(kind string) string {
	switch kind {
	case "backup":
		return "Backup"
	case "copy":
		return "Copy"
	case "restore-test":
		return "Restore test"
	case "restore":
		return "Restore"
	case "retention":
		return "Forget by policy"
	case "prune":
		return "Prune"
	case "check":
		return "Check"
	case "extend":
		return "Extend retention"
	case "log-receive":
		return "Receive log"
	case "log-prune":
		return "Prune log"
	case "forget":
		return "Forget"
	case "protect":
		return "Protection"
	case "plan-check":
		return "Check of plans"
	case "notify-test":
		return "Test message"
	case "tag":
		return "Change of tags"
	case "unlock":
		return "Removal of locks"
	case "archive":
		return "Archive"
	case "archive-check":
		return "Check of archives"
	case "kit-check":
		return "Check of a recovery kit"
	case "storage":
		return "Setting up a bucket"
	case "storage-check":
		return "Check of a bucket"
	}
	return kind
}

// recordName says what a record of evidence is of.
func recordName(kind string) string {
	switch kind {
	case "check":
		return "Check"
	case "readback":
		return "Read-back"
	case "proof":
		return "Proof"
	case "restoretest":
		return "Restore test"
	}
	return kind
}

// triggerName says what made a run begin.
func triggerName(trigger string) string {
	switch trigger {
	case "schedule":
		return "on schedule"
	case "catch-up":
		return "for one that was missed"
	case "retry":
		return "again after a failure"
	case "manual":
		return "asked for by a person"
	case "after":
		return "after another run"
	}
	return trigger
}
