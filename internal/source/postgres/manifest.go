package postgres

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// manifest is the list of files that the server sends at the end
// (documentation, "Backup Manifest Format").
type manifest struct {
	Version int            `json:"PostgreSQL-Backup-Manifest-Version"`
	System  uint64         `json:"System-Identifier"` // from version 2 on
	Files   []manifestFile `json:"Files"`
	Ranges  []walRange     `json:"WAL-Ranges"`
}

// manifestFile is one file, below the data directory. One of both paths is
// set: the encoded one, in hexadecimal, is for names that are not UTF-8.
type manifestFile struct {
	Path        string `json:"Path"`
	EncodedPath string `json:"Encoded-Path"`
	Size        int64  `json:"Size"`
	Modified    string `json:"Last-Modified"`
	Algorithm   string `json:"Checksum-Algorithm"`
	Checksum    string `json:"Checksum"`
}

// walRange is the log that a backup needs, of one timeline.
type walRange struct {
	Timeline uint32 `json:"Timeline"`
	Start    string `json:"Start-LSN"`
	End      string `json:"End-LSN"`
}

// parseManifest reads a manifest that is as it was made.
func parseManifest(content []byte) (*manifest, error) {
	if err := checkManifestSum(content); err != nil {
		return nil, err
	}
	m := new(manifest)
	if err := json.Unmarshal(content, m); err != nil {
		return nil, fmt.Errorf("the backup manifest: %w", err)
	}
	return m, nil
}

// name returns the path of a file, whichever way it is written.
func (f *manifestFile) name() (string, error) {
	if f.EncodedPath == "" {
		return f.Path, nil
	}
	raw, err := hex.DecodeString(f.EncodedPath)
	if err != nil {
		return "", fmt.Errorf("the backup manifest: path %q", f.EncodedPath)
	}
	return string(raw), nil
}

// setName writes the path of a file as servers do.
func (f *manifestFile) setName(name string) {
	f.Path, f.EncodedPath = name, ""
	if !utf8.ValidString(name) {
		f.Path, f.EncodedPath = "", hex.EncodeToString([]byte(name))
	}
}

// encode writes a manifest as servers do: their programs read it line by line,
// and its last line has the checksum of all others.
func (m *manifest) encode() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "{ \"PostgreSQL-Backup-Manifest-Version\": %d,\n", m.Version)
	if m.Version > 1 {
		fmt.Fprintf(&b, "\"System-Identifier\": %d,\n", m.System)
	}
	b.WriteString("\"Files\": [")
	for n, f := range m.Files {
		path, key := f.Path, "Path"
		if f.EncodedPath != "" {
			path, key = f.EncodedPath, "Encoded-Path"
		}
		quoted, _ := json.Marshal(path) //nolint:errchkjson // a string
		fmt.Fprintf(&b, "%s\n{ %q: %s, \"Size\": %d, \"Last-Modified\": %q", comma(n), key, quoted, f.Size, f.Modified)
		if f.Algorithm != "" {
			fmt.Fprintf(&b, ", \"Checksum-Algorithm\": %q, \"Checksum\": %q", f.Algorithm, f.Checksum)
		}
		b.WriteString(" }")
	}
	b.WriteString("\n],\n\"WAL-Ranges\": [")
	for n, r := range m.Ranges {
		fmt.Fprintf(&b, "%s\n{ \"Timeline\": %d, \"Start-LSN\": %q, \"End-LSN\": %q }", comma(n), r.Timeline, r.Start, r.End)
	}
	b.WriteString("\n],\n")
	sum := sha256.Sum256(b.Bytes())
	fmt.Fprintf(&b, "\"Manifest-Checksum\": \"%x\"}\n", sum)
	return b.Bytes()
}

// comma goes between the items of a list.
func comma(n int) string {
	if n == 0 {
		return ""
	}
	return ","
}

// checkManifest compares what arrived with what the server says it sent.
func (b *Backup) checkManifest() error {
	m, err := parseManifest(b.manifest.Bytes())
	if err != nil {
		return err
	}
	for _, f := range m.Files {
		name, err := f.name()
		if err != nil {
			return err
		}
		got, ok := b.seen[name]
		switch {
		case !ok:
			return fmt.Errorf("%s did not arrive", name)
		case got.size != f.Size:
			return fmt.Errorf("%s arrived with %d bytes instead of %d", name, got.size, f.Size)
		case f.Algorithm == "CRC32C" && manifestCRC(got.crc) != f.Checksum:
			return fmt.Errorf("%s arrived with another checksum than it was sent with", name)
		}
	}
	b.manifest.Reset()
	return nil
}

// manifestCRC writes a CRC-32C as manifests do: the bytes in the order of the
// server's memory, which is little-endian here.
func manifestCRC(crc uint32) string {
	return hex.EncodeToString([]byte{byte(crc), byte(crc >> 8), byte(crc >> 16), byte(crc >> 24)})
}

// checkManifestSum checks the manifest's own checksum: a SHA-256 over all
// lines before the last.
func checkManifestSum(content []byte) error {
	at := bytes.LastIndex(content, []byte(`"Manifest-Checksum"`))
	if at < 0 {
		return errors.New("the backup manifest has no checksum")
	}
	line := bytes.LastIndexByte(content[:at], '\n') + 1
	var last struct {
		Checksum string `json:"Manifest-Checksum"`
	}
	if err := json.Unmarshal(append([]byte("{"), content[line:]...), &last); err != nil {
		return fmt.Errorf("the backup manifest: %w", err)
	}
	if sum := sha256.Sum256(content[:line]); hex.EncodeToString(sum[:]) != last.Checksum {
		return fmt.Errorf("the backup manifest arrived with another checksum than %s", strconv.Quote(last.Checksum))
	}
	return nil
}
