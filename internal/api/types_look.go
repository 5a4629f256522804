package api

import "time"

// Lock is a lock of a repository.
type Lock struct {
	ID   string `json:"id"`
	Host string `json:"host,omitempty"`
	User string `json:"user,omitempty"`
	PID  int    `json:"pid,omitempty"`
	// Exclusive locks keep everybody else out, others only those.
	Exclusive bool `json:"exclusive"`
	// Refreshed is when its holder last said that it works.
	Refreshed time.Time `json:"refreshed,omitzero"`
	// Stale tells that its holder is certainly gone.
	Stale bool `json:"stale"`
	// Error is why it cannot be read: nobody knows whose it is.
	Error string `json:"error,omitempty"`
}

// Evidence are the records of a repository, judged together.
type Evidence struct {
	EvidenceVerdict

	// Records are the newest, at most 1000, the newest first.
	Records []EvidenceRecord `json:"records"`
}

// EvidenceVerdict is what became of all records when they were held to their
// signatures and to each other.
type EvidenceVerdict struct {
	Repository string `json:"repository"`
	// Good tells that nothing is wrong with the records themselves: a restore
	// test that failed is evidence, too.
	Good  bool `json:"good"`
	Total int  `json:"total"`
	// Findings are what is wrong: records that are gone, changed, out of their
	// place, unsigned, or signed by a key that is not trusted here.
	Findings []EvidenceFinding `json:"findings"`
	// Beside counts the records at the end that stand beside each other: more
	// than one where several were made at the same time, and none since.
	Beside int `json:"beside,omitempty"`
	// Trusted is the public key of the oldest record, where no other is known:
	// compare it with the recovery kit.
	Trusted string    `json:"trusted_on_first_use,omitempty"`
	Judged  time.Time `json:"judged"`
}

// EvidenceFinding is something that is wrong with the records themselves.
type EvidenceFinding struct {
	// Rule is damaged, missing, order, unsigned, forged or foreign.
	Rule string `json:"rule"`
	// Key is the object that it is about, "" for one that is gone.
	Key  string `json:"key,omitempty"`
	What string `json:"what"`
}

// EvidenceRecord is a record of a check, a read-back, a proof or a restore test.
type EvidenceRecord struct {
	ID string `json:"id"`
	// Number is its place in the chain.
	Number uint64    `json:"number"`
	Time   time.Time `json:"time"`
	// Kind is check, readback, proof or restoretest.
	Kind string `json:"kind"`
	Host string `json:"host,omitempty"`
	// Problems are how many were found, 0 for all good.
	Problems int    `json:"problems"`
	Plan     string `json:"plan,omitempty"`
	Source   string `json:"source,omitempty"`
	// Verdict is that of a restore test.
	Verdict string `json:"verdict,omitempty"`
}

// Archives are what lies in a place for archives.
type Archives struct {
	Place    string        `json:"place"`
	Archives []ArchiveSeen `json:"archives"`
	// Problems are archives that cannot be relied on, and why.
	Problems []string `json:"problems,omitempty"`
}

// ArchiveSeen is an archive, as its manifest tells.
type ArchiveSeen struct {
	Name     string    `json:"name"`
	Kind     string    `json:"kind"` // full, incremental or differential
	Snapshot string    `json:"snapshot"`
	Time     time.Time `json:"time"` // of the snapshot
	Bytes    int64     `json:"bytes"`
	Parts    int       `json:"parts"`
	Expires  time.Time `json:"expires,omitzero"`
	// Parent is the archive that it is relative to.
	Parent string `json:"parent,omitempty"`
}

// StorageSettings are what a bucket is set to, and what holdfast.yaml wants.
type StorageSettings struct {
	Settings []StorageSetting `json:"settings"`
	// Change tells that something would have to change.
	Change bool `json:"change"`
}

// StorageSetting is one of them.
type StorageSetting struct {
	Setting string `json:"setting"`
	Now     string `json:"now"`
	Wanted  string `json:"wanted"`
	Change  bool   `json:"change"`
}

