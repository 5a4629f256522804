package rowcount

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"holdfast/internal/postgres"
)

// Counts are the rows that a server's tables had when it was backed up.
type Counts struct {
	Format    int        `json:"format"` // countsFormat
	Databases []Database `json:"databases"`
}

// Database has the tables of one database as they were at one moment.
type Database struct {
	Name string `json:"name"`
	// At is the moment by the server's clock, LSN the position of its log:
	// all that is counted was committed before.
	At  time.Time `json:"at"`
	LSN string    `json:"lsn,omitempty"`
	// Snapshot is the moment as transactions see it (pg_snapshot): which of
	// them are in it.
	Snapshot string `json:"snapshot,omitempty"`
	// Near tells that LSN is only near the moment: there is a transaction that
	// was committed before it and is not counted, or that may be.
	Near bool `json:"near,omitempty"`
	// Standby tells that it was counted on a standby, whose snapshots do not
	// name the transactions that were running.
	Standby bool    `json:"standby,omitempty"`
	Tables  []Table `json:"tables"`
	// Left says why nothing is counted here.
	Left string `json:"left,omitempty"`
}

// Table is a table, one partition of one, or a materialized view.
type Table struct {
	Schema string `json:"schema"`
	Name   string `json:"name"`
	// Rows is -1 when not even an estimate is known.
	Rows int64 `json:"rows"`
	// Estimate says why Rows is only what the server guessed; "" means that
	// they were counted.
	Estimate string `json:"estimate,omitempty"`
}

// String is the table's name.
func (t Table) String() string { return t.Schema + "." + t.Name }

const countsFormat = 1

// File returns where in a snapshot the counts of a source lie: beside its
// folder, since a data directory has nothing that is not the server's.
func File(source string) string { return source + ".rows.json" }

// Encode writes the counts as the file has them.
func (c *Counts) Encode() ([]byte, error) {
	text, err := json.MarshalIndent(c, "", "  ")
	return append(text, '\n'), err
}

// Parse reads what Encode writes.
func Parse(content []byte) (*Counts, error) {
	var c Counts
	if err := json.Unmarshal(content, &c); err != nil {
		return nil, fmt.Errorf("read the row counts: %w", err)
	}
	if c.Format != countsFormat {
		return nil, fmt.Errorf("the row counts have format %d, which this version of holdfast does not know; use a newer one", c.Format)
	}
	return &c, nil
}

// Rows is how many rows all tables have together, estimates included.
func (c *Counts) Rows() (sum uint64) {
	for _, db := range c.Databases {
		for _, t := range db.Tables {
			sum += uint64(max(t.Rows, 0)) //nolint:gosec // not negative
		}
	}
	return sum
}

// Tables returns how many tables there are, and how many are estimates.
func (c *Counts) Tables() (tables, estimates int) {
	for _, db := range c.Databases {
		for _, t := range db.Tables {
			tables++
			if t.Estimate != "" {
				estimates++
			}
		}
	}
	return tables, estimates
}

// Near tells that the counts of some database that has tables have no place in
// the log.
func (c *Counts) Near() bool {
	return slices.ContainsFunc(c.Databases, func(db Database) bool { return db.Near && len(db.Tables) > 0 })
}

// Position returns the position of the log that all counts are at or before; 0
// if none says where it is.
func (c *Counts) Position() (last postgres.LSN) {
	for _, db := range c.Databases {
		if at, err := postgres.ParseLSN(db.LSN); err == nil && len(db.Tables) > 0 {
			last = max(last, at)
		}
	}
	return last
}
