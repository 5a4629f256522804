// Package hold keeps, in a repository, what must not be removed for the time
// being, and why: a hold. An anomaly places one, or a person; a person releases
// it. While it lasts no snapshot of its plan and source is forgotten, and
// nothing in the repository is pruned.
//
// A hold is in the repository (docs/format/holds.md) because that is where
// removing happens, by whichever machine, and because it must outlive the
// state of a service. Placing and releasing are two records, sealed and never
// changed, as those of evidence are; so they are as durable as the snapshots,
// also where objects are immutable.
package hold

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"holdfast/repository"
	"holdfast/repository/id"
	"holdfast/repository/snapshot"
	"holdfast/storage"
)

const (
	folder   = "holdfast/holds/"
	timeForm = "20060102T150405.000Z"
	version  = 1
)

// By says who placed or released a hold.
type By string

// Anomaly is holdfast itself, Person somebody with a password.
const (
	Anomaly By = "anomaly"
	Person  By = "person"
)

// Hold keeps snapshots from being removed.
type Hold struct {
	Version int    `json:"version"`
	ID      string `json:"id"`
	// Released tells that this record ends the hold of the same ID.
	Released bool      `json:"released,omitempty"`
	Time     time.Time `json:"time"`
	By       By        `json:"by"`
	// Reason is one line for people.
	Reason string `json:"reason"`
	// Plan and Source say whose snapshots; "" for those of all.
	Plan   string `json:"plan,omitempty"`
	Source string `json:"source,omitempty"`
	// Suspect is the snapshot that was unlike those before it, and LastGood
	// the newest before that was not.
	Suspect  *id.ID `json:"suspect,omitempty"`
	LastGood *id.ID `json:"last_good,omitempty"`
}

// ErrNone says that there is no such hold.
var ErrNone = errors.New("there is no such hold")

// Covers tells whether a snapshot is held. One that does not say whose it is
// may be of any plan.
func (h *Hold) Covers(s *snapshot.Snapshot) bool {
	matches := func(wanted, has string) bool { return wanted == "" || has == "" || wanted == has }
	return matches(h.Plan, s.Plan()) && matches(h.Source, s.Source())
}

// Of names what is held, for people.
func (h *Hold) Of() string {
	switch {
	case h.Plan == "" && h.Source == "":
		return "all snapshots"
	case h.Source == "":
		return "plan " + h.Plan
	case h.Plan == "":
		return "source " + h.Source
	}
	return "source " + h.Source + " of plan " + h.Plan
}

// Place begins a hold and returns it with its ID.
func Place(ctx context.Context, r *repository.Repository, h Hold) (*Hold, error) {
	h.ID = strings.ToLower(rand.Text()[:8])
	h.Released = false
	if err := save(ctx, r, &h); err != nil {
		return nil, fmt.Errorf("hold %s: %w", h.Of(), err)
	}
	return &h, nil
}

// Release ends the hold with an ID.
func Release(ctx context.Context, r *repository.Repository, holdID string, by By, reason string) (*Hold, error) {
	active, err := Active(ctx, r)
	if err != nil {
		return nil, err
	}
	n := slices.IndexFunc(active, func(h Hold) bool { return h.ID == holdID })
	if n < 0 {
		return nil, fmt.Errorf("release hold %s: %w", holdID, ErrNone)
	}
	end := active[n]
	end.Released, end.By, end.Reason = true, by, reason
	if err := save(ctx, r, &end); err != nil {
		return nil, fmt.Errorf("release hold %s: %w", holdID, err)
	}
	return &active[n], nil
}

func save(ctx context.Context, r *repository.Repository, h *Hold) error {
	h.Version, h.Time = version, time.Now().UTC().Truncate(time.Millisecond)
	plain, err := json.Marshal(h)
	if err != nil {
		return err
	}
	_, err = r.SaveRecord(ctx, folder+h.Time.Format(timeForm)+"-", plain)
	return err
}

// Active returns the holds that last, oldest first. A record that cannot be
// read is an error: what it holds must not be removed. Of a repository and its
// mirrors, which have the same records sooner or later, each hold is one, and
// over when any has its end.
func Active(ctx context.Context, places ...*repository.Repository) ([]Hold, error) {
	var all []Hold
	for _, r := range places {
		some, err := load(ctx, r)
		if err != nil {
			return nil, fmt.Errorf("read what is held in %s: %w", r.Location(), err)
		}
		all = append(all, some...)
	}
	over := make(map[string]bool) // or taken already
	for i := range all {
		over[all[i].ID] = over[all[i].ID] || all[i].Released
	}
	return slices.DeleteFunc(all, func(h Hold) bool {
		gone := over[h.ID]
		over[h.ID] = true
		return gone
	}), nil
}

// Held says why a snapshot must not be removed, "" when nothing holds it.
func Held(active []Hold, s *snapshot.Snapshot) string {
	for i := range active {
		if active[i].Covers(s) {
			return active[i].Reason + " (hold " + active[i].ID + ")"
		}
	}
	return ""
}

// load returns all records, oldest first.
func load(ctx context.Context, r *repository.Repository) ([]Hold, error) {
	var keys []string
	err := r.ListRecords(ctx, folder, func(key string) error {
		keys = append(keys, key)
		return nil
	})
	if errors.Is(err, storage.ErrUnsupported) { // a place that keeps none
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	slices.Sort(keys) // they begin with their time
	all := make([]Hold, 0, len(keys))
	for _, key := range keys {
		h, err := loadOne(ctx, r, key)
		if err != nil {
			return nil, err
		}
		all = append(all, *h)
	}
	return all, nil
}

func loadOne(ctx context.Context, r *repository.Repository, key string) (*Hold, error) {
	plain, err := r.LoadRecord(ctx, key)
	if err != nil {
		return nil, err
	}
	h := new(Hold)
	if err := json.Unmarshal(plain, h); err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	if h.Version != version {
		return nil, fmt.Errorf("%s is of version %d: use a newer program", key, h.Version)
	}
	return h, nil
}
