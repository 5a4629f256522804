package pitr

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// TablespaceMap is the file of a base backup that says which tablespaces lie
// outside of the data directory. The server makes links of it when it starts.
const TablespaceMap = "tablespace_map"

// tablespaceFolder is where tablespaces stand in a data directory.
const tablespaceFolder = "pg_tblspc"

// Tablespace is one outside of the data directory.
type Tablespace struct {
	OID      string
	Location string
}

// Folder is where a base backup has its files, relative to the data directory.
func (t Tablespace) Folder() string { return tablespaceFolder + "/" + t.OID }

var tablespaceEscapes = strings.NewReplacer(`\`, `\\`, "\n", "\\\n", "\r", "\\\r")

// ParseTablespaceMap reads a tablespace_map: lines of an OID and a path, in
// which a backslash takes away the meaning of what follows it (xlogrecovery.c).
func ParseTablespaceMap(content []byte) ([]Tablespace, error) {
	var found []Tablespace
	var line []byte
	for k := 0; k < len(content); k++ {
		switch c := content[k]; {
		case c == '\\' && k+1 < len(content):
			k++
			line = append(line, content[k])
		case c == '\n' || c == '\r':
			if len(line) == 0 {
				continue
			}
			oid, location, ok := bytes.Cut(line, []byte(" "))
			if !ok || len(oid) == 0 || len(bytes.Trim(oid, "0123456789")) > 0 {
				return nil, fmt.Errorf("%s: %q is no tablespace", TablespaceMap, line)
			}
			found = append(found, Tablespace{string(oid), string(location)})
			line = nil
		default:
			line = append(line, c)
		}
	}
	if len(line) > 0 {
		return nil, fmt.Errorf("%s is cut short", TablespaceMap)
	}
	return found, nil
}

// WriteTablespaceMap tells a restored server where those of its tablespaces
// lie that are outside of the data directory. The server refuses folders in
// the place of links that the map names, so those that were restored in place
// must not be in it.
func WriteTablespaceMap(data string, outside []Tablespace) error {
	path := filepath.Join(data, TablespaceMap)
	if len(outside) == 0 {
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("prepare tablespaces: %w", err)
		}
		return nil
	}
	var content strings.Builder
	for _, t := range outside {
		fmt.Fprintf(&content, "%s %s\n", t.OID, tablespaceEscapes.Replace(t.Location))
	}
	if err := os.WriteFile(path, []byte(content.String()), 0o600); err != nil {
		return fmt.Errorf("prepare tablespaces: %w", err)
	}
	return nil
}
