package storage

import (
	"context"
	"fmt"
	"time"
)

// Managed is a Store in a bucket (or container) whose settings decide what
// becomes of objects while nobody looks: which versions are kept, what is
// locked, what expires, what moves to a colder class.
type Managed interface {
	// Settings reads the settings of the bucket. What the service, or these
	// credentials, do not tell is named in Unread with the reason; an error
	// means that nothing could be read.
	Settings(ctx context.Context) (Settings, error)

	// Apply makes the changes and leaves every other setting as it is, rules
	// of other people (LifecycleRule.Own false) above all: where a service
	// takes only whole documents, they are read first and written back as
	// they were. Every change that can be made is made; the error joins one
	// *SettingError for each that could not. Applying twice changes nothing.
	//
	// A nil error says that the service took the changes, not that it keeps
	// them: read the settings back to know.
	Apply(ctx context.Context, c SettingChanges) error
}

// Settings is what a bucket is set to, as far as it concerns backups.
type Settings struct {
	// Root is what stands before every key of the store in the names of the
	// bucket's objects, with the last slash, or "". Rules know these names.
	Root string
	// Versioning tells whether deleted and replaced objects stay as versions.
	Versioning Toggle
	// Locking tells whether retentions can be set on objects.
	Locking Toggle
	// DefaultRetention is what objects get that are put without a retention;
	// locks of a repository too, which then cannot be deleted.
	DefaultRetention DefaultRetention
	// SoftDelete is how long deleted objects can be brought back without
	// versioning (Azure, GCS); zero: not at all.
	SoftDelete time.Duration
	// Rules are all lifecycle rules, in the order of the bucket.
	Rules []LifecycleRule
	// Unread says why a setting could not be read.
	Unread map[Setting]error
}

// Toggle is a setting that is on or off, or that nobody can tell.
type Toggle string

// The states of a Toggle. Suspended keeps the versions there are and makes
// no new ones; only versioning knows it.
const (
	Unknown   Toggle = ""
	On        Toggle = "on"
	Off       Toggle = "off"
	Suspended Toggle = "suspended"
)

// DefaultRetention is a retention counted from the instant of each Put.
type DefaultRetention struct {
	Mode RetentionMode
	For  time.Duration
}

// LifecycleRule is what a bucket does by itself to some of its objects.
type LifecycleRule struct {
	// ID is the service's name of the rule, "" where it has none (GCS).
	ID string
	// Own tells that holdfast made the rule for the store it was read from:
	// told by its ID or, where there is none, by its being exactly as holdfast
	// writes it. Rules for another root in the same bucket are not own.
	Own bool
	// Enabled tells whether the rule is in force.
	Enabled bool
	// Prefix begins the names, in the bucket, of the objects it is for.
	Prefix string
	// MarkedOnly limits it to objects marked as bulk (PutOptions.Bulk).
	MarkedOnly bool
	// Conditions are further limits, in the service's words: tags, sizes,
	// classes. A rule with some may be for fewer objects than it seems.
	Conditions []string
	// Actions is what it does, Unknown what it does besides that holdfast does not
	// know, in the service's words.
	Actions []LifecycleAction
	Unknown []string
	// Raw is the rule as the service writes it, to be shown.
	Raw string
}

// LifecycleAction is one thing that a rule does.
type LifecycleAction struct {
	Kind ActionKind
	// After is the age at which it happens, in whole days: since the object
	// was put or marked, became noncurrent, or since the upload began.
	After time.Duration
	// At, if set, is the day from which on it happens, whatever the age.
	At time.Time
	// Versions is how many noncurrent versions stay in any case; 0: none.
	Versions int
	// Class is where Transition moves to, in the service's words.
	Class string
}

// ActionKind says what a lifecycle rule does.
type ActionKind string

// What lifecycle rules do.
const (
	// Expire deletes objects; where versions are kept, it hides them.
	Expire ActionKind = "expire"
	// ExpireNoncurrent deletes versions that were deleted or replaced.
	ExpireNoncurrent ActionKind = "expire noncurrent versions"
	// ExpireMarkers removes the delete markers behind which no version is left.
	ExpireMarkers ActionKind = "expire delete markers"
	// AbortUploads removes the parts of uploads that were never finished.
	AbortUploads ActionKind = "abort unfinished uploads"
	// Transition moves objects to another class.
	Transition ActionKind = "transition"
	// TransitionNoncurrent moves noncurrent versions to another class.
	TransitionNoncurrent ActionKind = "transition of noncurrent versions"
)

// SettingChanges are changes of a bucket's settings. The zero value changes
// nothing.
type SettingChanges struct {
	// Versioning turns versioning on.
	Versioning bool
	// SoftDelete makes the period during which deleted objects can be brought
	// back at least so long; it is never made shorter.
	SoftDelete time.Duration
	// SetRules replaces the own rules by Rules, which may be none.
	SetRules bool
	// Rules are the own rules from now on. ID is a short name for each, such
	// as "cold-data", of lower-case letters, digits and "-"; the store makes
	// of it, and of its root, what the service wants. Only Enabled, Prefix,
	// MarkedOnly and Actions count besides.
	Rules []LifecycleRule
}

// Setting names a setting, in Settings.Unread and in errors.
type Setting string

// The settings.
const (
	SettingVersioning Setting = "versioning"
	SettingLocking    Setting = "object lock"
	SettingSoftDelete Setting = "soft delete"
	SettingLifecycle  Setting = "lifecycle rules"
)

// SettingError says that a setting could not be changed, and why: the service
// lacks it (ErrUnsupported), the credentials may not (fs.ErrPermission), ...
type SettingError struct {
	Setting Setting
	Err     error
}

func (e *SettingError) Error() string { return fmt.Sprintf("set %s: %v", e.Setting, e.Err) }
func (e *SettingError) Unwrap() error { return e.Err }

// Prober is a Store that can find out what the service behind it does and
// what it does not, by trying.
type Prober interface {
	// Probe tries the service out. It may put objects below "holdfast/probe/"
	// and deletes them again; where it may not delete, it leaves one.
	Probe(ctx context.Context) (Probe, error)
}

// Probe is what trying out a service has shown.
type Probe struct {
	// Service names what answered, such as "MinIO"; "" where it does not say.
	Service string
	// ConditionalCreate is nil when the service itself, in one step, refuses
	// to put over an existing object, and says otherwise why Put has to look
	// first and two writers can race.
	ConditionalCreate error
	// ChecksumsVerified is nil when the service refuses a body that does not
	// match the checksum sent with it.
	ChecksumsVerified error
	// ClockSkew is how far the service's clock is ahead of this machine's;
	// negative: behind.
	ClockSkew time.Duration
}
