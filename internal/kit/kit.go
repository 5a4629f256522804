// Package kit writes recovery kits: one page for each repository, to be
// printed and kept away from the machine. With the page, a copy of the
// repository and the password, somebody who never heard of holdfast gets
// everything back, with holdfast or with restic.
//
// The page holds no secret unless it is asked for. A Kit with the same
// content always gives the same text, so that a kit that is up to date is
// not written again. Parse reads a page back, to be held to its repository.
package kit

import (
	"crypto/sha256"
	"fmt"
	"path/filepath"
	"strings"
	"time"
)

// Beside is the file of the kit of a repository that has a name in the
// configuration, beside which it lies.
func Beside(configPath, repository string) string {
	return filepath.Join(filepath.Dir(configPath), repository+".recovery-kit.txt")
}

// Kit is what the page says. Fields that are empty are left out of it.
type Kit struct {
	// Host is the machine that was backed up.
	Host string
	// Paths are what is protected, as far as the kit knows.
	Paths []string
	// Name and Location are the repository's name in holdfast.yaml and its
	// place; ResticLocation is the place as restic writes it.
	Name, Location, ResticLocation string
	// RepositoryID and KeyID tell this repository and its key from others.
	RepositoryID, KeyID string
	// Fingerprint is that of the key that the password opens; see Fingerprint.
	Fingerprint string
	// PasswordPlace says where the password lies, PasswordFile is the file
	// if it lies in one.
	PasswordPlace, PasswordFile string
	// Password is the password itself, or "" to leave a line for it.
	Password string
	// Identities are the age identities that open the repository's logs.
	Identities []string
	// EvidenceKey is the public key that verifies the records of restore tests
	// and checks that this machine makes.
	EvidenceKey string
	// Proven is the last time the repository was known to be without error;
	// nil for a kit that says nothing of it.
	Proven *Proven
	// Written is the day the kit was made; zero for a kit that is kept up to
	// date.
	Written time.Time
}

// Proven says when, and how, a repository was last found good.
type Proven struct {
	// At is zero if that never happened.
	At  time.Time
	How string
}

func (p *Proven) String() string {
	if p.At.IsZero() {
		return "never, as far as the repository knows"
	}
	return p.At.UTC().Format("2006-01-02 15:04 UTC") + ": " + p.How
}

// Fingerprint returns what tells a repository's key from others and gives
// nothing of it away; masterKey is what Repository.MasterKey returns. It does
// not change with passwords.
func Fingerprint(masterKey []byte) string {
	sum := sha256.Sum256(append([]byte("holdfast key fingerprint 1\n"), masterKey...))
	var groups []string
	for n := 0; n < 16; n += 2 {
		groups = append(groups, fmt.Sprintf("%x", sum[n:n+2]))
	}
	return strings.Join(groups, " ")
}

// The headings of the facts, by which Parse finds them again.
const (
	headMachine     = "machine"
	headProtected   = "protected"
	headRepository  = "repository"
	headName        = "its name"
	headID          = "its ID"
	headKey         = "its key"
	headFingerprint = "fingerprint"
	headPassword    = "password"
	headEvidence    = "evidence key"
	headProven      = "last proven"
	headWritten     = "written"
)

// fact is a line of the page, or several.
type fact struct {
	heading string
	lines   []string
}

// facts returns what the page says, in order.
func (k *Kit) facts() []fact {
	var facts []fact
	add := func(heading string, lines ...string) {
		if len(lines) > 0 && lines[0] != "" {
			facts = append(facts, fact{heading, lines})
		}
	}
	add(headMachine, k.Host)
	add(headProtected, k.Paths...)
	add(headRepository, k.Location)
	add(headName, k.Name)
	add(headID, k.RepositoryID)
	add(headKey, k.KeyID)
	add(headFingerprint, k.Fingerprint)
	add(headPassword, k.passwordLines()...)
	add(headEvidence, k.EvidenceKey)
	if k.Proven != nil {
		add(headProven, k.Proven.String())
	}
	if !k.Written.IsZero() {
		add(headWritten, k.Written.Format(time.DateOnly))
	}
	return facts
}

// blank is the line that a password is written on by hand.
var blank = strings.Repeat("_", 48)

// passwordLines returns the password, or a line to write it on.
func (k *Kit) passwordLines() []string {
	if k.Password != "" {
		return []string{k.Password}
	}
	lines := []string{blank}
	if k.PasswordPlace == "" {
		return append(lines, "Write it down here, or have it printed by", `"holdfast kit --secrets".`)
	}
	return append(lines, "Write it down here. On the machine it is in the", k.PasswordPlace+";",
		`"holdfast kit --secrets" prints it on this page.`)
}

// section is a part of the page that says how something is done.
type section struct {
	title string
	// commands are shown as they are typed.
	commands []string
	text     string
}

// sections returns how everything is got back.
func (k *Kit) sections() []section {
	both := "restic is at https://restic.net; version 0.14 or newer will do. Both programs ask for the password. "
	if k.PasswordFile != "" {
		both = strings.TrimSuffix(both, ". ") + ", or take it from its file with\n--password-file " + quote(k.PasswordFile) + "\n"
	}
	both += "The repository may lie at another place by then, such as a disk that was carried elsewhere: " +
		"give that place to -r. A copy of the whole folder of the repository is as good as the repository."
	if strings.Contains(k.Location, ":") {
		both += " A place that is reached over a network wants its own credentials, too, which are not on this page."
	}
	sections := []section{
		{title: "to get everything back with holdfast", commands: []string{
			"holdfast -r " + quote(k.Location) + " snapshots",
			"holdfast -r " + quote(k.Location) + " restore latest --target /tmp/restored",
		}},
		{title: "with restic, should holdfast be gone", commands: []string{
			"restic -r " + quote(k.ResticLocation) + " snapshots",
			"restic -r " + quote(k.ResticLocation) + " restore latest --target /tmp/restored",
		}, text: both},
	}
	age := section{
		title:    "with age, for archives and logs of databases",
		commands: []string{"cat NAME.tar.zst.age* | age -d -i KEY.txt | zstd -d | tar x", "age -d -i KEY.txt SEGMENT.zst.age | zstd -d"},
		text:     "age is at https://age-encryption.org. KEY.txt is the file with the secret key that the archive was made for; it is not that of the repository.",
	}
	if len(k.Identities) > 0 {
		age.text += " The key of the logs of this repository is the line below, alone in a file:"
		age.text += "\n\n" + strings.Join(k.Identities, "\n")
	}
	return append(sections, age, section{
		title: "to see whether this page still fits",
		text:  "holdfast kit check FILE, where FILE is what this page was printed from.",
	})
}

const intro = `Print this page and keep it away from the machine it is about.
Whoever has the repository and the password can read everything in it;
without the password nobody can, and nothing comes back.`

const title = "HOLDFAST RECOVERY KIT"

// quote writes an argument so that a shell takes it for one.
func quote(s string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:@+,="
	if s != "" && strings.Trim(s, plain) == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
