package postgres

import (
	"bytes"
	"fmt"
	"io"
)

// checksumAlgorithm is the one that backups ask for.
const checksumAlgorithm = "CRC32C"

// changedManifest is the manifest of the whole files, made of the server's,
// which lists what was sent, when that has arrived.
type changedManifest struct {
	b       *Backup
	content *bytes.Reader
}

func (m *changedManifest) Read(p []byte) (int, error) {
	if m.content == nil {
		whole, err := m.b.composeManifest()
		if err != nil {
			return 0, err
		}
		m.content = bytes.NewReader(whole)
	}
	return m.content.Read(p)
}

// composeManifest reads the server's manifest, and keeps it to compare with.
func (b *Backup) composeManifest() ([]byte, error) {
	if _, err := io.Copy(&b.manifest, &b.stream); err != nil {
		return nil, err
	}
	m, err := parseManifest(b.manifest.Bytes())
	if err != nil {
		return nil, err
	}
	b.changes.mu.Lock()
	defer b.changes.mu.Unlock()
	for k := range m.Files {
		f := &m.Files[k]
		sent, err := f.name()
		if err != nil {
			return nil, err
		}
		whole, ok := b.changes.composed[sent]
		if !ok {
			continue
		}
		f.setName(whole.name)
		f.Size, f.Algorithm, f.Checksum = whole.size, checksumAlgorithm, manifestCRC(whole.crc)
		delete(b.changes.composed, sent)
	}
	for sent := range b.changes.composed {
		return nil, fmt.Errorf("the backup manifest does not list %s, which arrived", sent)
	}
	return m.encode(), nil
}
