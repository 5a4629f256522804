package archive

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"holdfast/repository/id"
)

// The names in the folder of an archive, beside those of its parts.
const (
	ManifestName = "manifest.json"
	SumsName     = "SHA256SUMS"
	// partSuffix follows the archive's name in the names of its parts.
	partSuffix = ".tar.zst.age"
)

// formatVersion is that of the whole layout; docs/format/archive.md.
const formatVersion = 1

// Kind says how much an archive holds.
type Kind string

// The kinds of archives, in the words of the backup types.
const (
	// Full is all of a snapshot.
	Full Kind = "full"
	// Incremental is what changed since some earlier archive.
	Incremental Kind = "incremental"
	// Differential is what changed since the last full archive.
	Differential Kind = "differential"
)

// ParseKind reads the name of a kind.
func ParseKind(name string) (Kind, error) {
	switch k := Kind(name); k {
	case Full, Incremental, Differential:
		return k, nil
	}
	return "", fmt.Errorf("unknown kind of archive %q: want %s, %s or %s", name, Full, Incremental, Differential)
}

// Manifest describes one archive. It lies beside it in the clear: it tells
// when and of which snapshot the archive is, and nothing of what is in it.
type Manifest struct {
	Format int    `json:"format"`
	Name   string `json:"name"`
	Kind   Kind   `json:"kind"`
	// Parent is the archive that this one is relative to; nil if it is full.
	Parent *Link `json:"parent,omitempty"`
	// Repository is the ID of the repository that was read.
	Repository string   `json:"repository"`
	Snapshot   Recorded `json:"snapshot"`
	// Created is when the archive was made, by the clock of that machine.
	Created time.Time `json:"created"`
	// Expires is when the archive may be deleted; zero for no such time.
	// Nothing here acts on it.
	Expires *time.Time `json:"expires,omitempty"`
	Program string     `json:"program"`

	// Recipients are the public keys that the archive is encrypted to.
	Recipients []string `json:"recipients,omitempty"`
	// Passphrase tells that it is encrypted with a passphrase instead.
	Passphrase bool `json:"passphrase,omitempty"`

	// Inner is the tar.zst inside.
	Inner Digest `json:"inner"`
	// TarBytes is the length of the tar in it.
	TarBytes int64 `json:"tar_bytes"`
	// Entries counts the files, folders and others in the tar.
	Entries uint64 `json:"entries"`
	// Deletions is the member of the tar that lists what went away since the
	// parent, each path ended by a NUL; "" if the archive is full.
	Deletions string `json:"deletions,omitempty"`
	// Deleted counts the paths there.
	Deleted uint64 `json:"deleted,omitempty"`

	Parts []Part `json:"parts"`
}

// Recorded names the snapshot that an archive is of.
type Recorded struct {
	ID   id.ID     `json:"id"`
	Time time.Time `json:"time"`
	Tree id.ID     `json:"tree"`
}

// Link names an archive and what it holds.
type Link struct {
	Name string `json:"name"`
	// SHA256 is that of its tar.zst.
	SHA256 Sum `json:"sha256"`
}

// Digest is the length and hash of a string of bytes.
type Digest struct {
	Bytes  int64 `json:"bytes"`
	SHA256 Sum   `json:"sha256"`
}

// Part is one of the files that an archive was split into.
type Part struct {
	Name string `json:"name"`
	Digest
}

// Sum is a SHA-256, in hex in JSON.
type Sum [32]byte

func (s Sum) String() string { return hex.EncodeToString(s[:]) }

// MarshalText writes s in hex.
func (s Sum) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads 64 hex digits.
func (s *Sum) UnmarshalText(text []byte) error {
	if n, err := hex.Decode(s[:], text); err != nil || n != len(s) || len(text) != 2*len(s) {
		return fmt.Errorf("%q is not a SHA-256", text)
	}
	return nil
}

