package evidence

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"
)

// Exported is a file of an export.
type Exported struct {
	Name    string
	Content []byte
	Time    time.Time
}

// The names of an export beside the records.
const (
	keySuffix       = ".pub"
	statementSuffix = ".json"
	signatureSuffix = ".json.minisig"
	pageSuffix      = ".html"
)

// Export returns the files that let an auditor see and verify the chain
// without holdfast: for each record its statement, its signature and a page to
// print; the public keys; the hashes; and how it is done.
func (c *Chain) Export() []Exported {
	var files []Exported
	add := func(name string, content []byte, at time.Time) {
		files = append(files, Exported{name, content, at})
	}
	var newest time.Time
	keys := make(map[string]PublicKey)
	for _, e := range c.Entries {
		stem := e.stem()
		at := e.Record.Time
		if at.After(newest) {
			newest = at
		}
		add(stem+statementSuffix, e.Statement, at)
		if e.Signature != "" {
			add(stem+signatureSuffix, []byte(e.Signature), at)
		}
		add(stem+pageSuffix, []byte(e.Page()), at)
		if key, err := ParsePublicKey(e.Record.Signer); err == nil {
			keys[key.ID()] = key
		}
	}
	var sums strings.Builder
	for _, f := range files {
		if strings.HasSuffix(f.Name, statementSuffix) {
			fmt.Fprintf(&sums, "%x  %s\n", sha256.Sum256(f.Content), f.Name)
		}
	}
	for id, key := range keys {
		add("key-"+id+keySuffix, []byte(key.File()), newest)
		add("key-"+id+".pem", []byte(key.PEM()), newest)
	}
	add("SHA256SUMS", []byte(sums.String()), newest)
	add("README.txt", []byte(exportReadme), newest)
	add("verify.sh", []byte(exportScript), newest)
	slices.SortFunc(files, func(a, b Exported) int { return strings.Compare(a.Name, b.Name) })
	return files
}

// stem is the name of a record's files in an export.
func (e *Entry) stem() string {
	return fmt.Sprintf("%06d-%s-%s-%s", e.Record.Sequence, e.Record.Time.Format("20060102T150405Z"), e.Record.Kind, e.Hash.Short())
}

// ReadExport reads the records of an export again.
func ReadExport(dir fs.FS) (*Chain, error) {
	names, err := fs.Glob(dir, "*"+statementSuffix)
	if err != nil {
		return nil, fmt.Errorf("read export: %w", err)
	}
	if len(names) == 0 {
		return nil, errors.New("this folder holds no evidence: none of its files ends with .json")
	}
	var entries []*Entry
	var damaged []Finding
	for _, name := range names {
		statement, err := fs.ReadFile(dir, name)
		if err != nil {
			return nil, fmt.Errorf("read export: %w", err)
		}
		signature, err := fs.ReadFile(dir, strings.TrimSuffix(name, statementSuffix)+signatureSuffix)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("read export: %w", err)
		}
		e, err := parseEntry(path.Base(name), statement, string(signature))
		if err != nil {
			damaged = append(damaged, Finding{Damaged, name, err.Error()})
			continue
		}
		entries = append(entries, e)
	}
	return newChain(entries, damaged), nil
}

const exportReadme = `EVIDENCE OF BACKUPS AND RESTORE TESTS

Each record of this folder consists of three files with the same name:

  NAME.json          the record, word for word as it was signed
  NAME.json.minisig  its signature
  NAME.html          the same, made for paper

A record names the records before it ("previous") by the SHA-256 of their
.json files, and has the number that follows theirs ("sequence"). So none can
be changed, taken away or moved without it being seen: but for the newest, after
which none comes. Two records with one number were written at the same time;
the next one names both. Records of failures are kept like all others.

TO VERIFY ALL OF IT

  sh verify.sh KEY

It needs minisign (https://jedisct1.github.io/minisign/) or openssl 3, and
nothing of holdfast. KEY is the public key that you were given by a way other
than this folder, for instance on paper: the recovery kit has it. The keys in
this folder, key-*.pub, are those that the records themselves name.

TO VERIFY ONE RECORD BY HAND

  minisign -V -p key-ID.pub -m NAME.json
  sha256sum NAME.json

or, without minisign, the signature being one of Ed25519 on the BLAKE2b-512 of
the file:

  openssl dgst -blake2b512 -binary NAME.json > hash
  sed -n 2p NAME.json.minisig | openssl base64 -d -A | tail -c 64 > signature
  openssl pkeyutl -verify -pubin -inkey key-ID.pem -rawin -in hash -sigfile signature

With holdfast: holdfast evidence verify --key KEY --folder FOLDER
`

const exportScript = `#!/bin/sh
# Verifies the evidence in this folder: signatures, order, and that nothing is
# missing in between. Usage: sh verify.sh KEY, where KEY is the public key, a
# line that begins with RW. Without it the keys that lie here are believed.
cd "$(dirname "$0")" || exit 2
key=$1
bad=0
complain() { echo "WRONG: $*"; bad=$((bad + 1)); }
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT

if [ -z "$key" ]; then
	echo "NOTE: no key was given: that the keys in this folder are the right ones is not verified"
	cat key-*.pub | grep -v comment >"$work/keys"
else
	echo "$key" >"$work/keys"
fi

# pem KEY: the key as openssl reads it.
pem() {
	{ printf '\060\052\060\005\006\003\053\145\160\003\041\000'; echo "$1" | openssl base64 -d -A | tail -c 32; } |
		{ echo "-----BEGIN PUBLIC KEY-----"; openssl base64; echo "-----END PUBLIC KEY-----"; }
}

# signed FILE: whether one of the keys signed it.
signed() {
	while read -r one; do
		if command -v minisign >/dev/null; then
			minisign -Vqm "$1" -P "$one" >/dev/null 2>&1 && return 0
		else
			pem "$one" >"$work/key.pem"
			openssl dgst -blake2b512 -binary "$1" >"$work/hash"
			sed -n 2p "$1.minisig" | openssl base64 -d -A | tail -c 64 >"$work/signature"
			openssl pkeyutl -verify -pubin -inkey "$work/key.pem" -rawin -in "$work/hash" -sigfile "$work/signature" >/dev/null 2>&1 && return 0
		fi
	done <"$work/keys"
	return 1
}

sum() { if command -v sha256sum >/dev/null; then sha256sum "$1"; else openssl dgst -sha256 -r "$1"; fi | cut -c1-64; }

for f in *.json; do
	echo "$(sum "$f") $(sed -n 's/^  "sequence": \([0-9]*\),$/\1/p' "$f") $f"
done >"$work/all"
count=0
while read -r hash sequence f; do
	count=$((count + 1))
	[ -e "$f.minisig" ] || complain "$f is not signed"
	[ ! -e "$f.minisig" ] || signed "$f" || complain "$f is not as it was signed, or not by this key"
	highest=0
	for before in $(awk '/^  "previous": \[/ {on = 1} on {print} on && /\]/ {exit}' "$f" | grep -o '[0-9a-f]\{64\}'); do
		number=$(grep "^$before " "$work/all" | cut -d' ' -f2)
		if [ -z "$number" ]; then
			complain "$f follows $before, which is missing"
			number=$((sequence - 1))
		fi
		[ "$number" -gt "$highest" ] && highest=$number
	done
	[ "$sequence" -eq $((highest + 1)) ] || complain "$f is number $sequence, and follows number $highest"
done <"$work/all"
if [ "$bad" -gt 0 ]; then
	echo "$count records: $bad problems"
	exit 1
fi
echo "$count records: all signed, none missing in between, none changed"
`
