package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"holdfast/internal/config"
	"holdfast/internal/evidence"
	"holdfast/internal/size"
	"holdfast/internal/verify"
	"holdfast/repository"
	"holdfast/storage"
)

// keepEvidence stores a record of work that ended now in the repository that
// it speaks of. The work is done either way: where the record cannot be kept,
// that is told and no error.
func (c *command) keepEvidence(ctx context.Context, r *repository.Repository, rec evidence.Record) {
	if _, err := c.saveEvidence(ctx, r, rec); err != nil {
		c.tellNoEvidence(err)
	}
}

// saveEvidence is keepEvidence with the error.
func (c *command) saveEvidence(ctx context.Context, r *repository.Repository, rec evidence.Record) (key string, err error) {
	rec.Time, rec.Program = time.Now(), "holdfast "+Version
	rec.Host, _ = os.Hostname() // it may have none
	author, err := c.author()
	if err != nil {
		c.ui.warn("evidence", "", fmt.Errorf("the record of this is not signed: %w", err))
	}
	return evidence.Save(ctx, r, rec, author)
}

func (c *command) tellNoEvidence(err error) {
	if errors.Is(err, storage.ErrUnsupported) || errors.Is(err, storage.ErrReadOnly) {
		if c.ui.verbose > 0 {
			c.ui.infof("no record of this is kept: %v", err)
		}
		return
	}
	c.ui.warn("evidence", "", fmt.Errorf("no record of this is kept: %w", err))
}

// evidenceKey is the file with the key that signs evidence, beside
// holdfast.yaml.
const evidenceKey = "evidence.key"

// author is who signs evidence on this machine. The key is made if there is
// none.
func (c *command) author() (*evidence.Author, error) {
	path, memory, err := c.authorPlaces()
	if err != nil {
		return nil, err
	}
	return evidence.NewAuthor(path, memory)
}

// authorPlaces returns where the key is, or would be made, and where what the
// author made is remembered.
func (c *command) authorPlaces() (key, memory string, err error) {
	path, err := config.Find(c.global.config, os.Getenv)
	if errors.Is(err, config.ErrNotFound) {
		path, err = config.UserPath(os.Getenv)
	}
	if err != nil {
		return "", "", err
	}
	memory, err = c.cacheDir()
	return filepath.Join(filepath.Dir(path), evidenceKey), memory, err
}

// checkEvidence is the record of a check.
func checkEvidence(r *verify.Report, o verify.Options) evidence.Record {
	rec := evidence.Record{
		Kind: evidence.Check, Read: evidence.Trees, Seconds: r.Duration.Seconds(), Snapshots: r.Snapshots,
		Packs: r.Packs, PacksRead: r.PacksRead, BytesRead: r.BytesRead, Problems: r.Errors,
	}
	switch {
	case o.ReadData && r.ColdPacks > 0: // all but those
		rec.Read = evidence.Part
	case o.ReadData:
		rec.Read = evidence.All
	case o.Subset != (size.Subset{}):
		rec.Read, rec.Subset = evidence.Part, o.Subset.String()
	}
	for n := range r.Problems {
		if p := &r.Problems[n]; !p.Kind.IsHint() {
			rec.Findings = append(rec.Findings, p.String())
		}
	}
	return rec
}
