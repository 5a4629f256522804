package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"holdfast/internal/archive"
	"holdfast/internal/config"
	"holdfast/internal/lifecycle"
)

// archivesPlace is a place that plans put their archives in.
type archivesPlace struct {
	plans []string
	// keep is how long archives stay after their snapshots, age when a rule may
	// delete them: the longest of all plans.
	keep, age time.Duration
}

// bucketPlace finds the place that is meant: that of a repository or, as
// holdfast.yaml says, of archives.
func (c *command) bucketPlace(f *wishFlags) (place, *archivesPlace, error) {
	cfg, err := c.loadConfig()
	switch {
	case f.archives != "" && c.global.repo != "":
		return place{}, nil, errors.New("--archives says which place is meant: leave out the other one")
	case f.archives != "" && err != nil:
		return place{}, nil, err
	case f.archives != "":
		a := cfg.Plans[f.archives].Archives
		if a == nil {
			return place{}, nil, fmt.Errorf("%s has no plan %q with archives", cfg.Path, f.archives)
		}
		return c.archivesIn(cfg, a.To)
	case err == nil && len(cfg.ArchivesAt(c.global.repo)) > 0:
		return c.archivesIn(cfg, c.global.repo)
	}
	p, err := c.place()
	return p, nil, err
}

// archivesIn returns a place of archives, and for how long they stay there.
func (c *command) archivesIn(cfg *config.Config, url string) (place, *archivesPlace, error) {
	const day = 24 * time.Hour
	sections, a := cfg.ArchivesAt(url), &archivesPlace{}
	repository := config.Repository{URL: url}
	for _, name := range slices.Sorted(maps.Keys(sections)) {
		section, keep := sections[name], cfg.Plans[name].Keep
		days, err := section.Days(keep)
		if err != nil {
			return place{}, nil, fmt.Errorf("archives of plan %s: %w", name, err)
		}
		age, err := section.Age(keep)
		if err != nil {
			return place{}, nil, fmt.Errorf("archives of plan %s: %w", name, err)
		}
		a.plans, a.keep, a.age = append(a.plans, name), max(a.keep, time.Duration(days)*day), max(a.age, age)
		repository.Options = section.Options
	}
	return place{url: url, configured: &repository}, a, nil
}

// refuse refuses wishes that archives have no use for.
func (a *archivesPlace) refuse(f *wishFlags) error {
	if f.coldClass != "" || f.coldAfter != 0 {
		return errors.New("archives have no packs that could get colder than the rest: put them into the class that is wanted with -o s3.storage-class=CLASS (or what the service calls it)")
	}
	return nil
}

// sole makes sure that nothing but archives lies where a rule will delete what
// is there by its age.
func (b *bucket) sole(ctx context.Context) error {
	if b.archives == nil {
		return nil
	}
	return archive.Shelf{Store: b.store}.OnlyArchives(ctx)
}

// archiveFindings judges a place of archives by what lies there.
func (c *command) archiveFindings(ctx context.Context, b *bucket, rules []lifecycle.Finding) ([]lifecycle.Finding, error) {
	if b.archives == nil {
		return rules, nil
	}
	if err := b.sole(ctx); errors.Is(err, archive.ErrShared) {
		return append(rules, lifecycle.Finding{
			Level: lifecycle.Danger, What: "archives", Text: err.Error(), Fix: "remove the rule that deletes by age, or what does not belong there",
		}), nil
	} else if err != nil {
		return nil, err
	}
	shelf := archive.Shelf{Store: b.store}
	list, err := shelf.List(ctx)
	if err != nil {
		return nil, err
	}
	for _, a := range list {
		if a.Err != nil {
			rules = append(rules, lifecycle.Finding{Level: lifecycle.Warning, What: "archive " + a.Name, Text: a.Err.Error()})
		}
	}
	for _, e := range archive.FindEarly(list, b.archives.keep, b.archives.age) {
		text := fmt.Sprintf("it is to stay until %s, and the rule deletes it on %s", e.Stays.Format(time.DateOnly), e.Goes.Format(time.DateOnly))
		if e.Needs != e.Name {
			text = fmt.Sprintf("it is to stay until %s, and %s, which it needs, goes on %s", e.Stays.Format(time.DateOnly), e.Needs, e.Goes.Format(time.DateOnly))
		}
		rules = append(rules, lifecycle.Finding{
			Level: lifecycle.Warning, What: "archive " + e.Name, Text: text, Fix: "write a longer `keep` or `chain` into the archives of " + strings.Join(b.archives.plans, ", "),
		})
	}
	return append(rules, lifecycle.Finding{
		Level: lifecycle.Good, What: "archives", Text: fmt.Sprintf("nothing else lies here; there are %d of them", len(list)),
	}), nil
}
