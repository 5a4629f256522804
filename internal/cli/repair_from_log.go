package cli

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"holdfast/internal/logarchive"
	"holdfast/internal/repair"
	"holdfast/repository"
	"holdfast/storage"
)

// healLogs heals the log archives of all sources that the repository or one of
// its copies has.
func (c *command) healLogs(ctx context.Context, r *repository.Repository, from []openedCopy, f *healFlags, m *healMessage) error {
	main, err := c.place()
	if err != nil {
		return err
	}
	places := []logPlace{{openedCopy: openedCopy{main, r}}}
	for _, copied := range from {
		places = append(places, logPlace{openedCopy: copied})
	}
	sources := map[string]bool{}
	for n := range places {
		p := &places[n]
		if err := c.openLogPlace(ctx, p); err != nil {
			return err
		}
		defer p.close() //nolint:errcheck // all writes were acknowledged
		for _, name := range p.sources {
			sources[name] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(sources)) {
		if err := c.healLog(ctx, name, places, f, m); err != nil {
			return fmt.Errorf("log of %s: %w", name, err)
		}
	}
	return nil
}

// logPlace is a repository, and the store that has its log archives.
type logPlace struct {
	openedCopy
	store   storage.Store
	keys    logarchive.Keys
	sources []string
	// elsewhere tells that the log has a store of its own.
	elsewhere bool
}

func (p *logPlace) close() error {
	if !p.elsewhere {
		return nil
	}
	return storage.Close(p.store)
}

func (c *command) openLogPlace(ctx context.Context, p *logPlace) (err error) {
	p.store = p.r.Store()
	if configured := p.place.configured; configured != nil && configured.LogURL != "" {
		at := p.place
		at.url = configured.LogURL
		if p.store, err = c.openStore(ctx, at, false); err != nil {
			return noRepository(err)
		}
		p.elsewhere = true
	}
	if p.keys, err = logarchive.LoadKeys(ctx, p.r); err != nil {
		return err
	}
	p.sources, err = logarchive.Sources(ctx, p.store)
	return err
}

// healLog heals the log archive of one source: the first place from the others.
func (c *command) healLog(ctx context.Context, source string, places []logPlace, f *healFlags, m *healMessage) error {
	var all logarchive.Options
	all.Source = source
	for _, p := range places {
		all.Identities, all.Trusted = append(all.Identities, p.keys.Identities...), append(all.Trusted, p.keys.Trusted...)
	}
	o := repair.LogOptions{ReadData: f.readData, Lost: func(what string, err error) {
		c.ui.warn("repair", "", fmt.Errorf("%s of %s cannot be healed: %w", what, source, err))
	}}
	for _, p := range places[1:] {
		if !slices.Contains(p.sources, source) {
			continue
		}
		archive, err := logarchive.New(p.store, all)
		if err != nil {
			return err
		}
		o.From = append(o.From, archive)
		// Before the first segment comes that was archived with them.
		if err := logarchive.ShareKeys(ctx, p.r, places[0].r); err != nil {
			return err
		}
	}
	to, err := logarchive.New(places[0].store, all)
	if err != nil {
		return err
	}
	report, err := repair.HealLog(ctx, to, o)
	if err != nil {
		return err
	}
	for _, s := range report.Healed {
		m.LogSegments = append(m.LogSegments, s.Name)
	}
	if n := len(report.Healed); n > 0 {
		c.ui.infof("log of %s: %s healed, %s damaged before, %d missing", source, countOf(n, "segment"), countOf(report.Damaged, "segment"), report.Missing)
	}
	for _, g := range report.Gaps {
		m.LogGaps = append(m.LogGaps, g.String())
		c.ui.warn("repair", "", fmt.Errorf("log of %s, %s", source, g))
	}
	m.Lost += report.Lost
	return nil
}
