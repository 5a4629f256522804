package evidence

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"holdfast/repository"
	"holdfast/repository/id"
	"holdfast/storage"
)

// Entry is a record with what proves it.
type Entry struct {
	// Key is where it lies: a key of the repository, or a name in a folder.
	Key    string
	Record *Record
	// Statement is the record word for word, Hash its SHA-256: by it the
	// records that follow name this one.
	Statement []byte
	Hash      id.ID
	// Signature is that of minisign; "" if there is none.
	Signature string
}

func parseEntry(key string, statement []byte, signature string) (*Entry, error) {
	e := &Entry{Key: key, Record: new(Record), Statement: statement, Hash: id.Hash(statement), Signature: signature}
	if err := json.Unmarshal(statement, e.Record); err != nil {
		return nil, fmt.Errorf("evidence %s: %w", key, err)
	}
	if e.Record.Version != version {
		return nil, fmt.Errorf("evidence %s is of version %d, and this program reads version %d", key, e.Record.Version, version)
	}
	return e, nil
}

// tip is how many of the newest records are read to find those that a new one
// follows. Somebody who wrote at the same time is among them, and any that is
// not is named by Verify.
const tip = 8

// follow puts a record after those that are there.
func (r *Record) follow(ctx context.Context, repo *repository.Repository, a *Author) error {
	keys, err := Keys(ctx, repo)
	if err != nil && !errors.Is(err, storage.ErrUnsupported) {
		return err
	}
	newest, _, err := loadAll(ctx, repo, keys[:min(len(keys), tip)]) // a damaged one is not followed
	if err != nil {
		return err
	}
	heads := headsOf(newest)
	for _, e := range newest {
		r.Sequence = max(r.Sequence, e.Record.Sequence)
	}
	r.Sequence++
	r.Previous = []id.ID{}
	for _, e := range heads {
		r.Previous = append(r.Previous, e.Hash)
	}
	// What was made here last and is gone is named all the same, so that
	// everybody sees from now on that it is missing.
	if last := a.Last(repo); last != nil && !slices.Contains(keys, last.Key) {
		r.Previous = append(r.Previous, last.Hash)
	}
	return nil
}

// headsOf returns the entries that no other one names.
func headsOf(entries []*Entry) (heads []*Entry) {
	named := make(id.Set)
	for _, e := range entries {
		for _, p := range e.Record.Previous {
			named.Add(p)
		}
	}
	for _, e := range entries {
		if !named.Has(e.Hash) {
			heads = append(heads, e)
		}
	}
	return heads
}

// loaders bounds the records read at a time: they are small, and stores may
// be far away.
const loaders = 8

