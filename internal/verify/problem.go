package verify

import (
	"fmt"
	"strings"

	"holdfast/repository"
	"holdfast/repository/blob"
	"holdfast/repository/id"
)

// Kind says what is wrong.
type Kind string

// The kinds of problems. The last four are hints: nothing is lost or at risk.
const (
	// DamagedFile is a file whose content is not what was written.
	DamagedFile Kind = "damaged_file"
	// UnreadableFile is a file that could not be read: it may be whole.
	UnreadableFile Kind = "unreadable_file"
	// MissingPack is a pack that the index lists and the store lacks.
	MissingPack Kind = "missing_pack"
	// IndexMismatch is a whole pack of which the index says something else.
	IndexMismatch Kind = "index_mismatch"
	// MissingBlob is a blob that a snapshot needs and no index lists.
	MissingBlob Kind = "missing_blob"
	// InvalidTree is a tree that was written so, and makes no sense.
	InvalidTree Kind = "invalid_tree"

	// OrphanPack is a pack that no index lists.
	OrphanPack Kind = "orphan_pack"
	// DuplicateEntry is a pack that several index files list.
	DuplicateEntry Kind = "duplicate_entry"
	// MixedPack is a pack of both data and trees.
	MixedPack Kind = "mixed_pack"
	// UnusualTree is a tree whose names are not in order, or a file whose
	// size is not that of its blobs (restic #1887).
	UnusualTree Kind = "unusual_tree"
)

// IsHint tells whether no data is lost or at risk.
func (k Kind) IsHint() bool {
	switch k {
	case OrphanPack, DuplicateEntry, MixedPack, UnusualTree:
		return true
	}
	return false
}

// fix is a command that helps against a problem.
type fix uint8

const (
	fixNone fix = iota
	fixIndex
	fixSnapshots
	fixPrune
)

func (k Kind) fix() fix {
	switch k {
	case MissingPack, IndexMismatch, DuplicateEntry:
		return fixIndex
	case MissingBlob, InvalidTree:
		return fixSnapshots
	case OrphanPack, MixedPack:
		return fixPrune
	}
	return fixNone
}

// The most that a report lists. What is beyond is counted.
const (
	maxProblems       = 10_000
	maxBlobsNamed     = 20
	maxPathsNamed     = 20
	maxSnapshotsNamed = 20
)

// Problem is one thing that is wrong.
type Problem struct {
	Kind Kind
	// File and ID name the file, where it is one.
	File repository.FileKind
	ID   id.ID
	// Blobs are the first of those that are damaged or missing.
	Blobs     []blob.Handle
	BlobCount int
	// Detail says more.
	Detail string
	// Affects tells what is hit.
	Affects Affects
}

// Affects tells what snapshots and files a problem hits. The lists are the
// beginnings of all.
type Affects struct {
	Snapshots     []id.ID
	SnapshotCount int
	// Paths are counted once for each distinct state of their folder.
	Paths     []Path
	PathCount int
	// Shared tells that there were so many problems that this is what the
	// last of them hit together.
	Shared bool
}

// Path is a file or folder in a snapshot; the newest that holds it.
type Path struct {
	Snapshot id.ID  `json:"snapshot"`
	Path     string `json:"path"`
}

// String says what is wrong in one line, without what it hits.
func (p *Problem) String() string {
	var b strings.Builder
	switch p.Kind {
	case MissingBlob:
		fmt.Fprintf(&b, "%s is missing: no index lists it", p.Blobs[0])
		return b.String()
	case InvalidTree, UnusualTree:
		fmt.Fprintf(&b, "tree %s: %s", p.Blobs[0].ID.Short(), p.Detail)
		return b.String()
	}
	if p.File == repository.ConfigFile {
		b.WriteString("config")
	} else {
		fmt.Fprintf(&b, "%s %s", p.File, p.ID)
	}
	b.WriteString(": " + p.Detail)
	if p.BlobCount > 0 {
		fmt.Fprintf(&b, "; blobs lost: %d: ", p.BlobCount)
		for n, h := range p.Blobs {
			if n > 0 {
				b.WriteString(", ")
			}
			b.WriteString(h.String())
		}
		if p.BlobCount > len(p.Blobs) {
			b.WriteString(", …")
		}
	}
	return b.String()
}

func (p *Problem) addBlob(h blob.Handle) {
	p.BlobCount++
	if len(p.Blobs) < maxBlobsNamed {
		p.Blobs = append(p.Blobs, h)
	}
}

// problems gathers problems, the first of them in full.
type problems struct {
	list          []Problem
	errors, hints int
	kinds         map[Kind]struct{}
}

// overflow is the number of a problem that is not listed.
const overflow = -1

// add returns the number of the problem in the list, or overflow.
func (s *problems) add(p Problem) int {
	if p.Kind.IsHint() {
		s.hints++
	} else {
		s.errors++
	}
	if s.kinds == nil {
		s.kinds = make(map[Kind]struct{})
	}
	s.kinds[p.Kind] = struct{}{}
	if len(s.list) >= maxProblems {
		return overflow
	}
	s.list = append(s.list, p)
	return len(s.list) - 1
}

func (s *problems) has(k Kind) bool {
	_, ok := s.kinds[k]
	return ok
}
