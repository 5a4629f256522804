package postgres

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// summedFile is a file as the manifest lists it.
type summedFile struct {
	name     string
	size     int64
	modified time.Time
	sum      uint32 // CRC-32C
}

// manifestSystem is the first version whose manifests name the cluster.
const manifestSystem = 17

// writeManifest lists what the backup has, as the server would have done.
func (l *Local) writeManifest() []byte {
	slices.SortFunc(l.sums, func(a, b summedFile) int { return cmp.Compare(a.name, b.name) })
	var b bytes.Buffer
	if l.session.major < manifestSystem {
		b.WriteString("{ \"PostgreSQL-Backup-Manifest-Version\": 1,\n")
	} else {
		fmt.Fprintf(&b, "{ \"PostgreSQL-Backup-Manifest-Version\": 2,\n\"System-Identifier\": %s,\n", l.System)
	}
	b.WriteString("\"Files\": [")
	separator := "\n"
	for _, f := range l.sums {
		if strings.HasPrefix(f.name, logFolder+"/") {
			continue // as the server does: the range speaks for them
		}
		fmt.Fprintf(&b, "%s{ %s, \"Size\": %d, \"Last-Modified\": \"%s\", \"Checksum-Algorithm\": \"CRC32C\", \"Checksum\": \"%s\" }",
			separator, manifestPath(f.name), f.size, f.modified.UTC().Format("2006-01-02 15:04:05 GMT"), manifestCRC(f.sum))
		separator = ",\n"
	}
	fmt.Fprintf(&b, "\n],\n\"WAL-Ranges\": [\n{ \"Timeline\": %d, \"Start-LSN\": \"%s\", \"End-LSN\": \"%s\" }\n],\n", l.Timeline, l.Start, l.End)
	sum := sha256.Sum256(b.Bytes())
	fmt.Fprintf(&b, "\"Manifest-Checksum\": \"%s\"}\n", hex.EncodeToString(sum[:]))
	return b.Bytes()
}

// manifestPath is how a manifest names a file: names that are no text in hex.
func manifestPath(name string) string {
	if !utf8.ValidString(name) {
		return fmt.Sprintf("\"Encoded-Path\": \"%s\"", hex.EncodeToString([]byte(name)))
	}
	text, _ := json.Marshal(name) //nolint:errcheck,errchkjson // strings always can
	return fmt.Sprintf("\"Path\": %s", text)
}
