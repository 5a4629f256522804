package console

import (
	"strings"

	"holdfast/internal/history"
)

// nextStep says what can be done about a run that did not succeed, by what its
// reason says; "" for nothing.
func nextStep(r *history.Run) string {
	switch r.Outcome {
	case history.Succeeded:
		return ""
	case history.Interrupted:
		if strings.HasPrefix(r.Reason, "it was stopped") {
			return "It runs again when it is due, or when it is started."
		}
		if once(r.Job) {
			return "Begin it again if it is still wanted: what a person asked for is not repeated by itself."
		}
		return "Nothing: it is run again by itself."
	case history.Skipped:
		return "Start it now if it should not wait until it is due again."
	case history.Partial:
		return "See in the log what is missing, let the service read it, and start the run again."
	}
	reason := strings.ToLower(r.Reason)
	for _, known := range knownReasons {
		for _, text := range known.texts {
			if strings.Contains(reason, text) {
				return known.next
			}
		}
	}
	switch r.Job {
	case history.RestoreTest:
		return "Read in the log what did not come back as it should, and start a backup of type full; restore from an older snapshot if it is needed now."
	case history.Check:
		return "Do not prune. Read in the log what is damaged, and mend it: holdfast repair --help."
	}
	return "Read the log; its last lines tell what went wrong. Then start the run again."
}

// once tells whether people ask for such a run, and no schedule.
func once(job history.Job) bool {
	switch job {
	case history.Restore, history.Forget, history.Protect, history.PlanCheck, history.NotifyTest:
		return true
	}
	return false
}

// knownReasons are parts of reasons, of holdfast, of the system and of
// PostgreSQL, and what to do about them. The first that is found counts.
var knownReasons = [...]struct {
	texts []string
	next  string
}{
	{[]string{"no space left", "disk quota", "not enough space", "disk is full"}, "Free space where the message says, or give it more; then start the run again. `holdfast prune` frees space in a repository."},
	{[]string{"wrong password", "no key found", "password is wrong"}, "The password in holdfast.yaml does not open the repository: mend its reference, or the file or variable it names."},
	{[]string{"password authentication failed", "no pg_hba.conf entry", "role \""}, "The database refused the login: mend the user, the password or pg_hba.conf, and see with a check of the plans that it works."},
	{[]string{"is locked", "locked by", "already locked"}, "Somebody else works in the repository. It is tried again; if nobody does, remove the lock: holdfast unlock."},
	{[]string{"permission denied", "operation not permitted", "accessdenied", "403"}, "Let the user of the service read what is named in the message, or write where it says."},
	{[]string{"connection refused", "no such host", "i/o timeout", "no route to host", "network is unreachable", "connection reset", "timed out"}, "See whether the host in the message runs and can be reached from here; the run is tried again when it is due."},
	{[]string{"certificate", "tls:"}, "The other side showed a certificate that is not trusted: mend it, or the clock of this machine."},
	{[]string{"out of memory", "of memory, and limits.memory"}, "Raise limits.memory of the plan, or give the machine more memory."},
	{[]string{"longer than its timeout"}, "Raise limits.timeout of the plan, or find in the log what took so long."},
	{[]string{"no such file or directory", "does not exist"}, "What the message names is not there: mend the paths of the source in holdfast.yaml, or bring it back."},
	{[]string{"damaged", "corrupt", "checksum", "does not match its id"}, "Do not prune. Check the repository and mend it, from a copy if there is one: holdfast check, holdfast repair."},
	{[]string{"wal_level", "max_wal_senders", "replication slot"}, "Change the setting of the database that the message names; a check of the plans shows whether it works then."},
}