// loadAll reads records in the order of their keys. Those that cannot be read
// are findings; an error is one of the context.
func loadAll(ctx context.Context, r *repository.Repository, keys []string) (entries []*Entry, damaged []Finding, err error) {
	found := make([]*Entry, len(keys))
	var mu sync.Mutex
	var g errgroup.Group
	g.SetLimit(loaders)
	for k, key := range keys {
		g.Go(func() error {
			e, err := LoadEntry(ctx, r, key)
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if err != nil {
				mu.Lock()
				defer mu.Unlock()
				damaged = append(damaged, Finding{Rule: Damaged, Key: key, What: err.Error()})
				return nil
			}
			found[k] = e
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, nil, err
	}
	slices.SortFunc(damaged, func(a, b Finding) int { return cmp.Compare(a.Key, b.Key) })
	return slices.DeleteFunc(found, func(e *Entry) bool { return e == nil }), damaged, nil
}

// Chain is all the evidence of a repository.
type Chain struct {
	// Entries are in the order in which they follow each other.
	Entries []*Entry
	// damaged are those that cannot be read.
	damaged []Finding
}

// Read reads all evidence of a repository.
func Read(ctx context.Context, r *repository.Repository) (*Chain, error) {
	keys, err := Keys(ctx, r)
	if err != nil {
		return nil, err
	}
	entries, damaged, err := loadAll(ctx, r, keys)
	if err != nil {
		return nil, err
	}
	return newChain(entries, damaged), nil
}

func newChain(entries []*Entry, damaged []Finding) *Chain {
	slices.SortFunc(entries, func(a, b *Entry) int {
		return cmp.Or(cmp.Compare(a.Record.Sequence, b.Record.Sequence), a.Record.Time.Compare(b.Record.Time), cmp.Compare(a.Key, b.Key))
	})
	return &Chain{entries, damaged}
}

// FirstSigner returns the key that signed the oldest record: what to go by
// when nothing else is known. false if nobody did.
func (c *Chain) FirstSigner() (PublicKey, bool) {
	for _, e := range c.Entries {
		if key, err := ParsePublicKey(e.Record.Signer); err == nil {
			return key, true
		}
	}
	return PublicKey{}, false
}

// Find returns the entry whose hash begins with a text.
func (c *Chain) Find(begin string) (*Entry, error) {
	var found *Entry
	for _, e := range c.Entries {
		if len(begin) >= 4 && len(begin) <= 64 && e.Hash.String()[:len(begin)] == begin {
			if found != nil {
				return nil, fmt.Errorf("several records begin with %s: write more of it", begin)
			}
			found = e
		}
	}
	if found == nil {
		return nil, fmt.Errorf("there is no record %q; `holdfast evidence list` shows all", begin)
	}
	return found, nil
}

// Rule is what a finding is about.
type Rule string

// The rules.
const (
	// Damaged records cannot be opened: somebody, or a disk, changed them.
	Damaged Rule = "damaged"
	// Missing records are named by others, or were made here, and are gone.
	Missing Rule = "missing"
	// Order is a record at another place in the chain than it says.
	Order Rule = "order"
	// Unsigned, Forged and Foreign records have no signature, a wrong one, or
	// that of a key that is not trusted.
	Unsigned Rule = "unsigned"
	Forged   Rule = "forged"
	Foreign  Rule = "foreign"
)

// Finding is something wrong with the evidence itself.
type Finding struct {
	Rule Rule   `json:"rule"`
	Key  string `json:"key"`
	What string `json:"what"`
}

// Trust is what a chain is held to.
type Trust struct {
	// Keys are those of the authors that are believed.
	Keys []PublicKey
	// Last, if set, is the hash of a record known to have been there.
	Last *id.ID
}

// Report is what became of it.
type Report struct {
	Findings []Finding
	// Heads are the records that none follows: more than one where several
	// wrote at the same time and nobody did since.
	Heads []*Entry
	// Forks counts the records at which lines that were written at the same
	// time came together.
	Forks int
	// Signers are the IDs of the keys, and how many records each signed.
	Signers map[string]int
}

// Sound tells whether nothing is wrong.
func (r *Report) Sound() bool { return len(r.Findings) == 0 }

// Verify holds the chain to what is trusted.
func (c *Chain) Verify(t Trust) *Report {
	r := &Report{Findings: slices.Clone(c.damaged), Heads: headsOf(c.Entries), Signers: make(map[string]int)}
	byHash := make(map[id.ID]*Entry, len(c.Entries))
	for _, e := range c.Entries {
		byHash[e.Hash] = e
	}
	for _, e := range c.Entries {
		r.signature(e, t.Keys)
		r.place(e, byHash)
	}
	if t.Last != nil && byHash[*t.Last] == nil {
		r.find(Missing, "", "the record %s, the last one made by this machine, is gone, and all that followed it", t.Last.Short())
	}
	return r
}

func (r *Report) find(rule Rule, key, format string, args ...any) {
	r.Findings = append(r.Findings, Finding{rule, key, fmt.Sprintf(format, args...)})
}

// signature holds the signature of a record to the trusted keys.
func (r *Report) signature(e *Entry, trusted []PublicKey) {
	if s, err := parseSignature(e.Signature); err == nil {
		r.Signers[PublicKey{id: s.id}.ID()]++
	}
	if f := e.Judge(trusted); f != nil {
		r.Findings = append(r.Findings, *f)
	}
}

// Judge holds the signature of one record to the trusted keys, and returns nil
// if one of them made it: of the records around it, it says nothing.
func (e *Entry) Judge(trusted []PublicKey) *Finding {
	find := func(rule Rule, format string, args ...any) *Finding {
		return &Finding{rule, e.Key, fmt.Sprintf(format, args...)}
	}
	s, err := parseSignature(e.Signature)
	if errors.Is(err, errNoSignature) {
		return find(Unsigned, "record %d is not signed: whoever has a password of the repository could have made it", e.Record.Sequence)
	}
	if err != nil {
		return find(Forged, "record %d: %v", e.Record.Sequence, err)
	}
	n := slices.IndexFunc(trusted, func(k PublicKey) bool { return k.id == s.id })
	switch {
	case n < 0:
		return find(Foreign, "record %d, by %s, is signed with the key %s, which is not trusted here",
			e.Record.Sequence, cmp.Or(e.Record.Host, "an unnamed host"), PublicKey{id: s.id}.ID())
	case !trusted[n].verifies(e.Statement, s):
		return find(Forged, "the signature of record %d is not one of the key %s: it was changed", e.Record.Sequence, PublicKey{id: s.id}.ID())
	}
	return nil
}

// place makes sure that what a record follows is there, and comes before it.
func (r *Report) place(e *Entry, byHash map[id.ID]*Entry) {
	highest := uint64(0)
	for _, p := range e.Record.Previous {
		before := byHash[p]
		if before == nil {
			r.find(Missing, e.Key, "record %d follows the record %s, which is gone", e.Record.Sequence, p.Short())
			highest = max(highest, e.Record.Sequence-1)
			continue
		}
		highest = max(highest, before.Record.Sequence)
	}
	if e.Record.Sequence != highest+1 {
		r.find(Order, e.Key, "record %d says that it is number %d of the chain, and follows number %d", e.Record.Sequence, e.Record.Sequence, highest)
	}
	if len(e.Record.Previous) > 1 {
		r.Forks++
	}
}
