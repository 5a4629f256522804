package api

import "time"

// Repository is a repository, as it was last surveyed.
type Repository struct {
	Name string `json:"name"`
	// URL is without secrets.
	URL   string   `json:"url"`
	Kind  string   `json:"kind"`
	Media string   `json:"media,omitempty"`
	Site  string   `json:"site,omitempty"`
	Plans []string `json:"plans"`
	// Down is why it could not be looked at; the rest is then as it was last
	// seen, at Seen.
	Down      string    `json:"down,omitempty"`
	Seen      time.Time `json:"seen,omitzero"`
	Snapshots int       `json:"snapshots"`
	// Bytes is what it takes, Restored what its snapshots hold when restored.
	Bytes          uint64    `json:"bytes,omitempty"`
	Restored       uint64    `json:"restored,omitempty"`
	Newest         time.Time `json:"newest,omitzero"`
	ImmutableMode  string    `json:"immutable_mode,omitempty"`
	ImmutableUntil time.Time `json:"immutable_until,omitzero"`
	ReadBack       time.Time `json:"last_read_back,omitzero"`
	LastError      time.Time `json:"last_error,omitzero"`
	Holds          []Hold    `json:"holds,omitempty"`
	// Cost is what it costs a month, as its prices say, nil without.
	Cost *Cost `json:"cost,omitempty"`
	Jobs []Job `json:"jobs"`
}

// Cost is what a repository costs.
type Cost struct {
	Currency string  `json:"currency"`
	PerMonth float64 `json:"per_month"`
	// Restore is what it costs to restore all of it once.
	Restore float64 `json:"restore,omitempty"`
}

// GrowthPoint is how large a repository was.
type GrowthPoint struct {
	Time      time.Time `json:"time"`
	Bytes     uint64    `json:"bytes"`
	Snapshots int       `json:"snapshots,omitempty"`
	// Read and Added are what backups read and added since the point before.
	Read  uint64 `json:"read,omitempty"`
	Added uint64 `json:"added,omitempty"`
}

// SnapshotQuery says which snapshots of a repository are meant; "" and zero
// mean any.
type SnapshotQuery struct {
	Repository   string
	Plan, Source string
	Host, Tag    string
	Since, Until time.Time
	// After is the ID of a snapshot: those that come after it in the list,
	// which has the newest first, are meant.
	After string
	Limit int
}

// SnapshotPage is a part of the list of snapshots.
type SnapshotPage struct {
	Snapshots []Snapshot `json:"snapshots"`
	Total     int        `json:"total"`
	After     string     `json:"after,omitempty"`
	// Damage are snapshots that cannot be read.
	Damage  []Damage `json:"damage,omitempty"`
	Instead *Instead `json:"instead,omitempty"`
	// Down is why the repository does not answer now: this is as it was seen
	// before.
	Down string `json:"down,omitempty"`
}

// Damage is something in a repository that is not what was written. Path names
// it: a path in a snapshot, or the ID of one.
type Damage struct {
	Path string `json:"path"`
	What string `json:"what"`
}

// Instead tells that a copy was read, since the repository that was asked for
// does not give it, and Why.
type Instead struct {
	Repository string `json:"repository"`
	Why        string `json:"why"`
}

// Snapshot is a snapshot.
type Snapshot struct {
	Repository string    `json:"repository"`
	ID         string    `json:"id"`
	Time       time.Time `json:"time"`
	Host       string    `json:"host,omitempty"`
	User       string    `json:"user,omitempty"`
	Paths      []string  `json:"paths"`
	Tags       []string  `json:"tags,omitempty"`
	Plan       string    `json:"plan,omitempty"`
	Source     string    `json:"source,omitempty"`
	Type       string    `json:"type,omitempty"`
	Parent     string    `json:"parent,omitempty"`
	Program    string    `json:"program,omitempty"`
	// Bytes and Files are of all it holds, Added what it brought to the
	// repository; 0 for not known.
	Bytes uint64 `json:"bytes,omitempty"`
	Files uint64 `json:"files,omitempty"`
	Added uint64 `json:"added,omitempty"`
	Held  bool   `json:"held,omitempty"`
}

