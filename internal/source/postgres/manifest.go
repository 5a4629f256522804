package postgres

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
)

// manifest is the list of files that the server sends at the end
// (documentation, "Backup Manifest Format").
type manifest struct {
	Version int `json:"PostgreSQL-Backup-Manifest-Version"`
	Files   []struct {
		Path        string
		EncodedPath string `json:"Encoded-Path"`
		Size        int64
		Algorithm   string `json:"Checksum-Algorithm"`
		Checksum    string
	}
	Ranges []struct {
		Timeline uint32
		Start    string `json:"Start-LSN"`
		End      string `json:"End-LSN"`
	} `json:"WAL-Ranges"`
	Checksum string `json:"Manifest-Checksum"`
}

// checkManifest compares what arrived with what the server says it sent.
func (b *Backup) checkManifest() error {
	content := b.manifest.Bytes()
	if err := checkManifestSum(content); err != nil {
		return err
	}
	var m manifest
	if err := json.Unmarshal(content, &m); err != nil {
		return fmt.Errorf("the server's backup manifest: %w", err)
	}
	for _, f := range m.Files {
		name := f.Path
		if f.EncodedPath != "" {
			raw, err := hex.DecodeString(f.EncodedPath)
			if err != nil {
				return fmt.Errorf("the server's backup manifest: path %q", f.EncodedPath)
			}
			name = string(raw)
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
		return errors.New("the server's backup manifest has no checksum")
	}
	line := bytes.LastIndexByte(content[:at], '\n') + 1
	var last struct {
		Checksum string `json:"Manifest-Checksum"`
	}
	if err := json.Unmarshal(append([]byte("{"), content[line:]...), &last); err != nil {
		return fmt.Errorf("the server's backup manifest: %w", err)
	}
	if sum := sha256.Sum256(content[:line]); hex.EncodeToString(sum[:]) != last.Checksum {
		return fmt.Errorf("the server's backup manifest arrived with another checksum than %s", strconv.Quote(last.Checksum))
	}
	return nil
}
