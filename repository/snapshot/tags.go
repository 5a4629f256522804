package snapshot

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Reserved tags record in a standard repository what the format has no field
// for. Other programs show them and let them be; if one is lost, nothing
// breaks but the knowledge it held.
const (
	// ReservedPrefix begins every reserved tag.
	ReservedPrefix = "holdfast:"
	// TypeTag begins the tag of the backup type.
	TypeTag = ReservedPrefix + "type="
	// PlanTag begins the tag of the plan that asked for the backup.
	PlanTag = ReservedPrefix + "plan="
	// SourceTag begins the tag of the source that was backed up.
	SourceTag = ReservedPrefix + "source="
	// LogTag begins the tag of the part of a database's log that the snapshot
	// needs to be restored.
	LogTag = ReservedPrefix + "log="
	// DamagedTag begins the tag of what the backup found damaged in its source,
	// such as pages: the snapshot has it as it was.
	DamagedTag = ReservedPrefix + "damaged="
)

// ErrReservedTag marks an edit of a tag that is not the user's.
var ErrReservedTag = errors.New("tags that begin with " + ReservedPrefix + " are reserved")

// Type is the backup type.
type Type string

// The backup types.
const (
	// Full reads everything and trusts no earlier state.
	Full Type = "full"
	// Incremental is relative to the newest snapshot.
	Incremental Type = "incremental"
	// Differential is relative to the newest full one.
	Differential Type = "differential"
	// OfSnapshot is taken from a snapshot of a volume or file system.
	OfSnapshot Type = "snapshot"
)

// ParseType reads the name of a backup type.
func ParseType(name string) (Type, error) {
	switch t := Type(name); t {
	case Full, Incremental, Differential, OfSnapshot:
		return t, nil
	}
	return "", fmt.Errorf("unknown backup type %q: want %s, %s, %s or %s",
		name, Full, Incremental, Differential, OfSnapshot)
}

// Type returns the backup type, or "" if the snapshot does not tell (another
// program made it, or the tag was lost) or tells one that is not known.
func (s *Snapshot) Type() Type {
	t, err := ParseType(s.reserved(TypeTag))
	if err != nil {
		return ""
	}
	return t
}

// SetType records the backup type, or none if t is "".
func (s *Snapshot) SetType(t Type) { s.setReserved(TypeTag, string(t)) }

// Plan returns the name of the plan that asked for the backup, or "".
func (s *Snapshot) Plan() string { return s.reserved(PlanTag) }

// SetPlan records the name of the plan, or none.
func (s *Snapshot) SetPlan(name string) { s.setReserved(PlanTag, name) }

// Source returns the name of the source that was backed up, or "".
func (s *Snapshot) Source() string { return s.reserved(SourceTag) }

// SetSource records the name of the source, or none.
func (s *Snapshot) SetSource(name string) { s.setReserved(SourceTag, name) }

// Log returns which part of the log the snapshot needs, in the words of its
// engine, or "".
func (s *Snapshot) Log() string { return s.reserved(LogTag) }

// SetLog records which part of the log the snapshot needs, or none.
func (s *Snapshot) SetLog(part string) { s.setReserved(LogTag, part) }

// Damaged returns what the backup found damaged in its source, or "".
func (s *Snapshot) Damaged() string { return s.reserved(DamagedTag) }

// SetDamaged records what was found damaged, or nothing.
func (s *Snapshot) SetDamaged(what string) { s.setReserved(DamagedTag, what) }

func (s *Snapshot) reserved(prefix string) string {
	for _, tag := range s.Tags {
		if value, ok := strings.CutPrefix(tag, prefix); ok {
			return value
		}
	}
	return ""
}

func (s *Snapshot) setReserved(prefix, value string) {
	tags := slices.DeleteFunc(slices.Clone(s.Tags), func(tag string) bool { return strings.HasPrefix(tag, prefix) })
	if value != "" {
		tags = append(tags, prefix+value)
	}
	s.Tags = tags
}

// IsReserved tells whether a tag is not the user's.
func IsReserved(tag string) bool { return strings.HasPrefix(tag, ReservedPrefix) }

// UserTags returns the tags that are not reserved, or nil.
func (s *Snapshot) UserTags() []string {
	var user []string
	for _, tag := range s.Tags {
		if !IsReserved(tag) {
			user = append(user, tag)
		}
	}
	return user
}

// TagEdit says how to change the user's tags: put Set in their place if
// Replace is true, then take away Remove, then add Add.
type TagEdit struct {
	Replace bool
	Set     []string
	Remove  []string
	Add     []string
}

// Validate refuses edits of reserved tags with ErrReservedTag.
func (e TagEdit) Validate() error {
	for _, tags := range [][]string{e.Set, e.Remove, e.Add} {
		if i := slices.IndexFunc(tags, IsReserved); i >= 0 {
			return fmt.Errorf("tag %q: %w", tags[i], ErrReservedTag)
		}
	}
	return nil
}

// WithUserTags returns s with its user tags edited, to be stored in its
// place (see Edited), and whether they differ at all. Reserved tags stay.
// Empty tags are left out, and so are second ones.
func (s *Snapshot) WithUserTags(e TagEdit) (*Snapshot, bool, error) {
	if err := e.Validate(); err != nil {
		return nil, false, err
	}
	user := s.UserTags()
	if e.Replace {
		user = slices.Clone(e.Set)
	}
	user = slices.DeleteFunc(user, func(tag string) bool { return slices.Contains(e.Remove, tag) })
	user = slices.Concat(user, e.Add)

	var tags []string
	for _, tag := range slices.Concat(user, slices.Collect(s.reservedTags)) {
		if tag != "" && !slices.Contains(tags, tag) {
			tags = append(tags, tag)
		}
	}
	if sameElements(tags, s.Tags) {
		return s, false, nil
	}
	edited := s.Edited()
	edited.Tags = tags
	return edited, true, nil
}

func (s *Snapshot) reservedTags(yield func(string) bool) {
	for _, tag := range s.Tags {
		if IsReserved(tag) && !yield(tag) {
			return
		}
	}
}

func sameElements(a, b []string) bool {
	return slices.Equal(sorted(a), sorted(b))
}

// sorted returns a sorted copy, which is nil if the list is empty.
func sorted(list []string) []string {
	list = append([]string(nil), list...)
	slices.Sort(list)
	return list
}
