package console

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"time"
	"unicode"

	"holdfast/internal/api"
	"holdfast/internal/app"
	"holdfast/internal/archive"
	"holdfast/internal/config"
	"holdfast/internal/controller"
	"holdfast/internal/history"
	"holdfast/internal/size"
)

// maxRecipients bounds the keys of one archive.
const maxRecipients = 20

// archivePlaces are the places that archives may be written to.
func archivePlaces(cfg *config.Config) []string {
	places := slices.Clone(cfg.Service.ArchivePlaces)
	for _, name := range slices.Sorted(maps.Keys(cfg.Plans)) {
		if a := cfg.Plans[name].Archives; a != nil && !slices.Contains(places, a.To) && config.WithoutPassword(a.To) == a.To {
			places = append(places, a.To)
		}
	}
	return places
}

// mustBePlace is an error unless archives may be written to a place: it is
// written as in the configuration, to the letter.
func (c *Console) mustBePlace(place string) error {
	places := archivePlaces(c.o.Config())
	switch {
	case slices.Contains(places, place):
		return nil
	case len(places) == 0:
		return fmt.Errorf("%w: holdfast.yaml names no place for archives; write service: { archive_places: [/mnt/archives] }", api.ErrConflict)
	}
	return fmt.Errorf("%w: archives may be written to %s only (service.archive_places of holdfast.yaml)", api.ErrInvalid, strings.Join(places, ", "))
}

// archivingPlan archives the newest snapshots of a plan, as the configuration
// says.
func (c *Console) archivingPlan(q *api.ArchiveAct) (*errand, error) {
	plan, ok := c.o.Config().Plans[q.Plan]
	switch {
	case !ok:
		return nil, noPlan(q.Plan)
	case q.Repository != "" || q.Snapshot != "" || q.Place != "" || len(q.Recipients) > 0 || q.Since != "":
		return nil, fmt.Errorf("%w: name a plan alone, or a snapshot with its repository, the place and the keys", api.ErrInvalid)
	case plan.Archives == nil:
		return nil, fmt.Errorf("%w: plan %s has no archives in holdfast.yaml", api.ErrConflict, q.Plan)
	}
	args := []string{"archive", "export", "--plan", q.Plan}
	if q.Restart {
		args = append(args, "--restart")
	}
	return &errand{
		asked: asked{kind: history.Archive, plan: q.Plan, repository: plan.Repository, mode: controller.Reads, args: args},
		foretell: func(ctx context.Context, p *api.ActPlan) error {
			return c.wouldDo(ctx, p, of("archive_plan", func(m archivePlanMessage) { m.foretell(p) }), append(args, "--dry-run")...)
		},
	}, nil
}

func (c *Console) archiving(ctx context.Context, q *api.ArchiveAct) (*errand, error) {
	if q.Plan != "" {
		return c.archivingPlan(q)
	}
	if err := c.mustHave(q.Repository); err != nil {
		return nil, err
	}
	if err := c.mustBePlace(q.Place); err != nil {
		return nil, err
	}
	if err := checkRecipients(q.Recipients); err != nil {
		return nil, err
	}
	s, err := c.Snapshot(ctx, q.Repository, q.Snapshot)
	if err != nil {
		return nil, err
	}
	args := []string{"archive", "export", s.ID, "--repo", q.Repository, "--to", q.Place}
	for _, key := range q.Recipients {
		args = append(args, "--recipient", key)
	}
	if q.Since != "" {
		if err := archive.CheckName(q.Since); err != nil {
			return nil, fmt.Errorf("%w: since: %w", api.ErrInvalid, err)
		}
		args = append(args, "--since", q.Since)
	}
	if q.Restart {
		args = append(args, "--restart")
	}
	return &errand{
		asked: asked{kind: history.Archive, plan: s.Plan, source: s.Source, repository: q.Repository, mode: controller.Reads, args: args},
		foretell: func(ctx context.Context, p *api.ActPlan) error {
			return c.wouldDo(ctx, p, of("archive_plan", func(m archivePlanMessage) { m.foretell(p) }), append(args, "--dry-run")...)
		},
	}, nil
}

