package backup

import (
	"sync/atomic"
	"time"

	"holdfast/repository/snapshot"
	"holdfast/repository/tree"
)

// Progress counts what a backup has done so far. It may be read at any time.
type Progress struct {
	FilesNew, FilesChanged, FilesUnmodified atomic.Uint64
	DirsNew, DirsChanged, DirsUnmodified    atomic.Uint64
	// Bytes counts the content of all files done and of large ones as far as
	// they are, BytesRead what was read from the source for it. Some of both is
	// still on its way to the store: see Durable.
	Bytes, BytesRead atomic.Uint64
	// ReadBack counts the stored bytes of an earlier snapshot that were read to
	// compose files of it and of what has changed.
	ReadBack atomic.Uint64
	// DataBlobs and TreeBlobs count new blobs, Added their plaintext bytes,
	// Stored the bytes they take.
	DataBlobs, TreeBlobs atomic.Uint64
	Added, Stored        atomic.Uint64
	// Errors counts the parts of the source that could not be read.
	Errors atomic.Uint64

	// underWay counts the bytes of data that are in packs which the store does
	// not have yet, durable the most that Durable has returned.
	underWay atomic.Int64
	durable  atomic.Uint64
}

// Done returns how much of the source is done, wherever it is by now: whole
// files, unchanged ones too, or parts of large ones.
func (p *Progress) Done() uint64 { return max(p.Bytes.Load(), p.BytesRead.Load()) }

// Durable returns how much of the source is done and in the store: what is in
// packs that are not there yet is not. It never goes back.
func (p *Progress) Durable() uint64 {
	now := uint64(max(0, int64(p.Done())-max(0, p.underWay.Load()))) //nolint:gosec // no source is larger
	for {
		most := p.durable.Load()
		if now <= most {
			return most
		}
		if p.durable.CompareAndSwap(most, now) {
			return now
		}
	}
}

// Files returns the number of files done.
func (p *Progress) Files() uint64 {
	return p.FilesNew.Load() + p.FilesChanged.Load() + p.FilesUnmodified.Load()
}

// summary returns the counts in the form a snapshot keeps.
func (p *Progress) summary(start, end time.Time) *snapshot.Summary {
	return &snapshot.Summary{
		BackupStart:         start,
		BackupEnd:           end,
		FilesNew:            p.FilesNew.Load(),
		FilesChanged:        p.FilesChanged.Load(),
		FilesUnmodified:     p.FilesUnmodified.Load(),
		DirsNew:             p.DirsNew.Load(),
		DirsChanged:         p.DirsChanged.Load(),
		DirsUnmodified:      p.DirsUnmodified.Load(),
		DataBlobs:           int64(p.DataBlobs.Load()),
		TreeBlobs:           int64(p.TreeBlobs.Load()),
		DataAdded:           p.Added.Load(),
		DataAddedPacked:     p.Stored.Load(),
		TotalFilesProcessed: p.Files(),
		TotalBytesProcessed: p.Bytes.Load(),
	}
}

// State says how an item compares with the earlier backup.
type State string

// The states of an item.
const (
	New       State = "new"
	Changed   State = "changed"
	Unchanged State = "unchanged"
)

// Item is a file or folder that is done.
type Item struct {
	Path  string
	Type  tree.Type
	State State
	// Size is the length of a file in bytes.
	Size uint64
	// Added and Stored count the bytes that were new to the repository.
	Added, Stored uint64
	// counted is the part of Size that Progress.Bytes has already.
	counted uint64
}

// count counts a file or folder that is done.
func (p *Progress) count(i *Item) {
	counters := [...]*atomic.Uint64{&p.FilesNew, &p.FilesChanged, &p.FilesUnmodified}
	if i.Type == tree.Dir {
		counters = [...]*atomic.Uint64{&p.DirsNew, &p.DirsChanged, &p.DirsUnmodified}
	}
	switch i.State {
	case New:
		counters[0].Add(1)
	case Changed:
		counters[1].Add(1)
	default:
		counters[2].Add(1)
	}
	p.Bytes.Add(i.Size - i.counted)
}

// unchangedAfterAll counts a file as unmodified that was counted as changed.
func (p *Progress) unchangedAfterAll() {
	p.FilesChanged.Add(^uint64(0)) // one less
	p.FilesUnmodified.Add(1)
}
