package gcs

import (
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"strings"

	"holdfast/storage"
)

// answerError is what the service answered instead of what was asked for.
type answerError struct {
	status  int
	reason  string // the service's own word; may be empty
	message string // the service's own sentence; may be empty
	kind    error  // a sentinel of package storage, or nil
}

func (e *answerError) Error() string {
	text := strings.TrimSpace(fmt.Sprintf("%d %s", e.status, e.reason))
	if e.message != "" {
		text = e.message + " (" + text + ")"
	}
	if e.kind != nil {
		text = e.kind.Error() + ": " + text
	}
	return text
}

func (e *answerError) Unwrap() error { return e.kind }

// answerErrorOf reads the error in an answer. Not all of them are JSON:
// proxies, and the service itself where uploads go, answer with text.
func answerErrorOf(resp *http.Response) error {
	e := &answerError{status: resp.StatusCode}
	const maxBytes = 16 << 10
	text, _ := io.ReadAll(io.LimitReader(resp.Body, maxBytes))
	var body struct {
		Error struct {
			Message string
			Errors  []struct{ Reason string }
		}
	}
	if json.Unmarshal(text, &body) == nil {
		e.message = line(body.Error.Message)
		if len(body.Error.Errors) > 0 {
			e.reason = line(body.Error.Errors[0].Reason)
		}
	} else if t := strings.TrimSpace(string(text)); !strings.HasPrefix(t, "<") {
		e.message = line(t)
	}
	e.kind = e.meaning()
	if e.kind == fs.ErrPermission && e.message == "" {
		e.message = "these credentials do not permit this"
	}
	return e
}

// line makes one short line of what a service says.
func line(text string) string {
	const maxRunes = 300
	runes := []rune(strings.Join(strings.Fields(text), " "))
	if len(runes) > maxRunes {
		return string(runes[:maxRunes]) + "…"
	}
	return string(runes)
}

// meaning finds the sentinel for the answer.
func (e *answerError) meaning() error {
	switch e.reason {
	case "retentionPolicyNotMet", "objectUnderActiveHold":
		return storage.ErrImmutable
	case "rateLimitExceeded", "userRateLimitExceeded", "backendError":
		return nil // passes, whatever the status
	}
	switch e.status {
	case http.StatusNotFound:
		return storage.ErrNotFound
	case http.StatusUnauthorized, http.StatusForbidden:
		return fs.ErrPermission
	case http.StatusPreconditionFailed:
		return storage.ErrExists
	case http.StatusRequestedRangeNotSatisfiable:
		return storage.ErrInvalidRange
	case http.StatusInsufficientStorage:
		return storage.ErrFull
	case http.StatusNotImplemented, http.StatusMethodNotAllowed:
		return storage.ErrUnsupported
	case http.StatusBadRequest:
		if e.isChecksum() {
			return nil // damaged on the way: send it again
		}
		return storage.ErrUnsupported
	}
	return nil
}

// isChecksum tells whether a body was refused because of its checksum. There
// is no reason of its own for that.
func (e *answerError) isChecksum() bool {
	lower := strings.ToLower(e.message)
	for _, word := range []string{"crc32c", "md5", "checksum", "hash"} {
		if e.status == http.StatusBadRequest && strings.Contains(lower, word) {
			return true
		}
	}
	return false
}
