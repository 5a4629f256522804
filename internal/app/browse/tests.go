package browse

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"holdfast/internal/api"
	"holdfast/internal/evidence"
	"holdfast/internal/objective"
	"holdfast/repository"
	"holdfast/storage"
)

const (
	// maxRecords bounds the restore tests of a repository that are looked at,
	// the newest first: years of them. They are kept, 2 KiB each.
	maxRecords = 2000
	// recordsAhead is how many are read before it is looked whether these do.
	recordsAhead = 64
)

// records are the restore tests that were read, by repository. A record never
// changes.
type records struct {
	mu    sync.Mutex
	known map[string]*knownTests
}

// knownTests are those of one repository.
type knownTests struct {
	mu sync.Mutex
	// tests are by key; those that cannot be read are in damage.
	tests  map[string]*knownTest
	damage map[string]string
}

type knownTest struct {
	api.RestoreTest

	// signer is the key that made the signature, if it is good.
	signer string
	rule   evidence.Rule
	// instant is the newest one that the test says anything about.
	instant time.Time
}

func (r *records) of(name string) *knownTests {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.known == nil {
		r.known = make(map[string]*knownTests)
	}
	k := r.known[name]
	if k == nil {
		k = &knownTests{tests: make(map[string]*knownTest), damage: make(map[string]string)}
		r.known[name] = k
	}
	return k
}

