package unit

import (
	"context"
	"strconv"
	"strings"
	"time"
)

// State is how the unit stands.
type State struct {
	// File is the unit; "" if there is none.
	File string `json:"file,omitempty"`
	// Enabled tells that it is started with the system.
	Enabled bool `json:"enabled"`
	// Active is systemd's word: active, inactive, failed, activating ...; ""
	// where systemd does not run.
	Active string `json:"active,omitempty"`
	// Result is why it ended, in systemd's word.
	Result string    `json:"result,omitempty"`
	PID    int       `json:"pid,omitempty"`
	Since  time.Time `json:"since,omitzero"`
	User   string    `json:"user,omitempty"`
}

// Look asks systemd how the unit stands.
func Look(ctx context.Context, host Host) (*State, error) {
	s := new(State)
	switch {
	case exists(host.UnitPath()):
		s.File = host.UnitPath()
	case host.packaged() != "":
		s.File = host.packaged()
	default:
		return s, nil
	}
	enabled, err := host.systemctl(ctx, "is-enabled", Name)
	if enabled == "" && err != nil {
		return nil, err
	}
	s.Enabled = strings.TrimSpace(enabled) == "enabled"
	if !host.Runs() {
		return s, nil
	}
	out, err := host.systemctl(ctx, "show", Name, "--timestamp=unix",
		"--property=ActiveState,Result,MainPID,ActiveEnterTimestamp,User")
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(out) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		s.set(key, value)
	}
	return s, nil
}

// set takes one line of what systemd shows; what it does not know yet is 0.
func (s *State) set(key, value string) {
	switch key {
	case "ActiveState":
		s.Active = value
	case "Result":
		if value != "success" {
			s.Result = value
		}
	case "MainPID":
		s.PID, _ = strconv.Atoi(value) //nolint:errcheck // see above
	case "ActiveEnterTimestamp":
		if seconds, err := strconv.ParseInt(strings.TrimPrefix(value, "@"), 10, 64); err == nil && seconds > 0 {
			s.Since = time.Unix(seconds, 0)
		}
	case "User":
		s.User = value
	}
}
