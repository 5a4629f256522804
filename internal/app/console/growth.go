package console

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"holdfast/internal/api"
	"holdfast/internal/history"
)

// The figures of runs that tell how large a repository is: runs that list or
// count all of it anyway tell. In between, what backups and copies add is added.
const (
	FigureSize      = "repository_bytes"
	FigureSnapshots = "repository_snapshots"
)

// maxGrowth bounds how many days are kept of a repository: the last 400, one
// point a day.
const maxGrowth = 400

// GrowthStore keeps how large repositories were.
type GrowthStore interface {
	LoadGrowth(ctx context.Context, repository string) ([]api.GrowthPoint, error)
	SaveGrowth(ctx context.Context, repository string, points []api.GrowthPoint) error
}

// growth is how large repositories were. What runs tell is taken at once, and
// written soon.
type growth struct {
	store GrowthStore

	mu     sync.Mutex
	points map[string][]api.GrowthPoint // of those that were asked for or changed
	dirty  map[string]bool
}

// Growth implements api.Viewer.
func (c *Console) Growth(ctx context.Context, repository string) ([]api.GrowthPoint, error) {
	if _, ok := c.o.Config().Repositories[repository]; !ok {
		return nil, fmt.Errorf("%w: there is no repository %q in holdfast.yaml", api.ErrNotFound, repository)
	}
	c.growth.mu.Lock()
	defer c.growth.mu.Unlock()
	points, err := c.growth.load(ctx, repository)
	return append([]api.GrowthPoint{}, points...), err
}

// size is how large a repository was last; 0 if that is not known.
func (g *growth) size(repository string) uint64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	points, err := g.load(context.Background(), repository)
	if err != nil {
		return 0
	}
	for _, p := range slices.Backward(points) {
		if p.Bytes > 0 {
			return p.Bytes
		}
	}
	return 0
}

// Sizes returns how large repositories are, as far as is known.
func (c *Console) Sizes() map[string]uint64 {
	sizes := make(map[string]uint64)
	for name := range c.o.Config().Repositories {
		if n := c.growth.size(name); n > 0 {
			sizes[name] = n
		}
	}
	return sizes
}

// load reads what is known of a repository, once. The lock is held.
func (g *growth) load(ctx context.Context, repository string) ([]api.GrowthPoint, error) {
	if points, ok := g.points[repository]; ok {
		return points, nil
	}
	points, err := g.store.LoadGrowth(ctx, repository)
	if err != nil {
		return nil, fmt.Errorf("read how large repository %s was: %w", repository, err)
	}
	if g.points == nil {
		g.points, g.dirty = make(map[string][]api.GrowthPoint), make(map[string]bool)
	}
	g.points[repository] = points
	return points, nil
}

// noteGrowth takes what a run tells of the size of its repository.
func (c *Console) noteGrowth(r *history.Run) {
	if !tellsGrowth(r) {
		return
	}
	g := &c.growth
	g.mu.Lock()
	defer g.mu.Unlock()
	points, err := g.load(context.Background(), r.Repository)
	if err != nil {
		c.o.Log.Warn("the growth of a repository is not kept", "repository", r.Repository, "error", err)
		return
	}
	g.points[r.Repository] = Grow(points, r)
	g.dirty[r.Repository] = true
}

// tellsGrowth tells whether a run says anything about the size of its
// repository.
func tellsGrowth(r *history.Run) bool {
	_, known := r.Figures[FigureSize]
	return r.Repository != "" && r.Outcome.Good() && (known || adds(r))
}

func adds(r *history.Run) bool {
	return r.Job == history.Backup || r.Job == history.Copy || r.Job == history.Protect
}

// Grow adds what a run tells to how large its repository was before, a point a
// day.
func Grow(points []api.GrowthPoint, r *history.Run) []api.GrowthPoint {
	if !tellsGrowth(r) {
		return points
	}
	at := r.Ended.Local()
	if n := len(points); n == 0 || !sameDay(points[n-1].Time.Local(), at) {
		points = append(points, api.GrowthPoint{})
		if n > 0 {
			points[n].Bytes, points[n].Snapshots = points[n-1].Bytes, points[n-1].Snapshots
		}
	}
	p := &points[len(points)-1]
	p.Time = r.Ended
	switch size, known := r.Figures[FigureSize]; {
	case known:
		p.Bytes = uint64(max(0, size))
		if n, ok := r.Figures[FigureSnapshots]; ok {
			p.Snapshots = int(n)
		}
	case p.Bytes > 0: // where nobody counted what there is, a sum is no size
		p.Bytes += r.Added
		p.Snapshots += len(r.Snapshots)
	}
	if adds(r) {
		p.Read += r.Bytes
		p.Added += r.Added
	}
	return points[max(0, len(points)-maxGrowth):]
}

func sameDay(a, b time.Time) bool {
	return a.Year() == b.Year() && a.YearDay() == b.YearDay()
}

// saveGrowthEvery is how often growth is written that has changed.
const saveGrowthEvery = 10 * time.Second

// Keep keeps what is to survive the service until ctx ends.
func (c *Console) Keep(ctx context.Context) error {
	ticker := time.NewTicker(saveGrowthEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			c.saveGrowth(context.WithoutCancel(ctx))
			return nil
		case <-ticker.C:
			c.saveGrowth(ctx)
		}
	}
}

func (c *Console) saveGrowth(ctx context.Context) {
	g := &c.growth
	g.mu.Lock()
	changed := make(map[string][]api.GrowthPoint, len(g.dirty))
	for name := range g.dirty {
		changed[name] = slices.Clone(g.points[name])
	}
	clear(g.dirty)
	g.mu.Unlock()
	for name, points := range changed {
		if err := g.store.SaveGrowth(ctx, name, points); err != nil {
			c.o.Log.Warn("the growth of a repository is not kept", "repository", name, "error", err)
		}
	}
}