// EntryQuery says which part of a folder is meant.
type EntryQuery struct {
	Repository, Snapshot string
	// Path is absolute within the snapshot, "/" for its root, as PathText
	// writes it.
	Path string
	// Search is a part of a name, in any case; "" for all.
	Search string
	// Sort is name (the default), size or time, with a leading "-" the other
	// way round. Folders come first in any case.
	Sort          string
	Offset, Limit int
}

// EntryPage is a part of a folder.
type EntryPage struct {
	Snapshot Snapshot `json:"snapshot"`
	Path     string   `json:"path"`
	Entries  []Entry  `json:"entries"`
	// Total is how many match, All how many the folder has.
	Total  int `json:"total"`
	All    int `json:"all"`
	Offset int `json:"offset"`
	// Entry is what Path itself is, which may be a file.
	Entry *Entry `json:"entry,omitempty"`
	// Damage are entries that cannot be used, and the folder if it cannot be
	// read to its end.
	Damage  []Damage `json:"damage,omitempty"`
	Instead *Instead `json:"instead,omitempty"`
	// Down is why the repository does not answer now: this is as it was seen
	// before.
	Down string `json:"down,omitempty"`
}

// Entry is a file, a folder or something else in a snapshot. Name, Path and
// Target are text as PathText writes it.
type Entry struct {
	Name string `json:"name"`
	Path string `json:"path"`
	// Kind is file, folder, symlink, device, pipe or socket.
	Kind   string    `json:"kind"`
	Size   uint64    `json:"size,omitempty"`
	Mode   string    `json:"mode"`
	Time   time.Time `json:"time"`
	User   string    `json:"user,omitempty"`
	Group  string    `json:"group,omitempty"`
	Target string    `json:"target,omitempty"` // of a symlink
}

// FindQuery says what is looked for: Pattern is a glob as that of `holdfast
// find`, or a part of a name, in any case. SnapshotQuery.After and its Limit
// mean nothing here.
type FindQuery struct {
	SnapshotQuery

	Pattern string
	// Path is the one path that is meant, whatever it looks like, instead of
	// Pattern: the versions of a file or folder.
	Path string
	// Limit bounds how much is found.
	Limit int
}

// Found is what was found, once for each version of it: with the newest
// snapshot that has it. With Damage set, Entry is none, and something that
// could not be read was not searched.
type Found struct {
	Snapshot Snapshot `json:"snapshot"`
	Entry    Entry    `json:"entry,omitzero"`
	Damage   *Damage  `json:"damage,omitempty"`
}

// DiffQuery names the snapshots to compare.
type DiffQuery struct {
	Repository, From, To string
	Path                 string
	Limit                int
}

// Difference is one difference between two snapshots.
type Difference struct {
	Path string `json:"path"`
	// Change is added, removed, changed, metadata or type; or damage, for what
	// could not be compared, and What then says why.
	Change string `json:"change"`
	Kind   string `json:"kind,omitempty"` // that of Entry
	What   string `json:"what,omitempty"`
	Before uint64 `json:"before_bytes,omitempty"`
	After  uint64 `json:"after_bytes,omitempty"`
}

// DownloadQuery says what is downloaded; Archive is tar or zip, for folders and
// for more than one path. Without Archive, Path is a file.
type DownloadQuery struct {
	Repository, Snapshot, Path string
	Archive                    string
	// Offset is where in a file to begin, negative to count from its end, and
	// Length how much is written at most, 0 for all.
	Offset, Length int64
}

// Content is what a download consists of.
type Content struct {
	Name string
	// Size is that of the whole file, negative if not known, as for archives.
	Size int64
	// Begin and End are the part of the file that follows.
	Begin, End int64
	Time       time.Time
	// Tag differs for files of different content, "" for archives.
	Tag string
}
