package cli

import (
	"context"

	"holdfast/internal/snapfs"
	"holdfast/repository"
	"holdfast/repository/id"
	"holdfast/repository/snapshot"
	"holdfast/repository/tree"
)

// findFiles prints the nodes that patterns match.
func (c *command) findFiles(ctx context.Context, r *repository.Repository, f *findFlags, list []*snapshot.Snapshot, w wantedFiles, out *lines) error {
	p := &matchPrinter{c: c, out: out, format: f.format}
	s := &search{c: c, r: r, visit: func(_ id.ID, path string, n *tree.Node) (finding, error) {
		v := w.judge(path, n)
		if !v.hit {
			return v, nil
		}
		return v, p.print(path, n)
	}}
	if w.anywhere {
		s.barren = snapfs.NewBlobSet(r)
	}
	for _, sn := range list {
		p.current = sn
		if err := s.snapshot(ctx, sn); err != nil {
			return err
		}
	}
	if err := p.end(); err != nil {
		return err
	}
	return s.judge()
}

// judge tells whether a node is wanted, and whether what is below it may be.
func (w *wantedFiles) judge(path string, n *tree.Node) finding {
	match := w.patterns.Match(path)
	inTime := (w.oldest.IsZero() || !n.ModTime.Before(w.oldest)) && (w.newest.IsZero() || !n.ModTime.After(w.newest))
	return finding{hit: match && inTime, all: match, skip: !match && !w.patterns.ChildMayMatch(path)}
}

// matchPrinter prints what was found, snapshot by snapshot. Its JSON is
// restic's: one list with an object for each snapshot that has something.
type matchPrinter struct {
	c       *command
	out     *lines
	format  nodeFormat
	current *snapshot.Snapshot

	// printed is the snapshot that the last hit is in.
	printed *snapshot.Snapshot
	hits    int
}

func (p *matchPrinter) print(path string, n *tree.Node) error {
	if p.current != p.printed {
		if err := p.begin(); err != nil {
			return err
		}
	}
	p.hits++
	if !p.c.ui.json {
		return p.out.printf("%s\n", p.format.format(path, n))
	}
	if p.hits > 1 {
		if err := p.out.printf(","); err != nil {
			return err
		}
	}
	return p.out.json(newMatchMessage(path, n))
}

// begin starts the list of a snapshot's hits.
func (p *matchPrinter) begin() error {
	err := p.closeSnapshot()
	first := p.printed == nil
	p.printed, p.hits = p.current, 0
	switch {
	case err != nil:
		return err
	case p.c.ui.json && first:
		return p.out.printf(`[{"matches":[`)
	case p.c.ui.json:
		return p.out.printf(`,{"matches":[`)
	case p.c.ui.quiet:
		return nil
	case !first:
		if err := p.out.printf("\n"); err != nil {
			return err
		}
	}
	return p.out.printf("in snapshot %s, made %s:\n", p.current.ID.Short(), p.current.Time.Local().Format(timeFormat))
}

func (p *matchPrinter) closeSnapshot() error {
	if !p.c.ui.json || p.printed == nil {
		return nil
	}
	return p.out.printf(`],"hits":%d,"snapshot":%q}`, p.hits, p.printed.ID.String())
}

// end ends the list.
func (p *matchPrinter) end() error {
	switch {
	case !p.c.ui.json && p.printed == nil && !p.c.ui.quiet:
		return p.out.printf("nothing was found\n")
	case !p.c.ui.json:
		return nil
	case p.printed == nil:
		return p.out.printf("[]\n")
	}
	if err := p.closeSnapshot(); err != nil {
		return err
	}
	return p.out.printf("]\n")
}
