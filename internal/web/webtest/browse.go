package webtest

import (
	"context"
	"io"
	"path"
	"strings"

	"holdfast/internal/api"
)

// Snapshots implements api.Browser.
func (b *Backend) Snapshots(_ context.Context, q api.SnapshotQuery) (*api.SnapshotPage, error) {
	if b.Fail != nil {
		return nil, b.Fail
	}
	page, skip := &api.SnapshotPage{}, q.After != ""
	limit := q.Limit
	if limit == 0 {
		limit = 1000
	}
	for _, s := range b.Taken {
		if q.Repository != "" && q.Repository != s.Repository || q.Plan != "" && q.Plan != s.Plan || q.Source != "" && q.Source != s.Source || q.Host != "" && q.Host != s.Host ||
			!q.Since.IsZero() && s.Time.Before(q.Since) || !q.Until.IsZero() && s.Time.After(q.Until) {
			continue
		}
		page.Total++
		switch {
		case skip:
			skip = s.ID != q.After
		case len(page.Snapshots) < limit:
			page.Snapshots = append(page.Snapshots, s)
		default:
			page.After = page.Snapshots[limit-1].ID
		}
	}
	return page, nil
}

// Snapshot implements api.Browser.
func (b *Backend) Snapshot(_ context.Context, repository, id string) (*api.Snapshot, error) {
	for k := range b.Taken {
		if s := &b.Taken[k]; s.Repository == repository && strings.HasPrefix(s.ID, id) {
			return s, b.Fail
		}
	}
	return nil, b.missing("snapshot", id)
}

// Entries implements api.Browser.
func (b *Backend) Entries(ctx context.Context, q api.EntryQuery) (*api.EntryPage, error) {
	s, err := b.Snapshot(ctx, q.Repository, q.Snapshot)
	if err != nil {
		return nil, err
	}
	page := &api.EntryPage{Snapshot: *s, Path: q.Path, Offset: q.Offset}
	entries, ok := b.Folders[q.Path]
	if !ok {
		if page.Entry = b.entry(q.Path); page.Entry == nil {
			return nil, b.missing("file", q.Path)
		}
		return page, nil
	}
	page.All = len(entries)
	for _, e := range entries {
		if !strings.Contains(strings.ToLower(e.Name), strings.ToLower(q.Search)) {
			continue
		}
		if page.Total >= q.Offset && (q.Limit == 0 || len(page.Entries) < q.Limit) {
			page.Entries = append(page.Entries, e)
		}
		page.Total++
	}
	return page, nil
}

func (b *Backend) entry(name string) *api.Entry {
	for _, e := range b.Folders[path.Dir(name)] {
		if e.Path == name {
			return &e
		}
	}
	return nil
}

// Find implements api.Browser.
func (b *Backend) Find(_ context.Context, q api.FindQuery, found func(api.Found) error) error {
	n := 0
	for _, entries := range b.Folders {
		for _, e := range entries {
			if !strings.Contains(e.Name, q.Pattern) || len(b.Taken) == 0 || q.Limit > 0 && n >= q.Limit {
				continue
			}
			n++
			if err := found(api.Found{Snapshot: b.Taken[0], Entry: e}); err != nil {
				return err
			}
		}
	}
	return b.Fail
}

// Diff implements api.Browser.
func (b *Backend) Diff(_ context.Context, _ api.DiffQuery, found func(api.Difference) error) error {
	for k, e := range b.Folders["/"] {
		change := []string{"added", "removed", "changed", "metadata", "type"}[k%5]
		if err := found(api.Difference{Path: e.Path, Change: change, Kind: e.Kind, Before: e.Size, After: e.Size * 2}); err != nil {
			return err
		}
	}
	return b.Fail
}

// Download implements api.Browser.
func (b *Backend) Download(_ context.Context, q api.DownloadQuery, begin func(api.Content) io.Writer) error {
	if b.Fail != nil {
		return b.Fail
	}
	text := "the content of " + q.Path + "\n"
	c := api.Content{Name: path.Base(q.Path), Size: int64(len(text)), End: int64(len(text)), Tag: "1"}
	if q.Archive != "" {
		c.Name, c.Size, c.Tag = c.Name+"."+q.Archive, -1, ""
	}
	_, err := io.WriteString(begin(c), text)
	return err
}
