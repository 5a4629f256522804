package console

import (
	"strings"
	"testing"

	"holdfast/internal/history"
)

// Reasons as runs give them lead to the step that helps.
func TestNextStepOfFailures(t *testing.T) {
	for reason, want := range map[string]string{
		"no repository found: open storage: folder /mnt/b/repo: object does not exist; mount its disk, or make a new repository there with `holdfast init`": "Mount the disk",
		"no repository found at /srv/b: there is no config file; make one with `holdfast init`, or check the address":                                       "Mount the disk",
		"open repository at /srv/b: wrong password; check --password-file, --password-command or HOLDFAST_PASSWORD":                                         "does not open the repository",
		"password of repository b: secret from file /etc/holdfast/pw: no such file or directory":                                                            "secret that holdfast.yaml refers to",
		"source www: nothing of the source could be read, so no snapshot is made":                                                                           "Mend the paths",
		"open /srv/www/key: permission denied":  "Let the user of the service read",
		"write /srv/x: no space left on device": "Free space",
		"put data/ab/abcd: storage is full":     "Free space",
		"source db: connect to PostgreSQL for a base backup: failed to connect to `user=u database=x`: dial tcp 127.0.0.1:1: connect: connection refused": "whether the database runs",
		"FATAL: password authentication failed for user \"u\" (SQLSTATE 28P01)":                                                                           "The database refused the login",
		"open sftp://u@host/x: connect to host:22: dial tcp 10.0.0.1:22: connect: connection refused":                                                     "whether the host",
		"lookup nas: no such host":                                        "whether the host",
		"its process ended with signal: killed: ":                         "want of memory",
		"it used 3.000 GiB of memory, and limits.memory allows 2.000 GiB": "limits.memory",
		"hook before (/usr/local/bin/freeze): permission denied":          "command of the hook",
		"repository /srv/b is locked by host www":                         "Somebody else works",
		"read pack 12: it is damaged: tls: is not why":                    "Do not prune",
		"put data/ab: 403 Forbidden: AccessDenied":                        "mend the credentials",
		"snapshot 0a403f12 was not seen":                                  "Read the log",
		"x509: certificate has expired":                                   "certificate",
		"it worked longer than its timeout of 1h":                         "limits.timeout",
	} {
		if got := nextStep(&history.Run{Job: history.Backup, Outcome: history.Failed, Reason: reason}); !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", reason, got, want)
		}
	}
	if got := nextStep(&history.Run{Job: history.Copy, Outcome: history.Skipped, Reason: "repository /srv/b is locked by host www"}); got != somebodyElse {
		t.Errorf("locked: %q", got)
	}
}
