package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/pflag"

	"holdfast/internal/app"
	"holdfast/internal/repair"
	"holdfast/internal/verify"
	"holdfast/repository"
)

// healFlags say which copies a repository is healed from.
type healFlags struct {
	from      []string
	fromFlags otherFlags
	readData  bool
}

func (f *healFlags) registerFrom(fl *pflag.FlagSet) {
	fl.StringArrayVar(&f.from, "from", nil, "`repository` that is a copy or mirror of this one (may be repeated)")
	f.fromFlags.register(fl, "from", "copies")
}

func (f *healFlags) register(fl *pflag.FlagSet) {
	f.registerFrom(fl)
	fl.BoolVar(&f.readData, "read-data", false, "with --from: read all data to find what is damaged")
}

// healing opens the repository, whose locks do takes, and the copies beside it.
// A copy that cannot be used is told and left out.
func (c *command) healing(ctx context.Context, f *healFlags, do func(ctx context.Context, r *repository.Repository, from []openedCopy) error) (err error) {
	main, err := c.place()
	if err != nil {
		return err
	}
	var copies []openedCopy
	defer func() {
		for _, from := range copies {
			err = errors.Join(err, from.r.Close())
		}
	}()
	for _, url := range f.from {
		p, err := c.otherPlace(url, f.fromFlags, main)
		if err != nil {
			return err
		}
		r, err := c.openCopy(ctx, p)
		if err != nil {
			c.ui.warn("repair", "", fmt.Errorf("copy at %s cannot be used: %w", p.url, err))
			continue
		}
		copies = append(copies, openedCopy{p, r})
	}
	if len(f.from) > 0 && len(copies) == 0 {
		return errors.New("none of the copies can be used: nothing was done")
	}
	return c.opened(ctx, func(ctx context.Context, r *repository.Repository) error {
		return do(ctx, r, copies)
	})
}

// openedCopy is a copy that is read from.
type openedCopy struct {
	place place
	r     *repository.Repository
}

func repositoriesOf(copies []openedCopy) []*repository.Repository {
	var all []*repository.Repository
	for _, from := range copies {
		all = append(all, from.r)
	}
	return all
}

