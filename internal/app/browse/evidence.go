package browse

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"holdfast/internal/api"
	"holdfast/internal/evidence"
	"holdfast/storage"
)

const (
	// maxRecordsShown bounds the records of a repository that are listed.
	maxRecordsShown = 1000
	// verdictWithin is how long a page of restore tests waits for what the
	// records come to; it is found out nevertheless, for the next page.
	verdictWithin = 2 * time.Second
)

// chains are the records that were judged, by repository: as long as the same
// are there, the verdict is the same.
type chains struct {
	mu   sync.Mutex
	seen map[string]*chain
}

// chain is what became of the records of one repository.
type chain struct {
	// of stands for what was judged.
	of       string
	evidence *api.Evidence
	// judging is closed when what goes on has ended, nil for nothing.
	judging chan struct{}
	err     error
}

// Evidence holds all records of a repository to their signatures and to each
// other.
func (b *Browser) Evidence(ctx context.Context, name string) (*api.Evidence, error) {
	v, err := b.view(ctx, name)
	if err != nil {
		return nil, err
	}
	defer v.release()
	of, err := b.judgedOf(ctx, v)
	if err != nil {
		return nil, err
	}
	for {
		known, wait := b.chains.ask(name, of, func(c *chain) { b.work.Go(func() { b.judge(name, c) }) })
		if wait == nil {
			return known.evidence, known.err
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// ask returns what became of what is meant or, with wait set, has it found
// out: then it is asked again.
func (c *chains) ask(name, of string, begin func(*chain)) (known chain, wait chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.seen == nil {
		c.seen = make(map[string]*chain)
	}
	one := c.seen[name]
	switch {
	case one != nil && one.judging != nil:
		return chain{}, one.judging
	case one != nil && one.of == of:
		if one.err != nil { // the next one tries again
			delete(c.seen, name)
		}
		return *one, nil
	}
	one = &chain{of: of, judging: make(chan struct{})}
	c.seen[name] = one
	begin(one)
	return chain{}, one.judging
}

// judge finds out what the records come to, though nobody may wait for it.
func (b *Browser) judge(name string, c *chain) {
	ctx, cancel := context.WithTimeout(b.ctx, openWithin)
	defer cancel()
	found, err := b.readEvidence(ctx, name)
	b.chains.mu.Lock()
	defer b.chains.mu.Unlock()
	c.evidence, c.err = found, err
	close(c.judging)
	c.judging = nil
}

func (b *Browser) readEvidence(ctx context.Context, name string) (*api.Evidence, error) {
	v, err := b.view(ctx, name)
	if err != nil {
		return nil, err
	}
	defer v.release()
	all, err := evidence.Read(ctx, v.repo)
	if errors.Is(err, storage.ErrUnsupported) { // a place that keeps none
		all, err = &evidence.Chain{}, nil
	}
	if err != nil {
		return nil, v.explain("evidence", err)
	}
	e := &api.Evidence{EvidenceVerdict: api.EvidenceVerdict{Repository: name, Total: len(all.Entries), Judged: time.Now()}}
	trust := evidence.Trust{}
	if author := b.author(); author != nil {
		trust.Keys = []evidence.PublicKey{author.Public()}
		if last := author.Last(v.repo); last != nil {
			trust.Last = &last.Hash
		}
	} else if first, ok := all.FirstSigner(); ok {
		trust.Keys, e.Trusted = []evidence.PublicKey{first}, first.String()
	}
	report := all.Verify(trust)
	e.Good, e.Beside = report.Sound(), len(report.Heads)
	for _, f := range report.Findings {
		e.Findings = append(e.Findings, api.EvidenceFinding{Rule: string(f.Rule), Key: f.Key, What: f.What})
	}
	for _, one := range slices.Backward(all.Entries[max(0, len(all.Entries)-maxRecordsShown):]) {
		e.Records = append(e.Records, recordOf(one))
	}
	return e, nil
}

func recordOf(e *evidence.Entry) api.EvidenceRecord {
	r := e.Record
	one := api.EvidenceRecord{ID: e.Hash.String(), Number: r.Sequence, Time: r.Time, Kind: string(r.Kind), Host: r.Host, Problems: r.Problems}
	if t := r.RestoreTest; t != nil {
		one.Plan, one.Source, one.Verdict = t.Plan, t.Source, strings.ReplaceAll(string(t.Verdict), " ", "-")
	}
	return one
}

// judgedOf stands for the records that are there, and for what they are held
// to.
func (b *Browser) judgedOf(ctx context.Context, v *view) (string, error) {
	keys, err := evidence.Keys(ctx, v.repo)
	if err != nil && !errors.Is(err, storage.ErrUnsupported) {
		return "", v.explain("evidence", err)
	}
	h := sha256.New()
	fmt.Fprintf(h, "%q\n", keys) //nolint:errcheck // a hash never fails
	if author := b.author(); author != nil {
		fmt.Fprintln(h, author.Public()) //nolint:errcheck // see above
		if last := author.Last(v.repo); last != nil {
			fmt.Fprintln(h, last.Hash) //nolint:errcheck // see above
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// verdictSoon is what the records of a repository come to, nil if that is not
// known soon.
func (b *Browser) verdictSoon(ctx context.Context, name string) *api.EvidenceVerdict {
	ctx, cancel := context.WithTimeout(ctx, verdictWithin)
	defer cancel()
	e, err := b.Evidence(ctx, name)
	if err != nil {
		return nil
	}
	return &e.EvidenceVerdict
}

// author is who signs evidence on this machine, nil if it has no key.
func (b *Browser) author() *evidence.Author {
	author, err := evidence.LoadAuthor(filepath.Join(filepath.Dir(b.o.Config().Path), "evidence.key"), b.o.CacheDir)
	if err != nil {
		return nil
	}
	return author
}