// UsageQuery says what is counted.
type UsageQuery struct {
	Repository string
	// Snapshot is the one that is meant, "" for all.
	Snapshot string
	// Mode is restore-size (the default), files-by-contents, blobs-per-file or
	// raw-data.
	Mode string
}

// Usage is what snapshots take up.
type Usage struct {
	Bytes     uint64 `json:"bytes"`
	Snapshots int    `json:"snapshots"`
	Files     uint64 `json:"files,omitempty"`
	Blobs     uint64 `json:"blobs,omitempty"`
	// UncompressedBytes is what is stored, before it was compressed.
	UncompressedBytes uint64 `json:"uncompressed_bytes,omitempty"`
}

// CopyCost is what one copy of a repository costs, by list prices.
type CopyCost struct {
	Repository string `json:"repository"`
	Service    string `json:"service"`
	Region     string `json:"region,omitempty"`
	// PricesOf is the day of the prices.
	PricesOf string  `json:"prices_of"`
	Currency string  `json:"currency"`
	PerMonth float64 `json:"per_month"`
	// Restore is what it costs to restore all of it once.
	Restore float64 `json:"restore"`
}

// LogQuery says which log is meant.
type LogQuery struct {
	Plan string
	// Source is a database of the plan, "" for its only one.
	Source string
}

// LogArchive is what one repository has of a database's log.
type LogArchive struct {
	Location string `json:"location"`
	// Parts are what it has without a gap, Gaps what is missing in between, and
	// Pruned what was let go on purpose.
	Parts  []LogPart `json:"parts"`
	Gaps   []string  `json:"gaps"`
	Pruned []string  `json:"pruned,omitempty"`
	// Unproven is why newer log may be lost there without anybody noticing.
	Unproven []string `json:"unproven,omitempty"`
	// Oldest and Newest are the instants between which all can be restored,
	// apart from gaps.
	Oldest time.Time `json:"oldest,omitzero"`
	Newest time.Time `json:"newest,omitzero"`
	// Server is how far the server is, "" where it could not be asked; LagBytes
	// and LagSeconds are what the archive lacks.
	Server     string   `json:"server,omitempty"`
	LagBytes   *int64   `json:"lag_bytes,omitempty"`
	LagSeconds *float64 `json:"lag_seconds,omitempty"`
	// Needs is why only a new base backup makes the newest log good for
	// anything, "" if it is.
	Needs string `json:"needs_base_backup,omitempty"`
	// Bases are the base backups, and what each is good for.
	Bases []LogBase `json:"base_backups"`
}

// LogPart is a part of a log without a gap, of one timeline.
type LogPart struct {
	Timeline int    `json:"timeline"`
	Start    string `json:"start"`
	End      string `json:"end"`
	// From and To are when it was archived.
	From string `json:"from"`
	To   string `json:"to"`
}

// LogBase is a base backup.
type LogBase struct {
	Snapshot string    `json:"snapshot"`
	Ended    time.Time `json:"ended"`
	Timeline int       `json:"timeline"`
	// Reach is how far the log leads from there: to its end, to a gap, to that
	// point itself, or nowhere, when the backup is lost.
	Reach string `json:"reach"`
}

// Paper is something to print or to hand over.
type Paper string

// The papers. KitText and KitPage are a recovery kit without secrets, Record is
// one record of evidence as it was signed, AllEvidence all of it as a tar for
// an auditor, and Policy what a role must be allowed at the service that a
// bucket is of.
const (
	KitText     Paper = "kit.txt"
	KitPage     Paper = "kit.html"
	Record      Paper = "record.json"
	AllEvidence Paper = "evidence.tar"
	Policy      Paper = "policy.json"
)

// PaperQuery says which paper is meant.
type PaperQuery struct {
	Repository string
	Paper      Paper
	// Of is the beginning of the ID of a record, or the role of a policy:
	// backup, restore, upkeep or admin.
	Of string
}
