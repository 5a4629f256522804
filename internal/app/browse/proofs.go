package browse

import (
	"context"
	"slices"
	"time"

	"holdfast/internal/api"
	"holdfast/internal/evidence"
	"holdfast/repository/snapshot"
)

// Proof is a good restore test of a recovery point.
type Proof struct {
	Time time.Time
	// Instant is the newest one that the test says anything about, Original the
	// ID of the snapshot as it was made, whatever edits and copies have made of
	// it since.
	Instant  time.Time
	Original string
}

// Proofs returns the good restore tests of a source of a plan from a repository
// since an instant, whichever repository of the plan keeps the records.
func (b *Browser) Proofs(ctx context.Context, plan, source, from string, since time.Time) ([]Proof, error) {
	v, err := b.view(ctx, from)
	if err != nil {
		return nil, err
	}
	defer v.release()
	q := api.RestoreTestQuery{Plan: plan, Source: source, Since: since, Limit: maxRecords}
	var proofs []Proof
	for _, name := range b.o.Config().Plans[plan].Repositories() {
		known := b.records.of(name)
		if err := b.readTests(ctx, name, known, q); err != nil && name == from {
			return nil, err
		}
		for _, t := range known.proofs(q, from) {
			proofs = append(proofs, Proof{t.Time, t.instant, v.original(t.Snapshot)})
		}
	}
	return proofs, ctx.Err()
}

// proofs returns the good tests from a repository that match a query.
func (k *knownTests) proofs(q api.RestoreTestQuery, from string) (good []*knownTest) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, t := range k.tests {
		if t.From == from && t.Verdict == string(evidence.Proven) && matchesTest(&t.RestoreTest, q) {
			good = append(good, t)
		}
	}
	return good
}

// HasSnapshot tells whether a repository has a snapshot, by the ID that it was
// made with. One that cannot be read is there.
func (b *Browser) HasSnapshot(ctx context.Context, name, original string) (bool, error) {
	v, err := b.view(ctx, name)
	if err != nil {
		return false, err
	}
	defer v.release()
	return len(v.damage) > 0 || slices.ContainsFunc(v.snapshots, func(s *snapshot.Snapshot) bool {
		return s.ID.String() == original || s.Original != nil && s.Original.String() == original
	}), nil
}

// original returns the ID that a snapshot was made with.
func (v *view) original(snapshotID string) string {
	for _, s := range v.snapshots {
		if s.ID.String() == snapshotID && s.Original != nil {
			return s.Original.String()
		}
	}
	return snapshotID
}
