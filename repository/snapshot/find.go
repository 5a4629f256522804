package snapshot

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// ErrNotFound marks a reference that no snapshot fits.
var ErrNotFound = errors.New("no such snapshot")

// AmbiguousError is given for a prefix that several IDs begin with.
type AmbiguousError struct {
	Prefix     string
	Candidates []*Snapshot
}

// maxNamedCandidates bounds an error message; the error has all candidates.
const maxNamedCandidates = 8

func (e *AmbiguousError) Error() string {
	var names []string
	for _, s := range e.Candidates[:min(len(e.Candidates), maxNamedCandidates)] {
		names = append(names, fmt.Sprintf("%s of %s", e.distinct(s), s.Time.Format("2006-01-02 15:04:05")))
	}
	if more := len(e.Candidates) - len(names); more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	return fmt.Sprintf("%d snapshots have an ID that begins with %q: %s",
		len(e.Candidates), e.Prefix, strings.Join(names, ", "))
}

// distinct returns the ID of s, short unless that would not tell it apart.
func (e *AmbiguousError) distinct(s *Snapshot) string {
	if len(e.Prefix) < len(s.ID.Short()) {
		return s.ID.Short()
	}
	return s.ID.String()
}

// Compare orders snapshots by time, the oldest first, and by ID where the
// times are equal.
func Compare(a, b *Snapshot) int {
	if c := a.Time.Compare(b.Time); c != 0 {
		return c
	}
	return a.ID.Compare(b.ID)
}

// Sorted returns the list with the oldest first.
func Sorted(list []*Snapshot) []*Snapshot {
	list = slices.Clone(list)
	slices.SortFunc(list, Compare)
	return list
}

// Latest returns the newest snapshot of a list, or nil if it is empty.
func Latest(list []*Snapshot) *Snapshot {
	if len(list) == 0 {
		return nil
	}
	return slices.MaxFunc(list, Compare)
}

// SplitRef divides "<snapshot>:<subfolder>". Without a colon the subfolder
// is empty.
func SplitRef(s string) (ref, subfolder string) {
	ref, subfolder, _ = strings.Cut(s, ":")
	return ref, subfolder
}

// latestName is the reference to the newest snapshot.
const latestName = "latest"

// Find returns the snapshot of the list that ref means: "latest", "latest~2"
// for the second before that, or the beginning of an ID. The first two look
// only at the snapshots that filter takes; an ID says enough by itself. The
// error wraps ErrNotFound or is an *AmbiguousError.
func Find(list []*Snapshot, filter Filter, ref string) (*Snapshot, error) {
	if rest, ok := strings.CutPrefix(ref, latestName); ok {
		back, err := parseBack(rest)
		if err != nil {
			return nil, fmt.Errorf("snapshot %q: %w", ref, err)
		}
		return findLatest(filter.Select(list), ref, back)
	}
	return findID(list, ref)
}

// parseBack reads the "~N" behind "latest".
func parseBack(s string) (int, error) {
	if s == "" {
		return 0, nil
	}
	digits, ok := strings.CutPrefix(s, "~")
	back, err := strconv.ParseUint(digits, 10, 31)
	if !ok || err != nil {
		return 0, fmt.Errorf("want %s, %s~N or an ID: %w", latestName, latestName, ErrNotFound)
	}
	return int(back), nil
}

func findLatest(list []*Snapshot, ref string, back int) (*Snapshot, error) {
	if back >= len(list) {
		return nil, fmt.Errorf("snapshot %q: %w (%d match)", ref, ErrNotFound, len(list))
	}
	return Sorted(list)[len(list)-1-back], nil
}

func findID(list []*Snapshot, prefix string) (*Snapshot, error) {
	var found []*Snapshot
	for _, s := range list {
		if prefix != "" && strings.HasPrefix(s.ID.String(), prefix) {
			found = append(found, s)
		}
	}
	switch len(found) {
	case 0:
		return nil, fmt.Errorf("snapshot %q: %w", prefix, ErrNotFound)
	case 1:
		return found[0], nil
	}
	return nil, &AmbiguousError{Prefix: prefix, Candidates: Sorted(found)}
}
