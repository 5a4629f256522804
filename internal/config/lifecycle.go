package config

import (
	"time"

	"holdfast/storage"
	"holdfast/storage/immutable"
)

// Immutable says how the objects of a repository are locked:
// { mode: governance, for: 35d }.
type Immutable struct {
	// Mode is governance, which who has the permission can end early, or
	// compliance, which nobody can.
	Mode string `yaml:"mode"`
	// For is how long each object is locked.
	For Duration `yaml:"for"`
	// Confirm repeats For where a slip could not be undone: compliance for
	// more than 90 days.
	Confirm Duration `yaml:"confirm,omitempty"`
}

// Policy returns what the wrapper around the store is told.
func (i Immutable) Policy() immutable.Policy {
	return immutable.Policy{Mode: storage.RetentionMode(i.Mode), For: time.Duration(i.For)}
}

func (i Immutable) check(k *checker) {
	p := i.Policy()
	switch err := p.Validate(); {
	case err != nil:
		k.report(err.Error(), "such as { mode: governance, for: 35d }")
	case p.NeedsConfirmation() && i.Confirm != i.For:
		k.report("nobody can end compliance early, not even the owner of the account, and all of "+i.For.String()+" has to be paid for",
			"if that is meant, say it twice: confirm: "+i.For.String())
	}
}

// Tiers says which objects move to which class of the service.
type Tiers struct {
	// Cold is for packs of file content.
	Cold *ColdTier `yaml:"cold,omitempty"`
}

// ColdTier is a class that objects move to at an age.
type ColdTier struct {
	// After is the age, in whole days.
	After Duration `yaml:"after"`
	// Class is the service's own name: GLACIER_IR, Cool, NEARLINE.
	Class string `yaml:"class"`
}

func (t Tiers) check(k *checker) {
	if t.Cold == nil {
		k.report("no tier is named", "such as { cold: { after: 30d, class: GLACIER_IR } }")
		return
	}
	k = k.key("cold")
	k.key("class").require(t.Cold.Class != "", "name a class of the service, such as GLACIER_IR, Cool or NEARLINE")
	if time.Duration(t.Cold.After)%(24*time.Hour) != 0 {
		k.key("after").report("services count in whole days", "such as after: 30d")
	}
}
