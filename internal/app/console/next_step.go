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
		if once(r.Job) && r.Due.IsZero() {
			return "Begin it again if it is still wanted: what a person asked for is not repeated by itself."
		}
		return "Nothing: it is run again by itself."
	case history.Skipped:
		if strings.Contains(strings.ToLower(r.Reason), "locked") {
			return somebodyElse
		}
		return "Start it now if it should not wait until it is due again."
	case history.Partial:
		return "See in the log what is missing, let the service read it, and start the run again."
	}
	if next := knownNext(r.Reason); next != "" {
		return next
	}
	switch r.Job {
	case history.RestoreTest:
		return "Read in the log what did not come back as it should, and start a backup of type full; restore from an older snapshot if it is needed now."
	case history.Check:
		return "Do not prune. Read in the log what is damaged, and mend it: holdfast repair --help."
	}
	return "Read the log; its last lines tell what went wrong. Then start the run again."
}

const somebodyElse = "Somebody else works in the repository. It is tried again; if nobody does, remove the lock: holdfast unlock."

// knownNext is what to do about a reason, "" if it is not known.
func knownNext(reason string) string {
	reason = strings.ToLower(reason)
	for _, known := range knownReasons() {
		for _, text := range known.texts {
			if strings.Contains(reason, text) {
				return known.next
			}
		}
	}
	return ""
}

// once tells whether people ask for such a run, and no schedule.
func once(job history.Job) bool {
	switch job {
	case history.Restore, history.Forget, history.Protect, history.PlanCheck, history.NotifyTest,
		history.Tag, history.Unlock, history.Archive, history.ArchiveCheck, history.KitCheck, history.Storage, history.StorageCheck:
		return true
	}
	return false
}

// knownReason are parts of reasons, in small letters, and what to do about them.
type knownReason struct {
	texts []string
	next  string
}

// knownReasons are those of holdfast, of the system, of stores and of
// PostgreSQL. The first that is found counts, so what says more comes before
// what may stand in any message.
func knownReasons() []knownReason {
	return []knownReason{
		{[]string{"damaged", "corrupt", "checksum", "does not match its id"}, "Do not prune. Check the repository and mend it, from a copy if there is one: holdfast check, holdfast repair."},
		{[]string{"no space left", "disk quota", "not enough space", "disk is full", "storage is full"}, "Free space where the message says, or give it more; then start the run again. `holdfast prune` frees space in a repository."},
		{[]string{"out of memory", "of memory, and limits.memory", "signal: killed"}, "Its process was ended for want of memory, or by hand; the system's log tells which. Raise limits.memory of the plan, or give the machine more memory."},
		{[]string{"longer than its timeout"}, "Raise limits.timeout of the plan, or find in the log what took so long."},
		{[]string{"no repository found"}, "Mount the disk of the repository, or mend its address in holdfast.yaml. Make a new one (holdfast init) only if there never was one: an empty folder may be a disk that is not mounted."},
		{[]string{"wrong password", "no key found", "password is wrong"}, "The password in holdfast.yaml does not open the repository: mend its reference, or the file or variable it names."},
		{[]string{"password of repository", "secret from"}, "The service cannot read a secret that holdfast.yaml refers to: bring back the file, variable or command that the message names, or mend the reference."},
		{[]string{"hook before", "hook after", "hook on_error"}, "Run the command of the hook by hand, as the user of the service; what it printed is in the log. Mend it, then start the run again."},
		{[]string{"password authentication failed", "no pg_hba.conf entry", "role \""}, "The database refused the login: mend the user, the password or pg_hba.conf, and see with a check of the plans that it works."},
		{[]string{"wal_level", "max_wal_senders", "replication slot"}, "Change the setting of the database that the message names; a check of the plans shows whether it works then."},
		{[]string{"connect to postgresql", "failed to connect to `", "the database system is"}, "See whether the database runs, and takes connections from here at the address in the message; the run is tried again when it is due."},
		{[]string{"is locked", "locked by", "already locked"}, somebodyElse},
		{[]string{"accessdenied", "access denied", "invalidaccesskeyid", "signaturedoesnotmatch", "403 forbidden", "status 403", "401 unauthorized", "status 401", "publickey", "unable to authenticate"}, "The store refused the login: mend the credentials in holdfast.yaml, or what they may do there."},
		{[]string{"certificate", "tls:"}, "The other side showed a certificate that is not trusted: mend it, or the clock of this machine."},
		{[]string{"connection refused", "no such host", "i/o timeout", "no route to host", "network is unreachable", "connection reset", "broken pipe", "timed out"}, "See whether the host in the message runs and can be reached from here; the run is tried again when it is due."},
		{[]string{"nothing of the source could be read"}, "Mend the paths of the source in holdfast.yaml, bring back what they name, or let the user of the service read it. The log names each."},
		{[]string{"permission denied", "operation not permitted"}, "Let the user of the service read what is named in the message, or write where it says."},
		{[]string{"read-only file system"}, "The disk that the message names can only be read: mount it to be written, and see in the system's log whether it fails."},
		{[]string{"input/output error"}, "The disk that the message names fails: look into the system's log, and replace it before it is relied on."},
		{[]string{"no such file or directory", "does not exist"}, "What the message names is not there: bring it back, or mend where holdfast.yaml names it."},
	}
}