// Bytes returns the length of all parts together.
func (m *Manifest) Bytes() int64 {
	var n int64
	for _, p := range m.Parts {
		n += p.Bytes
	}
	return n
}

// Link names the archive as a parent.
func (m *Manifest) Link() Link { return Link{m.Name, m.Inner.SHA256} }

// encode returns the JSON of a manifest, for people to read, too.
func (m *Manifest) encode() ([]byte, error) {
	data, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode manifest: %w", err)
	}
	return append(data, '\n'), nil
}

// maxManifestBytes bounds what is read as a manifest, some 100 bytes a part.
const maxManifestBytes = 64 << 20

// ParseManifest reads a manifest.
func ParseManifest(data []byte) (*Manifest, error) {
	m := new(Manifest)
	if err := json.Unmarshal(data, m); err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	if err := m.validate(); err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	return m, nil
}

func (m *Manifest) validate() error {
	if m.Format != formatVersion {
		return fmt.Errorf("format %d is not known to this version of holdfast, which knows %d", m.Format, formatVersion)
	}
	if err := CheckName(m.Name); err != nil {
		return err
	}
	if _, err := ParseKind(string(m.Kind)); err != nil {
		return err
	}
	switch {
	case (m.Kind == Full) != (m.Parent == nil):
		return fmt.Errorf("it says %s, and its parent says otherwise", m.Kind)
	case len(m.Parts) == 0:
		return errors.New("it names no parts")
	}
	for n, p := range m.Parts {
		if p.Name != PartName(m.Name, n, len(m.Parts)) || p.Bytes < 0 {
			return fmt.Errorf("part %d is %q, want %q", n, p.Name, PartName(m.Name, n, len(m.Parts)))
		}
	}
	return nil
}

// maxNameBytes leaves room for the suffixes in a file name.
const maxNameBytes = 200

// CheckName tells whether an archive may have a name: letters, digits, dots,
// dashes and underscores, which every file system, tape and URL takes.
func CheckName(name string) error {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"
	switch {
	case name == "" || len(name) > maxNameBytes:
		return fmt.Errorf("name %q: want 1 to %d bytes", name, maxNameBytes)
	case strings.Trim(name, plain) != "", name[0] == '.', name[0] == '-':
		return fmt.Errorf("name %q: want letters, digits, dots, dashes and underscores, and no dot or dash in front", name)
	case name == "holdfast":
		return fmt.Errorf("name %q is taken by holdfast itself", name)
	}
	return nil
}

// PartName returns the name of part n of an archive of that many parts.
//
// The names of the parts sort in their order, as a shell lists them, however
// many there are: 000 to 899, then 90000 to 98999, then 9900000, ...
func PartName(name string, n, parts int) string {
	name += partSuffix
	if parts == 1 {
		return name
	}
	prefix, digits, room := "", 3, 900
	for n >= room {
		n -= room
		prefix, digits, room = prefix+"9", digits+1, room*10
	}
	return fmt.Sprintf("%s.%s%0*d", name, prefix, digits, n)
}

// sums returns the file that sha256sum -c reads.
func (m *Manifest) sums(manifest Sum) []byte {
	var b bytes.Buffer
	for _, p := range m.Parts {
		fmt.Fprintf(&b, "%s  %s\n", p.SHA256, p.Name)
	}
	fmt.Fprintf(&b, "%s  %s\n", manifest, ManifestName)
	return b.Bytes()
}

// checkSums tells whether a file of sums and a manifest say the same.
func (m *Manifest) checkSums(sums []byte, manifest Sum) error {
	if bytes.Equal(sums, m.sums(manifest)) {
		return nil
	}
	if !slices.ContainsFunc(bytes.Split(sums, []byte("\n")), func(line []byte) bool {
		return string(line) == manifest.String()+"  "+ManifestName
	}) {
		return fmt.Errorf("%s is not the one that %s was written for", ManifestName, SumsName)
	}
	return fmt.Errorf("%s and %s differ about the parts", ManifestName, SumsName)
}
