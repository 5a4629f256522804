package pitr

import (
	"fmt"
	"strconv"
	"time"

	"holdfast/internal/postgres"
)

// Wish says where a recovery shall stop. The zero value is the end of the
// log, on the newest timeline.
type Wish struct {
	// At most one of the following is set.
	Time        time.Time
	LSN         postgres.LSN
	Name        string // a restore point
	Transaction string // a transaction ID
	Immediate   bool   // as soon as the cluster is consistent
	// Timeline is the one to follow; 0 the newest.
	Timeline uint32
	// Exclusive stops before the target instead of after it.
	Exclusive bool
	// Backup, if set, is the snapshot to begin with, by its ID or a part.
	Backup string
}

// String says it in words.
func (w Wish) String() string {
	before := ""
	if w.Exclusive {
		before = "just before "
	}
	switch {
	case !w.Time.IsZero():
		return before + w.Time.Format("2006-01-02 15:04:05.999999 -07:00")
	case w.LSN != 0:
		return before + "WAL position " + w.LSN.String()
	case w.Name != "":
		return fmt.Sprintf("%srestore point %q", before, w.Name)
	case w.Transaction != "":
		return before + "transaction " + w.Transaction
	case w.Immediate:
		return "the end of the base backup"
	}
	return "the end of the log"
}

// HasTarget tells whether recovery stops before the end of the log.
func (w Wish) HasTarget() bool {
	return !w.Time.IsZero() || w.LSN != 0 || w.Name != "" || w.Transaction != "" || w.Immediate
}

// maxNameBytes is how long the name of a restore point can be (MAXFNAMELEN of
// src/include/access/xlog_internal.h).
const maxNameBytes = 63

// Validate refuses a wish with several targets, and targets that no log can have:
// the server itself finds out only when all is restored, and takes what is no
// number for transaction 0.
func (w Wish) Validate() error {
	n := 0
	for _, set := range []bool{!w.Time.IsZero(), w.LSN != 0, w.Name != "", w.Transaction != "", w.Immediate} {
		if set {
			n++
		}
	}
	if n > 1 {
		return fmt.Errorf("recovery can stop at one target only, and %d are given", n)
	}
	if _, err := strconv.ParseUint(w.Transaction, 10, 64); err != nil && w.Transaction != "" {
		return fmt.Errorf("%q is no transaction; write its number, as SELECT pg_current_xact_id() tells it", w.Transaction)
	}
	if len(w.Name) > maxNameBytes {
		return fmt.Errorf("no restore point has a name of %d bytes; the longest have %d", len(w.Name), maxNameBytes)
	}
	return nil
}
