package archive

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"holdfast/storage"
)

// ErrShared says that a place holds something else than archives.
var ErrShared = errors.New("the place does not hold archives alone")

// probes begins the keys that trying out a service leaves where it may not
// delete.
const probes = "holdfast/probe/"

// OnlyArchives returns nil when nothing lies on a shelf but archives, whole or
// not, so that a rule may delete what is there by its age. The error wraps
// ErrShared and names what else there is.
func (s Shelf) OnlyArchives(ctx context.Context) error {
	err := s.Store.List(ctx, s.Below, func(i storage.Info) error {
		key := strings.TrimPrefix(i.Key, s.Below)
		if strings.HasPrefix(key, probes) || isOfArchive(key) {
			return nil
		}
		return fmt.Errorf("%w: %s in %s is no part of one; give archives a place of their own", ErrShared, i.Key, s.Store.Location())
	})
	if err != nil && !errors.Is(err, ErrShared) {
		return fmt.Errorf("list archives: %w", err)
	}
	return err
}

// isOfArchive tells whether a key is that of a file that archives have.
func isOfArchive(key string) bool {
	name, file, ok := strings.Cut(key, "/")
	if !ok || CheckName(name) != nil {
		return false
	}
	part, isPart := strings.CutPrefix(file, name+partSuffix)
	return file == SumsName || file == ManifestName || isPart && strings.Trim(part, ".0123456789") == ""
}

// Early is an archive that cannot be restored as long as it is to stay: one
// that it is relative to goes before.
type Early struct {
	Name, Needs string
	// Stays is until when it is to stay, Goes when the other one goes.
	Stays, Goes time.Time
}

// FindEarly finds what is wrong with a rule that deletes archives at an age:
// those that are to stay for keep after their snapshot, or until the time they
// have recorded, and need some that are deleted before.
func FindEarly(list []Listed, keep, age time.Duration) []Early {
	known := make(map[string]*Manifest)
	for _, a := range list {
		if a.Manifest != nil {
			known[a.Name] = a.Manifest
		}
	}
	var early []Early
	for _, a := range list {
		if a.Manifest == nil {
			continue
		}
		e := Early{Name: a.Name, Stays: a.Manifest.Snapshot.Time.Add(keep)}
		if a.Manifest.Expires != nil {
			e.Stays = *a.Manifest.Expires
		}
		for at, links := a.Manifest, 0; at != nil && links < maxChain; links++ {
			if goes := at.Created.Add(age); goes.Before(e.Stays) && (e.Needs == "" || goes.Before(e.Goes)) {
				e.Needs, e.Goes = at.Name, goes
			}
			if at.Parent == nil {
				break
			}
			at = known[at.Parent.Name] // nil: import says that it is missing
		}
		if e.Needs != "" {
			early = append(early, e)
		}
	}
	return early
}