// RestoreTests reads the records of restore tests in one repository or all, the
// newest first.
func (b *Browser) RestoreTests(ctx context.Context, q api.RestoreTestQuery) (*api.RestoreTestPage, error) {
	cfg := b.o.Config()
	names := slices.Sorted(maps.Keys(cfg.Repositories))
	if q.Repository != "" {
		if _, ok := cfg.Repositories[q.Repository]; !ok {
			return nil, fmt.Errorf("%w: there is no repository %q in holdfast.yaml", api.ErrNotFound, q.Repository)
		}
		names = []string{q.Repository}
	}
	trusted := b.trustedSigner()
	page := &api.RestoreTestPage{Tests: []api.RestoreTest{}}
	var mu sync.Mutex
	var g errgroup.Group
	g.SetLimit(openAtOnce)
	for _, name := range names {
		g.Go(func() error {
			known := b.records.of(name)
			err := b.readTests(ctx, name, known, q)
			var verdict *api.EvidenceVerdict
			if err == nil {
				verdict = b.verdictSoon(ctx, name)
			}
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				page.Unread = append(page.Unread, api.Unread{Repository: name, Why: err.Error()})
			}
			if verdict != nil {
				page.Evidence = append(page.Evidence, *verdict)
			}
			known.choose(page, q, trusted)
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	slices.SortFunc(page.Tests, func(x, y api.RestoreTest) int { return cmp.Or(y.Time.Compare(x.Time), cmp.Compare(x.ID, y.ID)) })
	slices.SortFunc(page.Evidence, func(x, y api.EvidenceVerdict) int { return cmp.Compare(x.Repository, y.Repository) })
	slices.SortFunc(page.Unread, func(x, y api.Unread) int { return cmp.Compare(x.Repository, y.Repository) })
	slices.SortFunc(page.Damage, func(x, y api.Damage) int { return cmp.Compare(x.Path, y.Path) })
	tellInstead(page.Tests)
	page.Tests = page.Tests[:min(len(page.Tests), pageSize(q.Limit))]
	return page, nil
}

// tellInstead notes with each test that failed whence it came back when that
// was tested right after. The newest tests come first.
func tellInstead(tests []api.RestoreTest) {
	for n := range tests {
		good := &tests[n]
		if good.InsteadOf == "" || good.Verdict != string(evidence.Proven) {
			continue
		}
		for k := range tests[n+1:] {
			failed := &tests[n+1+k]
			if failed.Plan == good.Plan && failed.Source == good.Source && failed.From == good.InsteadOf && failed.InsteadOf == "" {
				if failed.Verdict == string(evidence.Failed) {
					failed.ComesBackFrom = good.From
				}
				break
			}
		}
	}
}

// RestoreTest returns the one whose ID begins with a text, with its record as
// it was signed.
func (b *Browser) RestoreTest(ctx context.Context, name, begin string) (*api.RestoreTest, error) {
	const shortest = 6
	if len(begin) < shortest {
		return nil, fmt.Errorf("%w: %q is too short for the ID of a restore test", api.ErrInvalid, begin)
	}
	known := b.records.of(name)
	readErr := b.readTests(ctx, name, known, api.RestoreTestQuery{Repository: name, Limit: maxRecords})
	known.mu.Lock()
	var found *knownTest
	var at string
	for key, t := range known.tests {
		if strings.HasPrefix(t.ID, begin) {
			found, at = t, key
		}
	}
	known.mu.Unlock()
	if found == nil && readErr != nil {
		return nil, readErr
	}
	if found == nil {
		return nil, fmt.Errorf("%w: repository %s keeps no restore test %s among its newest %d", api.ErrNotFound, name, begin, maxRecords)
	}
	v, err := b.view(ctx, name)
	if err != nil {
		return nil, err
	}
	defer v.release()
	e, err := evidence.LoadEntry(ctx, v.repo, at)
	if err != nil {
		return nil, v.explain("evidence "+at, err)
	}
	test := found.judged(b.trustedSigner())
	test.Record = json.RawMessage(e.Statement)
	if test.Verdict != string(evidence.Failed) {
		return &test, nil
	}
	since, err := b.RestoreTests(ctx, api.RestoreTestQuery{Plan: test.Plan, Source: test.Source, Since: test.Time, Limit: maxRecords})
	if err != nil {
		return nil, err
	}
	for _, t := range since.Tests {
		if t.ID == test.ID {
			test.ComesBackFrom = t.ComesBackFrom
		}
	}
	return &test, nil
}

// trustedSigner is the key that this machine signs with, "" if it has none.
func (b *Browser) trustedSigner() string {
	if author := b.author(); author != nil {
		return author.Public().String()
	}
	return ""
}

// readTests reads records until there are enough for a query, or no more.
func (b *Browser) readTests(ctx context.Context, name string, known *knownTests, q api.RestoreTestQuery) error {
	v, err := b.view(ctx, name)
	if err != nil {
		return err
	}
	defer v.release()
	keys, err := evidence.Keys(ctx, v.repo)
	if errors.Is(err, storage.ErrUnsupported) { // a place that keeps none
		return nil
	}
	if err != nil {
		return v.explain("evidence", err)
	}
	keys = slices.DeleteFunc(keys, func(key string) bool { return !evidence.IsOf(key, evidence.Restore) })
	known.keep(keys)
	keys = keys[:min(len(keys), maxRecords)]
	wanted := pageSize(q.Limit)
	if q.Limit > maxLimit {
		wanted = maxRecords
	}
	for part := range slices.Chunk(keys, recordsAhead) {
		matching, oldest, err := v.readRecords(ctx, known, part, q)
		if err != nil {
			return err
		}
		wanted -= matching
		if wanted <= 0 || !q.Since.IsZero() && oldest.Before(q.Since) {
			break
		}
	}
	return nil
}

// keep forgets what is gone from the repository.
func (k *knownTests) keep(keys []string) {
	there := make(map[string]bool, len(keys))
	for _, key := range keys {
		there[key] = true
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	maps.DeleteFunc(k.tests, func(key string, _ *knownTest) bool { return !there[key] })
	maps.DeleteFunc(k.damage, func(key, _ string) bool { return !there[key] })
}

// readRecords reads those of some records that are not known, and returns how
// many of all match a query, and the time of the oldest.
func (v *view) readRecords(ctx context.Context, known *knownTests, keys []string, q api.RestoreTestQuery) (matching int, oldest time.Time, err error) {
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(loadsAtOnce)
	for _, key := range keys {
		if known.has(key) {
			continue
		}
		g.Go(func() error {
			e, err := evidence.LoadEntry(gctx, v.repo, key)
			if gctx.Err() != nil {
				return context.Cause(gctx)
			}
			if err != nil && !repository.IsCorrupt(err) && !storage.IsPermanent(err) {
				return v.explain("evidence "+key, err)
			}
			known.add(v.place.name, key, e, err)
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return 0, oldest, err
	}
	known.mu.Lock()
	defer known.mu.Unlock()
	for _, key := range keys {
		t := known.tests[key]
		if t == nil {
			continue
		}
		if oldest.IsZero() || t.Time.Before(oldest) {
			oldest = t.Time
		}
		if matchesTest(&t.RestoreTest, q) {
			matching++
		}
	}
	return matching, oldest, nil
}

func (k *knownTests) has(key string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	_, read := k.tests[key]
	return read
}

func (k *knownTests) add(name, key string, e *evidence.Entry, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case err == nil && e.Record.RestoreTest != nil:
		k.tests[key] = newKnownTest(name, e)
		delete(k.damage, key)
	case err == nil:
		k.damage[key] = "it is no record of a restore test, as its name says"
	default:
		k.damage[key] = err.Error()
	}
}

// choose puts what matches a query on a page.
func (k *knownTests) choose(page *api.RestoreTestPage, q api.RestoreTestQuery, trusted string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if trusted == "" { // then that of the oldest record is taken for the right one
		var oldest *knownTest
		for _, t := range k.tests {
			if t.signer != "" && (oldest == nil || t.Time.Before(oldest.Time)) {
				oldest = t
			}
		}
		if oldest != nil {
			trusted = oldest.signer
		}
	}
	for _, t := range k.tests {
		if matchesTest(&t.RestoreTest, q) {
			page.Tests = append(page.Tests, t.judged(trusted))
		}
	}
	for key, what := range k.damage {
		page.Damage = append(page.Damage, api.Damage{Path: key, What: what})
	}
}

func matchesTest(t *api.RestoreTest, q api.RestoreTestQuery) bool {
	return (q.Plan == "" || t.Plan == q.Plan) && (q.Source == "" || t.Source == q.Source) &&
		(q.Since.IsZero() || !t.Time.Before(q.Since)) && (q.Until.IsZero() || !t.Time.After(q.Until))
}

// judged says what the signature is worth to whoever trusts a key.
func (t *knownTest) judged(trusted string) api.RestoreTest {
	one := t.RestoreTest
	switch {
	case t.rule == evidence.Unsigned:
		one.Signature = "none"
	case t.rule != "":
		one.Signature = "bad"
	case t.signer == trusted:
		one.Signature = "good"
	default:
		one.Signature = "unknown"
	}
	return one
}

func newKnownTest(name string, e *evidence.Entry) *knownTest {
	rec, t := e.Record, e.Record.RestoreTest
	one := &knownTest{RestoreTest: api.RestoreTest{
		ID: e.Hash.String(), Repository: name, Plan: t.Plan, Source: t.Source, From: cmp.Or(t.From.Name, t.From.Location), Time: rec.Time,
		Verdict: strings.ReplaceAll(string(t.Verdict), " ", "-"), Snapshot: t.Point.Snapshot, Recovery: t.Point.Time,
		Bytes: t.Bytes, Files: t.Files, Findings: rec.Findings,
		RTO: api.Standing{State: objective.Unpromised, Measured: t.RTO.Measured, Promised: t.RTO.Promised, Source: t.Source},
	}}
	if i := t.InsteadOf; i != nil {
		one.InsteadOf = cmp.Or(i.Name, i.Location)
	}
	switch {
	case t.RTO.Promised == 0 || t.Verdict != evidence.Proven:
	case t.RTO.Kept():
		one.RTO.State = objective.Met
	default:
		one.RTO.State = objective.Breached
	}
	for _, c := range t.Checks {
		one.Checks = append(one.Checks, api.Check{What: c.Name, Expected: c.Expected, Got: c.Actual, Passed: c.Good})
	}
	one.instant = t.Instant()
	// A key that the record names itself tells whether it was changed since;
	// whether that key is trusted is another question.
	var named []evidence.PublicKey
	if key, err := evidence.ParsePublicKey(rec.Signer); err == nil {
		named, one.signer = append(named, key), key.String()
	}
	if f := e.Judge(named); f != nil {
		one.rule = f.Rule
	}
	return one
}
