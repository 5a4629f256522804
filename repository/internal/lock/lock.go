// Package lock keeps restic's repository locks: files that say who uses a
// repository and whether alone (doc/design.rst, "Locks").
//
// A lock is acquired by checking for conflicting locks, writing one's own,
// waiting, and checking again. It is kept alive by writing a new file every
// five minutes and deleting the old one. All times are wall-clock times: a
// suspended machine must notice that its lock grew old.
package lock

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"time"

	"holdfast/repository/id"
)

// The times of restic's protocol (internal/repository/lock.go there).
const (
	// settleTime passes between writing a lock and looking for others again,
	// so that two programs that start together see each other.
	settleTime = 200 * time.Millisecond
	// refreshInterval is the age at which a lock is written anew.
	refreshInterval = 5 * time.Minute
	// StaleAfter is the age at which others may remove a lock.
	StaleAfter = 30 * time.Minute
	// refreshDeadline is the age at which the holder must stop working: so
	// much before StaleAfter that clocks may differ a little.
	refreshDeadline = StaleAfter - refreshInterval*3/2
	// refreshRetry passes after a refresh that failed.
	refreshRetry = time.Minute
	// monitorInterval bounds how long it takes to notice a suspend.
	monitorInterval = time.Second
)

// ErrLost says that a lock could not be refreshed before others may have
// taken it for stale. It is the cause of the end of the lock's context.
var ErrLost = errors.New("the repository lock was lost: it could not be refreshed in time, so another program may have taken the repository; run the command again")

// Info is the stored form of a lock.
type Info struct {
	Time      time.Time `json:"time"`
	Exclusive bool      `json:"exclusive"`
	Hostname  string    `json:"hostname"`
	Username  string    `json:"username"`
	PID       int       `json:"pid"`
	UID       uint32    `json:"uid,omitempty"`
	GID       uint32    `json:"gid,omitempty"`
	// Process tells the holder apart from all that have its PID elsewhere,
	// before or after it. Other programs neither write nor read it.
	Process Process `json:"process,omitzero"`
}

// Decode reads the plaintext of a lock file.
func Decode(plain []byte) (Info, error) {
	var i Info
	if err := json.Unmarshal(plain, &i); err != nil {
		return Info{}, fmt.Errorf("decode lock: %w", err)
	}
	return i, nil
}

// newInfo describes this process.
func newInfo(exclusive bool) Info {
	i := Info{Exclusive: exclusive, PID: os.Getpid(), Process: thisProcess()}
	i.Hostname, _ = os.Hostname() // restic leaves it empty too
	u, err := user.Current()
	if err != nil {
		return i
	}
	i.Username = u.Username
	i.UID, i.GID = numericID(u.Uid), numericID(u.Gid)
	return i
}

// numericID returns 0 where IDs are not numbers (Windows).
func numericID(s string) uint32 {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		return 0
	}
	return uint32(n)
}

// IsStale tells whether the holder is certainly gone: the lock is older than
// StaleAfter, or its process on this host does not live any more.
func (i Info) IsStale(now time.Time) bool {
	if now.Round(0).Sub(i.Time) > StaleAfter || i.isDead() {
		return true
	}
	host, err := os.Hostname()
	if err != nil || host != i.Hostname {
		return false
	}
	return !processExists(i.PID)
}

// conflicts tells whether two locks exclude each other.
func (i Info) conflicts(exclusive bool) bool { return i.Exclusive || exclusive }

// String tells people who holds the lock.
func (i Info) String() string {
	mode := ""
	if i.Exclusive {
		mode = "exclusively "
	}
	return fmt.Sprintf("%sby PID %d on %s by %s (UID %d, GID %d) since %s", mode, i.PID, i.Hostname, i.Username, i.UID, i.GID, i.Time.Format(time.DateTime))
}

// ConflictError says that another program's lock stands in the way.
type ConflictError struct {
	ID    id.ID
	Other Info
	// Stale tells that the other lock's holder is certainly gone.
	Stale bool
}

func (e *ConflictError) Error() string {
	s := "repository is already locked " + e.Other.String()
	if e.Stale {
		return s + "; that process is gone: `holdfast unlock` removes its lock"
	}
	return s + "; wait for it with --retry-lock, or see `holdfast unlock`"
}

// UnreadableError says that a lock file cannot be read, so nobody knows
// whether it may be ignored.
type UnreadableError struct {
	ID  id.ID
	Err error
}

func (e *UnreadableError) Error() string {
	return fmt.Sprintf("lock %s cannot be read: %v; when no other program uses the repository, `holdfast unlock --remove-all` removes it", e.ID.Short(), e.Err)
}

func (e *UnreadableError) Unwrap() error { return e.Err }