// checkRecipients lets public keys through. Whether each is a good one the
// command tells.
func checkRecipients(keys []string) error {
	if len(keys) == 0 || len(keys) > maxRecipients {
		return fmt.Errorf("%w: name the public keys of those who may open the archive, 1 to %d", api.ErrInvalid, maxRecipients)
	}
	for _, key := range keys {
		if strings.HasPrefix(strings.ToUpper(key), "AGE-SECRET-KEY-") {
			return fmt.Errorf("%w: this is a secret key, and others may have seen it now; the public one begins with age1", api.ErrInvalid)
		}
		known := strings.HasPrefix(key, "age1") || strings.HasPrefix(key, "ssh-ed25519 ") || strings.HasPrefix(key, "ssh-rsa ")
		if !known || strings.ContainsFunc(key, func(r rune) bool { return !unicode.IsPrint(r) }) {
			return fmt.Errorf("%w: %q is no public key: they begin with age1, ssh-ed25519 or ssh-rsa", api.ErrInvalid, key)
		}
	}
	return nil
}

// archivePlanMessage is what `archive export --dry-run` tells.
type archivePlanMessage struct {
	Place      string   `json:"place"`
	Name       string   `json:"name"`
	Kind       string   `json:"type"`
	Parent     string   `json:"parent"`
	Snapshot   string   `json:"snapshot_id"`
	Recipients []string `json:"recipients"`
	Bytes      uint64   `json:"content_bytes"`
}

func (m *archivePlanMessage) foretell(p *api.ActPlan) {
	what := m.Kind
	if m.Parent != "" {
		what += ", relative to " + m.Parent
	}
	p.Effects = append(p.Effects,
		api.Effect{What: "archive in " + m.Place, Before: "none of this name", After: m.Name},
		api.Effect{What: "type", After: what},
		api.Effect{What: "holds", After: fmt.Sprintf("snapshot %.8s", m.Snapshot)},
	)
	if m.Bytes > 0 {
		p.Effects = append(p.Effects, api.Effect{What: "content, before it is compressed", After: size.FormatBytes(m.Bytes)})
	}
	for _, key := range m.Recipients {
		p.Effects = append(p.Effects, api.Effect{What: "can be opened with the secret key of", After: key})
	}
}

// readingArchives reads archives back.
func (c *Console) readingArchives(q *api.ArchiveCheckAct) (*errand, error) {
	if err := c.mustBePlace(q.Place); err != nil {
		return nil, err
	}
	args := []string{"archive", "verify", q.Place}
	if q.Name != "" {
		if err := archive.CheckName(q.Name); err != nil {
			return nil, fmt.Errorf("%w: %w", api.ErrInvalid, err)
		}
		args = append(args, q.Name)
	}
	return &errand{asked: asked{kind: history.ArchiveCheck, args: args}}, nil
}

// archiveMessage is what `archive list` tells of each.
type archiveMessage struct {
	Name     string `json:"name"`
	Kind     string `json:"kind"`
	Snapshot struct {
		ID   string    `json:"id"`
		Time time.Time `json:"time"`
	} `json:"snapshot"`
	Parent *struct {
		Name string `json:"name"`
	} `json:"parent"`
	Expires *time.Time        `json:"expires"`
	Parts   []json.RawMessage `json:"parts"`
	Bytes   int64             `json:"bytes"`
}

func (m *archiveMessage) seen() api.ArchiveSeen {
	a := api.ArchiveSeen{Name: m.Name, Kind: m.Kind, Snapshot: m.Snapshot.ID, Time: m.Snapshot.Time, Bytes: m.Bytes, Parts: len(m.Parts)}
	if m.Parent != nil {
		a.Parent = m.Parent.Name
	}
	if m.Expires != nil {
		a.Expires = *m.Expires
	}
	return a
}

// Archives implements api.Looker.
func (c *Console) Archives(ctx context.Context, place string) (*api.Archives, error) {
	if err := c.mustBePlace(place); err != nil {
		return nil, err
	}
	found := &api.Archives{Place: place, Archives: []api.ArchiveSeen{}}
	if folder, local := app.LocalFolder(place); local {
		if _, err := os.Stat(folder); errors.Is(err, fs.ErrNotExist) { // the first export makes it
			return found, nil
		}
	}
	err := c.read(ctx, of("archive", func(m archiveMessage) { found.Archives = append(found.Archives, m.seen()) }), "archive", "list", place)
	if failed := new(commandError); errors.As(err, &failed) && len(found.Archives) > 0 { // what is wrong with the others
		found.Problems, err = strings.Split(failed.Error(), "\n"), nil
	}
	return found, unavailable(err)
}
