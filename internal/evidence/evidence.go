// Package evidence keeps, in each repository, the record of every time that
// somebody made sure of it: checks, data read back at the far end of a copy,
// restores compared with their source. `holdfast status` takes from it when a
// copy was last known to be without error.
//
// A record lies in the repository it speaks of, sealed with that repository's
// key (docs/format/evidence.md): it goes where the copy goes, and nobody who
// cannot open the repository can make one. Records are never changed, and
// those of failures are kept like the others.
package evidence

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"holdfast/repository"
	"holdfast/repository/id"
)

// folder is where the records lie.
const folder = "holdfast/evidence/"

// timeForm is the time at the beginning of a record's name, in UTC: names
// sort by it.
const timeForm = "20060102T150405.000Z"

// version is that of the records this package writes.
const version = 1

// maxFindings bounds what a record names; Problems counts all.
const maxFindings = 20

// Kind says what was done.
type Kind string

// The kinds of records.
const (
	// Check is `holdfast check`: structure, and data as far as Read says.
	Check Kind = "check"
	// ReadBack is data read again right after it was copied.
	ReadBack Kind = "readback"
	// Proof is a snapshot restored and compared with its source.
	Proof Kind = "proof"
)

// Extent says how much of the packs was read.
type Extent string

// The extents. Trees are folders: no content of files was read.
const (
	Trees Extent = "trees"
	Part  Extent = "part"
	All   Extent = "all"
)

// Record is what one piece of work found out.
type Record struct {
	Version int  `json:"version"`
	Kind    Kind `json:"kind"`
	// Time is when the work ended, to the millisecond, Seconds how long it took.
	Time    time.Time `json:"time"`
	Seconds float64   `json:"seconds"`
	// Repository is the ID of the repository, Host the machine that did the
	// work, Program what it ran.
	Repository string `json:"repository"`
	Host       string `json:"host,omitempty"`
	Program    string `json:"program,omitempty"`

	Read      Extent `json:"read"`
	Subset    string `json:"subset,omitempty"`
	Packs     int    `json:"packs,omitempty"`
	PacksRead uint64 `json:"packs_read,omitempty"`
	BytesRead uint64 `json:"bytes_read,omitempty"`
	// Snapshots counts those there were; Snapshot is the one of a proof.
	Snapshots int    `json:"snapshots,omitempty"`
	Snapshot  *id.ID `json:"snapshot,omitempty"`

	// Problems counts what is wrong, Findings names the first of it.
	Problems int      `json:"problems"`
	Findings []string `json:"findings,omitempty"`
}

// Share is how much of the packs was read, from 0 to 1.
func (r *Record) Share() float64 {
	if r.Read == All {
		return 1
	}
	if r.Packs == 0 {
		return 0
	}
	return min(1, float64(r.PacksRead)/float64(r.Packs))
}

// ReadData tells whether content of files was read, and not only folders.
func (r *Record) ReadData() bool { return r.Read == All || r.Read == Part }

// Save stores a record of work that ended now in the repository, and returns
// its key.
func Save(ctx context.Context, r *repository.Repository, rec Record) (string, error) {
	rec.Version, rec.Repository = version, r.ID()
	rec.Time = rec.Time.UTC().Truncate(time.Millisecond)
	rec.Findings = rec.Findings[:min(len(rec.Findings), maxFindings)]
	plain, err := json.Marshal(rec)
	if err != nil {
		return "", fmt.Errorf("encode evidence: %w", err)
	}
	key, err := r.SaveRecord(ctx, rec.prefix(), plain)
	if err != nil {
		return "", fmt.Errorf("keep evidence: %w", err)
	}
	return key, nil
}

// prefix is the key of the record without its hash.
func (r *Record) prefix() string {
	return folder + r.Time.Format(timeForm) + "-" + string(r.Kind) + "-"
}

// Keys returns the keys of all records of a repository, newest first.
func Keys(ctx context.Context, r *repository.Repository) ([]string, error) {
	var keys []string
	err := r.ListRecords(ctx, folder, func(key string) error {
		keys = append(keys, key)
		return nil
	})
	slices.Sort(keys)
	slices.Reverse(keys)
	return keys, err
}

// Load reads a record and makes sure that it is of this repository and says
// the same as its name.
func Load(ctx context.Context, r *repository.Repository, key string) (*Record, error) {
	plain, err := r.LoadRecord(ctx, key)
	if err != nil {
		return nil, err
	}
	rec := new(Record)
	if err := json.Unmarshal(plain, rec); err != nil {
		return nil, fmt.Errorf("evidence %s: %w", key, err)
	}
	switch {
	case rec.Version != version:
		return nil, fmt.Errorf("evidence %s is of version %d: use a newer program", key, rec.Version)
	case rec.Repository != r.ID(), !strings.HasPrefix(key, rec.prefix()):
		return nil, fmt.Errorf("evidence %s is not what its name and place say", key)
	}
	return rec, nil
}

// lookBack bounds the records that Latest reads.
const lookBack = 200

// Latest returns the newest records that tell something about errors: the
// last time data was read and nothing was wrong, and the last time something
// was. Each may be nil. Records that cannot be read are errors beside them.
func Latest(ctx context.Context, r *repository.Repository) (good, bad *Record, err error) {
	keys, err := Keys(ctx, r)
	if err != nil {
		return nil, nil, err
	}
	var errs []error
	for _, key := range keys[:min(len(keys), lookBack)] {
		rec, err := Load(ctx, r, key)
		if ctx.Err() != nil {
			return nil, nil, context.Cause(ctx)
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if rec.Problems > 0 && bad == nil {
			bad = rec
		}
		if rec.Problems == 0 && rec.ReadData() && good == nil {
			good = rec
		}
		if good != nil { // what was wrong before it is mended
			break
		}
	}
	return good, bad, errors.Join(errs...)
}
