// Package snapshot holds what a repository records about one backup: whose
// files, when, and the tree they are in.
//
// Programs add fields of their own to a snapshot, and rewriting one (a tag
// edit, a copy) must not lose them: Decode keeps what it does not know and
// Encode writes it back. Everything about lists of snapshots (filtering,
// grouping, finding the one a user means) is pure: it takes a list and leaves
// it as it was.
package snapshot

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"holdfast/repository/id"
)

// Snapshot is one recorded state of a source. The JSON is restic's.
type Snapshot struct {
	// ID is the name of the snapshot's file, which is not part of it.
	ID id.ID `json:"-"`
	// Stored is when the file was put, by the clock of the store; zero where
	// that is not known. It is not part of the file either.
	Stored time.Time `json:"-"`

	// Time is the recovery point that the user sees.
	Time time.Time `json:"time"`
	// Parent is the snapshot whose unchanged files were not read again.
	Parent *id.ID `json:"parent,omitempty"`
	// Tree is the root folder.
	Tree id.ID `json:"tree"`
	// Paths lists what was backed up, as absolute paths.
	Paths    []string `json:"paths"`
	Hostname string   `json:"hostname,omitempty"`
	Username string   `json:"username,omitempty"`
	UID      uint32   `json:"uid,omitempty"`
	GID      uint32   `json:"gid,omitempty"`
	Excludes []string `json:"excludes,omitempty"`
	// Tags holds the user's tags and the reserved ones: see UserTags.
	Tags []string `json:"tags,omitempty"`
	// Original is the first of a row of snapshots, each of which was made
	// from the one before by editing or copying it.
	Original *id.ID `json:"original,omitempty"`

	ProgramVersion string   `json:"program_version,omitempty"`
	Summary        *Summary `json:"summary,omitempty"`

	// extra holds the fields of other programs.
	extra extraFields
}

// Summary says what the backup did. Sizes are in bytes.
type Summary struct {
	BackupStart time.Time `json:"backup_start"`
	BackupEnd   time.Time `json:"backup_end"`

	FilesNew        uint64 `json:"files_new"`
	FilesChanged    uint64 `json:"files_changed"`
	FilesUnmodified uint64 `json:"files_unmodified"`
	DirsNew         uint64 `json:"dirs_new"`
	DirsChanged     uint64 `json:"dirs_changed"`
	DirsUnmodified  uint64 `json:"dirs_unmodified"`
	// DataBlobs and TreeBlobs count the blobs that were new.
	DataBlobs int64 `json:"data_blobs"`
	TreeBlobs int64 `json:"tree_blobs"`
	// DataAdded is the size of the new blobs, DataAddedPacked what they
	// take up in the repository.
	DataAdded           uint64 `json:"data_added"`
	DataAddedPacked     uint64 `json:"data_added_packed"`
	TotalFilesProcessed uint64 `json:"total_files_processed"`
	TotalBytesProcessed uint64 `json:"total_bytes_processed"`

	// Rows is how many rows the tables of a database had, 0 for not known. It is
	// holdfast's own: restic passes over it.
	Rows uint64 `json:"holdfast_rows,omitempty"`

	extra extraFields
}

// Decode reads a snapshot from its JSON. The ID is left to the caller, who
// knows the name of the file.
func Decode(b []byte) (*Snapshot, error) {
	s := new(Snapshot)
	if err := json.Unmarshal(b, s); err != nil {
		return nil, fmt.Errorf("decode snapshot: %w", err)
	}
	if s.Tree.IsZero() {
		return nil, errors.New("decode snapshot: it has no tree")
	}
	return s, nil
}

// Encode returns the JSON of s as it is stored. It gives an error for times
// before the year 0 or after 9999.
func (s *Snapshot) Encode() ([]byte, error) {
	b, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("encode snapshot: %w", err)
	}
	return b, nil
}

// Clone returns a copy that shares nothing with s that either may change.
func (s *Snapshot) Clone() *Snapshot {
	c := *s
	c.Paths, c.Excludes, c.Tags = slices.Clone(s.Paths), slices.Clone(s.Excludes), slices.Clone(s.Tags)
	c.Parent, c.Original = clonePointer(s.Parent), clonePointer(s.Original)
	c.Summary = clonePointer(s.Summary)
	return &c
}

// Edited returns a copy to be changed and stored in the place of s: it names
// the first snapshot of the row as its original, and has no ID yet.
func (s *Snapshot) Edited() *Snapshot {
	c := s.Clone()
	if c.Original == nil && !s.ID.IsZero() {
		c.Original = clonePointer(&s.ID)
	}
	c.ID, c.Stored = id.ID{}, time.Time{}
	return c
}

func clonePointer[T any](p *T) *T {
	if p == nil {
		return nil
	}
	c := *p
	return &c
}

// The methods of plainSnapshot and plainSummary are gone, so that
// encoding/json does not call the ones below again.
type (
	plainSnapshot Snapshot
	plainSummary  Summary
)

// MarshalJSON writes the fields of the format and, behind them, the others
// that Decode has met.
func (s *Snapshot) MarshalJSON() ([]byte, error) {
	return s.extra.marshalWith((*plainSnapshot)(s))
}

// UnmarshalJSON reads the fields of the format and keeps the others.
func (s *Snapshot) UnmarshalJSON(b []byte) (err error) {
	s.extra, err = unmarshalKeeping(b, (*plainSnapshot)(s))
	return err
}

// MarshalJSON is that of Snapshot, for its summary.
func (s *Summary) MarshalJSON() ([]byte, error) {
	return s.extra.marshalWith((*plainSummary)(s))
}

// UnmarshalJSON is that of Snapshot, for its summary.
func (s *Summary) UnmarshalJSON(b []byte) (err error) {
	s.extra, err = unmarshalKeeping(b, (*plainSummary)(s))
	return err
}