// openCopy opens a repository only to read from it, with its index, and takes
// no lock: what is read is hashed, and what a prune takes away is missed.
func (c *command) openCopy(ctx context.Context, p place) (*repository.Repository, error) {
	r, err := c.openPlaceWith(ctx, p, func(o *repository.Options) { o.ReadOnly = true })
	if err != nil {
		return nil, err
	}
	if err := r.LoadIndex(ctx); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

// healMessage is the result of `repair --from`.
type healMessage struct {
	MessageType string   `json:"message_type"` // "summary"
	Files       []string `json:"healed_files"`
	Packs       []string `json:"healed_packs"`
	Blobs       int      `json:"stored_blobs"`
	Replaced    []string `json:"replaced_packs"`
	LogSegments []string `json:"healed_log_segments"`
	LogGaps     []string `json:"log_gaps"`
	Lost        int      `json:"lost"`
	Sound       bool     `json:"sound"`

	// wrong tells that something was to be healed.
	wrong bool
}

func (c *command) runHeal(ctx context.Context, f *healFlags) error {
	if c.global.noLock {
		return errNeedsLock
	}
	return c.healing(ctx, f, func(ctx context.Context, r *repository.Repository, from []openedCopy) error {
		m := &healMessage{MessageType: "summary", Files: []string{}, Packs: []string{}, Replaced: []string{}, LogSegments: []string{}, LogGaps: []string{}}
		left, err := c.healSnapshots(ctx, r, from, f, m)
		if err != nil {
			return err
		}
		err = c.locked(ctx, r, repository.Shared, func(ctx context.Context, r *repository.Repository) error {
			return c.healLogs(ctx, r, from, f, m)
		})
		if err != nil {
			return err
		}
		lost, err := c.lostAll(ctx, r, from)
		if err != nil {
			return err
		}
		return c.tellHealed(m, left, lost, f)
	})
}

// lostAll tells, as an error, of a repository without snapshots beside a copy
// that has some. Nothing is damaged there, and nothing of any backup is left.
func (c *command) lostAll(ctx context.Context, r *repository.Repository, from []openedCopy) (lost, err error) {
	here, err := c.snapshots(ctx, r)
	if err != nil || len(here) > 0 {
		return nil, err
	}
	for _, o := range from {
		there, err := c.snapshots(ctx, o.r)
		if err != nil {
			return nil, fmt.Errorf("copy at %s: %w", o.place.url, err)
		}
		if len(there) > 0 {
			return fmt.Errorf("nothing that is in the repository is damaged, but there is no snapshot in it, and the copy at %s has %s; unless they were all forgotten here, bring them back with `holdfast copy -r %[1]s --to %[3]s`",
				o.place.url, countOf(len(there), "snapshot"), r.Location()), nil
		}
	}
	return nil, nil
}

// healSnapshots heals all that is not log, and returns what a check finds in
// the end. Only for the healing itself it has the repository for itself.
func (c *command) healSnapshots(ctx context.Context, r *repository.Repository, from []openedCopy, f *healFlags, m *healMessage) (found *verify.Report, err error) {
	check := func(o verify.Options) error {
		return c.locked(ctx, r, repository.Shared, func(ctx context.Context, r *repository.Repository) (err error) {
			found, err = c.checkFor(ctx, r, o)
			return err
		})
	}
	if err := check(verify.Options{ReadData: f.readData}); err != nil || found.Sound() {
		return found, err
	}
	m.wrong = true
	err = c.locked(ctx, r, repository.Exclusive, func(ctx context.Context, r *repository.Repository) error {
		return c.heal(ctx, r, found, from, m)
	})
	if err != nil {
		return nil, err
	}
	err = check(verify.Options{})
	return found, err
}

// heal heals what a check has found, and tells.
func (c *command) heal(ctx context.Context, r *repository.Repository, found *verify.Report, from []openedCopy, m *healMessage) error {
	done, err := repair.Heal(ctx, r, app.HealOptions(found, repositoriesOf(from), func(what string, err error) {
		c.ui.warn("repair", "", fmt.Errorf("%s cannot be healed: %w", what, err))
	}))
	if err != nil {
		return err
	}
	m.Packs, m.Blobs, m.Replaced, m.Lost = idStrings(done.Packs), done.Blobs, idStrings(done.Replaced), done.Lost
	for _, file := range done.Files {
		m.Files = append(m.Files, file.Kind.String()+" "+file.ID.String())
		c.ui.infof("%s is healed", file)
	}
	for _, i := range done.Packs {
		c.ui.infof("pack %s is healed, byte for byte", i.Short())
	}
	if done.Blobs > 0 {
		c.ui.infof("stored %s again in new packs; %s given up for that", countOf(done.Blobs, "blob"), countOf(len(done.Replaced), "pack"))
	}
	return nil
}

// checkFor checks the repository and tells what is wrong; the evidence of it
// is kept.
func (c *command) checkFor(ctx context.Context, r *repository.Repository, o verify.Options) (*verify.Report, error) {
	report, err := c.check(ctx, r, o)
	if err != nil {
		return nil, err
	}
	for n := range report.Problems {
		c.reportProblem(&report.Problems[n])
	}
	c.keepEvidence(ctx, r, checkEvidence(report, o))
	return report, nil
}

// tellHealed tells whether all is well in the end; lost says so if everything
// is gone.
func (c *command) tellHealed(m *healMessage, left *verify.Report, lost error, f *healFlags) error {
	m.Sound = m.Lost == 0 && left.Sound() && len(m.LogGaps) == 0 && lost == nil
	c.ui.message(m)
	switch {
	case lost != nil && left.Sound() && m.Lost == 0:
		return lost
	case m.Sound && !m.wrong && len(m.LogSegments) == 0:
		c.ui.infof("nothing is wrong, and nothing was done%s", map[bool]string{false: "; --read-data looks at all data"}[f.readData])
		return nil
	case m.Sound:
		c.ui.infof("everything that was healed was read back, and a new check finds nothing wrong")
		return nil
	case !left.Sound():
		return fmt.Errorf("the repository still has %s; name another copy with --from, or give up what is lost:\n%s", countOf(left.Errors, "problem"), nextSteps(left))
	case m.Lost > 0:
		return fmt.Errorf("%s could not be healed, as named above; name another copy with --from", countOf(m.Lost, "thing"))
	}
	return fmt.Errorf("the log archive has %s that no copy fills, each named above; recovery to a time after them begins at a later base backup", countOf(len(m.LogGaps), "gap"))
}
