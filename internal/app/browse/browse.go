package browse

import (
	"context"
	"io"
	"log/slog"
	"time"

	"holdfast/internal/api"
	"holdfast/internal/config"
)

// Options say what may be looked into.
type Options struct {
	// Config returns the configuration as it is now.
	Config func() *config.Config
	// CacheDir is the folder of the cache, "" for none.
	CacheDir string
	Log      *slog.Logger
}

// Browser looks into the repositories of a configuration. Errors wrap those of
// package api. It may be used from many goroutines at once.
type Browser struct{ o Options }

// New returns a Browser. Nothing is opened yet.
func New(o Options) *Browser { return &Browser{o} }

// Close closes all repositories. No other method may run or be called any more.
func (b *Browser) Close() error { return nil }

var _ api.Browser = (*Browser)(nil)

// Snapshots lists snapshots, the newest first.
func (b *Browser) Snapshots(ctx context.Context, q api.SnapshotQuery) (*api.SnapshotPage, error) {
	return nil, api.ErrUnavailable
}

// Snapshot returns the one whose ID begins with a text.
func (b *Browser) Snapshot(ctx context.Context, repository, id string) (*api.Snapshot, error) {
	return nil, api.ErrUnavailable
}

// SnapshotAt returns the newest snapshot of a source of a plan that is no newer
// than an instant; with a zero instant, the newest. With repository "" that of
// the plan is meant.
func (b *Browser) SnapshotAt(ctx context.Context, repository, plan, source string, at time.Time) (*api.Snapshot, error) {
	return nil, api.ErrUnavailable
}

// Extent is how much is in a snapshot, or below some paths of it.
type Extent struct{ Files, Bytes uint64 }

// Extent counts the files below paths (api.PathText), or all without any, and
// their bytes when restored.
func (b *Browser) Extent(ctx context.Context, repository, snapshot string, paths []string) (Extent, error) {
	return Extent{}, api.ErrUnavailable
}

// Entries returns a part of a folder.
func (b *Browser) Entries(ctx context.Context, q api.EntryQuery) (*api.EntryPage, error) {
	return nil, api.ErrUnavailable
}

// Find searches snapshots, the newest first.
func (b *Browser) Find(ctx context.Context, q api.FindQuery, found func(api.Found) error) error {
	return api.ErrUnavailable
}

// Diff compares two snapshots.
func (b *Browser) Diff(ctx context.Context, q api.DiffQuery, found func(api.Difference) error) error {
	return api.ErrUnavailable
}

// Download writes a file or an archive.
func (b *Browser) Download(ctx context.Context, q api.DownloadQuery, begin func(api.Content) io.Writer) error {
	return api.ErrUnavailable
}

// RestoreTests reads the records of restore tests, the newest first.
func (b *Browser) RestoreTests(ctx context.Context, q api.RestoreTestQuery) (*api.RestoreTestPage, error) {
	return nil, api.ErrUnavailable
}

// RestoreTest returns the one whose ID begins with a text, with its record.
func (b *Browser) RestoreTest(ctx context.Context, repository, id string) (*api.RestoreTest, error) {
	return nil, api.ErrUnavailable
}

// Holds returns what is held in a repository.
func (b *Browser) Holds(ctx context.Context, repository string) ([]api.Hold, error) {
	return nil, api.ErrUnavailable
}

// PlaceHold holds snapshots, in the name of who asks (api.PrincipalOf).
func (b *Browser) PlaceHold(ctx context.Context, repository string, q api.HoldRequest) error {
	return api.ErrUnavailable
}

// ReleaseHold ends a hold.
func (b *Browser) ReleaseHold(ctx context.Context, repository, id, reason string) error {
	return api.ErrUnavailable
}

// PlanForget says what forgetting snapshots would remove.
func (b *Browser) PlanForget(ctx context.Context, q api.ForgetRequest) (*api.ForgetPlan, error) {
	return nil, api.ErrUnavailable
}
