package postgres

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// The files of a dump, beside one for each database.
const (
	// DumpGlobals has the roles and tablespaces, as SQL.
	DumpGlobals = "globals.sql"
	// DumpList tells what there is: a Dump, as JSON.
	DumpList = "dump.json"
)

// Dump describes the dumps of one run.
type Dump struct {
	Format int `json:"format"` // dumpFormat
	// Started and Ended are by the server's clock. Nothing that was committed
	// after Ended is in it, and all that was before Started.
	Started time.Time `json:"started"`
	Ended   time.Time `json:"ended"`
	// Server is the server's version, Major its first number.
	Server string `json:"server_version"`
	Major  int    `json:"server_major"`
	// Program is the major version of pg_dump.
	Program int `json:"pg_dump_major"`
	// RolePasswords tells that the globals have the roles' passwords.
	RolePasswords bool             `json:"role_passwords"`
	Databases     []DumpedDatabase `json:"databases"`
}

// DumpedDatabase is a database in a dump, and what it needs of a server.
type DumpedDatabase struct {
	Name string `json:"name"`
	// File is its name beside the list: a file in pg_dump's custom format or,
	// with Directory, a folder in its directory format.
	File      string `json:"file"`
	Directory bool   `json:"directory,omitempty"`
	// Started is the moment that the dump has the state of, by the server's
	// clock.
	Started time.Time `json:"started"`
	Bytes   int64     `json:"bytes"`
	// Empty tells that there was nothing in it that somebody made.
	Empty      bool        `json:"empty,omitempty"`
	Owner      string      `json:"owner"`
	Encoding   string      `json:"encoding"`
	Collate    string      `json:"collate"`
	CType      string      `json:"ctype"`
	Provider   string      `json:"locale_provider,omitempty"` // c, i or b; "" for c
	Locale     string      `json:"locale,omitempty"`          // of providers i and b
	Extensions []Extension `json:"extensions"`
}

// Extension is one that a database uses.
type Extension struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

const dumpFormat = 1

// NewDump returns an empty description.
func NewDump() *Dump { return &Dump{Format: dumpFormat} }

// ParseDump reads a description.
func ParseDump(content []byte) (*Dump, error) {
	var d Dump
	if err := json.Unmarshal(content, &d); err != nil {
		return nil, fmt.Errorf("read %s: %w", DumpList, err)
	}
	if d.Format != dumpFormat {
		return nil, fmt.Errorf("%s has format %d, which this version of holdfast does not know; use a newer one", DumpList, d.Format)
	}
	for _, db := range d.Databases {
		if db.File != DumpFile(db.Name) {
			return nil, errors.New(DumpList + " names a file that is not the database's")
		}
	}
	return &d, nil
}

// DumpFile returns the name of the file that a database is dumped to: its own
// and ".dump", with what no file name may have written as %XX.
func DumpFile(database string) string {
	var b strings.Builder
	for i := range len(database) {
		if c := database[i]; c < ' ' || c == 127 || strings.IndexByte(`/\:*?"<>|%`, c) >= 0 || c == '.' && i == 0 {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String() + ".dump"
}
