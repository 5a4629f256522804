// Package evidence keeps, in each repository, the record of every time that
// somebody made sure of it: checks, data read back at the far end of a copy,
// restores compared with their source, restore tests. `holdfast status` takes
// from it when a copy was last known to be without error, and how long a
// restore took; `holdfast evidence` shows it to auditors.
//
// A record lies in the repository it speaks of, sealed with that repository's
// key (docs/format/evidence.md): it goes where the copy goes, and nobody who
// cannot open the repository can make one. Records are never changed, and
// those of failures are kept like the others.
//
// Each record names the ones before it by their hashes and is signed with the
// key of who made it, so that one that was changed, taken away, moved or made
// by somebody else is found (Chain.Verify). Signatures are those of minisign:
// what was exported is verified without holdfast.
package evidence

import (
	"bytes"
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
const version = 2

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
	// Restore is a restore test: a recovery point brought back somewhere
	// apart, and looked into. RestoreTest tells all of it.
	Restore Kind = "restoretest"
	// Archives are archives of snapshots that were read back where they lie,
	// which is no repository. A repository of a plan that has them there keeps it.
	Archives Kind = "archives"
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
	// Sequence is one more than the highest of the records before it, and
	// Previous are the hashes of those of them that no other record names: one,
	// but for what two wrote at the same time.
	Sequence uint64  `json:"sequence"`
	Previous []id.ID `json:"previous"`
	// Time is when the work ended, to the millisecond, Seconds how long it took.
	Time    time.Time `json:"time"`
	Seconds float64   `json:"seconds"`
	// Repository is the ID of the repository, Host the machine that did the
	// work, Program what it ran.
	Repository string `json:"repository"`
	Host       string `json:"host,omitempty"`
	Program    string `json:"program,omitempty"`
	// Signer is the public key of who signed it, "" if nobody did.
	Signer string `json:"signed_by,omitempty"`

	Read      Extent `json:"read"`
	Subset    string `json:"subset,omitempty"`
	Packs     int    `json:"packs,omitempty"`
	PacksRead uint64 `json:"packs_read,omitempty"`
	BytesRead uint64 `json:"bytes_read,omitempty"`
	// Snapshots counts those there were; Snapshot is the one of a proof or a
	// restore test.
	Snapshots int    `json:"snapshots,omitempty"`
	Snapshot  *id.ID `json:"snapshot,omitempty"`

	// RestoreTest is what a restore test did.
	RestoreTest *RestoreTest `json:"restore_test,omitempty"`
	// Archives are those that were read back.
	Archives *ArchivesRead `json:"archives,omitempty"`

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

// Elsewhere tells that the record speaks of another repository, which could
// not keep it.
func (r *Record) Elsewhere() bool {
	return r.RestoreTest != nil && r.RestoreTest.From.Repository != r.Repository
}

// stored is what lies sealed in the repository: the record word for word, as
// it was hashed and signed.
type stored struct {
	Version   int    `json:"version"`
	Statement string `json:"statement"`
	// Signature is that of minisign, "" when there was no key.
	Signature string `json:"signature,omitempty"`
}

// Save stores a record of work that ended now in the repository, after the
// newest ones that are there, and returns its key. Without an author it is
// not signed.
func Save(ctx context.Context, r *repository.Repository, rec Record, a *Author) (string, error) {
	rec.Version, rec.Repository = version, r.ID()
	rec.Time = rec.Time.UTC().Truncate(time.Millisecond)
	rec.Findings = rec.Findings[:min(len(rec.Findings), maxFindings)]
	if a != nil {
		rec.Signer = a.Public().String()
	}
	if err := rec.follow(ctx, r, a); err != nil {
		return "", fmt.Errorf("keep evidence: %w", err)
	}
	statement, err := rec.encode()
	if err != nil {
		return "", fmt.Errorf("encode evidence: %w", err)
	}
	signature, err := a.sign(statement, &rec)
	if err != nil {
		return "", fmt.Errorf("sign evidence: %w", err)
	}
	plain, err := json.Marshal(stored{version, string(statement), signature})
	if err != nil {
		return "", fmt.Errorf("encode evidence: %w", err)
	}
	key, err := r.SaveRecord(ctx, rec.prefix(), plain)
	if err != nil {
		return "", fmt.Errorf("keep evidence: %w", err)
	}
	a.remember(r, Made{key, id.Hash(statement)})
	return key, nil
}

// encode writes the record for people to read, too.
func (r *Record) encode() ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(r)
	return b.Bytes(), err
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

// IsOf tells whether the record at a key is of a kind.
func IsOf(key string, kind Kind) bool {
	return strings.Contains(strings.TrimPrefix(key, folder), "-"+string(kind)+"-")
}

// Load reads a record and makes sure that it is of this repository and says
// the same as its name.
func Load(ctx context.Context, r *repository.Repository, key string) (*Record, error) {
	e, err := LoadEntry(ctx, r, key)
	if err != nil {
		return nil, err
	}
	return e.Record, nil
}

// LoadEntry is Load with what proves the record.
func LoadEntry(ctx context.Context, r *repository.Repository, key string) (*Entry, error) {
	plain, err := r.LoadRecord(ctx, key)
	if err != nil {
		return nil, err
	}
	var s stored
	if err := json.Unmarshal(plain, &s); err != nil {
		return nil, fmt.Errorf("evidence %s: %w", key, err)
	}
	if s.Version != version {
		return nil, fmt.Errorf("evidence %s is of version %d, and this program reads version %d", key, s.Version, version)
	}
	e, err := parseEntry(key, []byte(s.Statement), s.Signature)
	if err != nil {
		return nil, err
	}
	if e.Record.Repository != r.ID() || !strings.HasPrefix(key, e.Record.prefix()) {
		return nil, fmt.Errorf("evidence %s is not what its name and place say", key)
	}
	return e, nil
}

// Tests visits the newest records of restore tests, at most limit, newest first,
// until visit returns false. Records that cannot be read are left out: Read
// tells of them.
func Tests(ctx context.Context, r *repository.Repository, limit int, visit func(*Record) bool) error {
	keys, err := Keys(ctx, r)
	if err != nil {
		return err
	}
	keys = slices.DeleteFunc(keys, func(key string) bool { return !IsOf(key, Restore) })
	for _, key := range keys[:min(len(keys), limit)] {
		rec, err := Load(ctx, r, key)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err == nil && rec.RestoreTest != nil && !visit(rec) {
			return nil
		}
	}
	return nil
}

// lookBack bounds the records that Latest reads.
const lookBack = 200

// Latest returns the newest records that tell something about errors: the last
// time data was read and nothing was wrong, and the last time something was
// that is not known to be mended. If there is such an error, good is older than
// it. Each may be nil. Records that cannot be read are errors beside them.
//
// A check without error mends all; a restore test, or a proof, only one of the
// same source that failed before, for it reads what belongs to that source.
//
// A record that is dated after now was made by a clock that was wrong. It does
// not count as good, or it would for years, and hide what was found since; of
// what it found to be wrong only a check that follows it in the chain says that
// it is mended.
func Latest(ctx context.Context, r *repository.Repository, now time.Time) (good, bad *Record, err error) {
	keys, err := Keys(ctx, r)
	if err != nil {
		return nil, nil, err
	}
	ahead, keys := splitAhead(keys, now)
	good, bad, err = latestOf(ctx, r, keys)
	if ctx.Err() != nil || len(ahead) == 0 {
		return good, bad, err
	}
	wrong, aheadErr := wrongAhead(ctx, r, ahead)
	if wrong != nil && bad == nil && (good == nil || good.Kind != Check || good.Sequence < wrong.Sequence) {
		bad = wrong
	}
	return good, bad, errors.Join(err, aheadErr)
}

// latestOf is Latest of some records, the newest first.
func latestOf(ctx context.Context, r *repository.Repository, keys []string) (good, bad *Record, err error) {
	var errs []error
	mended := make(map[string]bool)
	for _, key := range keys[:min(len(keys), lookBack)] {
		rec, err := Load(ctx, r, key)
		switch {
		case ctx.Err() != nil:
			return nil, nil, context.Cause(ctx)
		case err != nil:
			errs = append(errs, err)
		case !rec.tellsOfErrors():
		case rec.Problems > 0 && bad == nil && !mended[rec.subject()]:
			good, bad = nil, rec
		case rec.Problems == 0 && rec.ReadData():
			mended[rec.subject()] = true
			if good == nil {
				good = rec
			}
			if rec.Kind == Check || bad != nil {
				return good, bad, errors.Join(errs...)
			}
		}
	}
	return good, bad, errors.Join(errs...)
}

// tellsOfErrors tells whether a record says something about errors of the
// repository that it lies in.
func (r *Record) tellsOfErrors() bool {
	return r.Kind != Archives && !r.Elsewhere() && (r.RestoreTest == nil || r.RestoreTest.Verdict != NotJudged)
}

// subject is what a record without error mends.
func (r *Record) subject() string {
	if t := r.RestoreTest; t != nil {
		return "source " + t.Plan + "/" + t.Source
	}
	return string(r.Kind)
}
