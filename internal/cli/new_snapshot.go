package cli

import (
	"fmt"
	"os"
	"os/user"
	"strconv"
	"time"

	"holdfast/repository/snapshot"
)

// newSnapshot says who makes a snapshot, and when.
func newSnapshot(host, at string, tags []string) (snapshot.Snapshot, error) {
	s := snapshot.Snapshot{Time: time.Now(), Hostname: host, ProgramVersion: programVersion(), Tags: tags}
	if at != "" {
		t, err := time.ParseInLocation(time.DateTime, at, time.Local)
		if err != nil {
			return s, fmt.Errorf("--time %q: write it as %q", at, time.DateTime)
		}
		s.Time = t
	}
	if err := (snapshot.TagEdit{Add: tags}).Validate(); err != nil {
		return s, err
	}
	if s.Hostname == "" {
		name, err := os.Hostname()
		if err != nil {
			return s, fmt.Errorf("find this host's name: %w; give one with --host", err)
		}
		s.Hostname = name
	}
	if u, err := user.Current(); err == nil {
		s.Username = u.Username
		s.UID, s.GID = number(u.Uid), number(u.Gid)
	}
	return s, nil
}

// number returns 0 where IDs are not numbers (Windows).
func number(s string) uint32 {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		return 0
	}
	return uint32(n)
}
