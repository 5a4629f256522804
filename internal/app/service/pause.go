package service

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"holdfast/internal/controller"
	"holdfast/internal/ledger"
	"holdfast/repository"
)

// SetPause pauses a plan, or with nil resumes it: by the service, if it runs,
// else in its state.
func (d Dir) SetPause(ctx context.Context, plan string, p *controller.Pause) error {
	client, err := d.Connect()
	switch {
	case errors.Is(err, ErrNotServed):
		return d.setPause(ctx, plan, p)
	case err != nil:
		return err
	case p == nil:
		return client.Resume(ctx, plan)
	}
	return client.Pause(ctx, *p)
}

func (d Dir) setPause(ctx context.Context, plan string, p *controller.Pause) error {
	if err := d.make(); err != nil {
		return err
	}
	l, err := ledger.Open(ctx, ledger.Options{Dir: d.LedgerDir()})
	if err != nil {
		return err
	}
	return errors.Join(journal{l}.SavePause(ctx, plan, p), l.Close())
}

// pauseRecords is where a repository keeps wishes to pause and to resume; see
// docs/format/README.md.
const pauseRecords = "holdfast/pauses/"

// PauseWish is such a wish.
type PauseWish struct {
	Plan string    `json:"plan"`
	At   time.Time `json:"at"`
	// Host is whose plan it is, as several machines may have one of that name;
	// "" where that is not known.
	Host string `json:"host,omitempty"`
	// Pause is null for the wish to resume.
	Pause *controller.Pause `json:"pause"`
}

// KeepPause keeps a pause in a repository, or with nil its end, for the case
// that the state of the service is lost. The newest wish of a plan counts.
func KeepPause(ctx context.Context, r *repository.Repository, plan string, p *controller.Pause) error {
	now := time.Now().UTC()
	host, _ := os.Hostname() // it may have none
	plain, err := json.Marshal(PauseWish{plan, now, host, p})
	if err != nil {
		return fmt.Errorf("keep the pause: %w", err)
	}
	if _, err := r.SaveRecord(ctx, pauseRecords+now.Format("20060102T150405.000Z")+"-", plain); err != nil {
		return fmt.Errorf("keep the pause: %w", err)
	}
	return nil
}

// LoadPauses returns the wishes that a repository keeps.
func LoadPauses(ctx context.Context, r *repository.Repository) ([]PauseWish, error) {
	var keys []string
	if err := r.ListRecords(ctx, pauseRecords, func(key string) error {
		keys = append(keys, key)
		return nil
	}); err != nil {
		return nil, err
	}
	wishes := make([]PauseWish, 0, len(keys))
	for _, key := range keys {
		plain, err := r.LoadRecord(ctx, key)
		if err != nil {
			return nil, err
		}
		var wish PauseWish
		if err := json.Unmarshal(plain, &wish); err != nil {
			return nil, fmt.Errorf("pause %s: %w", key, err)
		}
		wishes = append(wishes, wish)
	}
	return wishes, nil
}

// Lasting returns, by their plans, the pauses that last, by the wishes of the
// hosts that count.
func Lasting(wishes []PauseWish, counts func(host string) bool) map[string]controller.Pause {
	pauses := map[string]controller.Pause{}
	for _, w := range slices.SortedStableFunc(slices.Values(wishes), func(a, b PauseWish) int { return a.At.Compare(b.At) }) {
		if !counts(w.Host) {
			continue
		}
		delete(pauses, w.Plan)
		if w.Pause != nil {
			pauses[w.Plan] = *w.Pause
		}
	}
	return pauses
}
