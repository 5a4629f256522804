package console

import (
	"context"
	"fmt"
	"io"
	"strings"

	"holdfast/internal/api"
	"holdfast/internal/lifecycle"
)

// usageMessage is what `stats` tells.
type usageMessage struct {
	Size         uint64 `json:"total_size"`
	Uncompressed uint64 `json:"total_uncompressed_size"`
	Files        uint64 `json:"total_file_count"`
	Blobs        uint64 `json:"total_blob_count"`
	Snapshots    int    `json:"snapshots_count"`
}

// Usage implements api.Looker.
func (c *Console) Usage(ctx context.Context, q api.UsageQuery) (*api.Usage, error) {
	if err := c.mustHave(q.Repository); err != nil {
		return nil, err
	}
	args := []string{"stats", "--repo", q.Repository}
	switch q.Mode {
	case "", "restore-size", "files-by-contents", "blobs-per-file", "raw-data":
	default:
		return nil, fmt.Errorf("%w: mode is restore-size, files-by-contents, blobs-per-file or raw-data", api.ErrInvalid)
	}
	if q.Mode != "" {
		args = append(args, "--mode", q.Mode)
	}
	if q.Snapshot != "" {
		s, err := c.Snapshot(ctx, q.Repository, q.Snapshot)
		if err != nil {
			return nil, err
		}
		args = append(args, s.ID)
	}
	var found api.Usage
	err := c.read(ctx, of("", func(m usageMessage) {
		found = api.Usage{Bytes: m.Size, Snapshots: m.Snapshots, Files: m.Files, Blobs: m.Blobs, UncompressedBytes: m.Uncompressed}
	}), args...)
	return &found, unavailable(err)
}

// costMessage is what `stats --cost` tells of a copy.
type costMessage struct {
	Repository string  `json:"repository"`
	Service    string  `json:"service"`
	Region     string  `json:"region"`
	PricesOf   string  `json:"prices_of"`
	Currency   string  `json:"currency"`
	Month      float64 `json:"month"`
	RestoreAll float64 `json:"restore_all"`
}

// Costs implements api.Looker. What lies where nobody sends a bill is left out.
func (c *Console) Costs(ctx context.Context, repository string) ([]api.CopyCost, error) {
	if err := c.mustHave(repository); err != nil {
		return nil, err
	}
	costs := []api.CopyCost{}
	err := c.read(ctx, of("cost", func(m costMessage) {
		costs = append(costs, api.CopyCost{
			Repository: m.Repository, Service: m.Service, Region: m.Region, PricesOf: m.PricesOf,
			Currency: m.Currency, PerMonth: m.Month, Restore: m.RestoreAll,
		})
	}), "stats", "--cost", "--repo", repository)
	return costs, unavailable(err)
}

// Paper implements api.Looker.
func (c *Console) Paper(ctx context.Context, q api.PaperQuery, begin func() io.Writer) error {
	if err := c.mustHave(q.Repository); err != nil {
		return err
	}
	var args []string
	switch q.Paper {
	case api.KitText:
		args = []string{"kit", "--repo", q.Repository}
	case api.KitPage:
		args = []string{"kit", "--html", "--repo", q.Repository}
	case api.AllEvidence:
		args = []string{"evidence", "export", "-", "--repo", q.Repository}
	case api.Record:
		if len(q.Of) < 4 || strings.Trim(q.Of, "0123456789abcdef") != "" {
			return fmt.Errorf("%w: of is the beginning of the ID of a record", api.ErrInvalid)
		}
		args = []string{"evidence", "show", q.Of, "--statement", "--repo", q.Repository}
	case api.Policy:
		if _, err := lifecycle.ParseRole(q.Of); err != nil {
			return fmt.Errorf("%w: of: %w", api.ErrInvalid, err)
		}
		args = []string{"storage", "policy", q.Repository, "--role", q.Of}
	default:
		return fmt.Errorf("%w: there is no paper %q", api.ErrNotFound, q.Paper)
	}
	return unavailable(c.look(ctx, &onDemand{begin: begin}, args...))
}

// onDemand begins to write when there is something to write.
type onDemand struct {
	begin func() io.Writer
	to    io.Writer
}

func (w *onDemand) Write(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if w.to == nil {
		w.to = w.begin()
	}
	return w.to.Write(p)
}
