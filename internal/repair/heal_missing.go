package repair

import (
	"context"
	"errors"
	"fmt"

	"holdfast/repository"
	"holdfast/repository/blob"
	"holdfast/repository/id"
	"holdfast/repository/tree"
)

// missing brings back the blobs that snapshots need and that no index file
// lists, by walking all snapshots with the copies behind.
func (h *healer) missing(ctx context.Context) error {
	if !h.options.Missing {
		return nil
	}
	if err := h.r.LoadIndex(ctx); err != nil {
		return err
	}
	snapshots, err := h.r.Snapshots(ctx)
	if err != nil && !repository.IsCorrupt(err) {
		return err
	}
	writer, err := h.r.NewWriter(ctx, h.options.Writer)
	if err != nil {
		return err
	}
	m := &mender{healer: h, writer: writer, seen: make(id.Set), lost: make(id.Set)}
	for _, s := range snapshots {
		if err = m.walk(ctx, s.Tree); err != nil {
			err = fmt.Errorf("heal snapshot %s: %w", s.ID.Short(), err)
			break
		}
	}
	if err == nil {
		err = writer.Flush(ctx)
	}
	return errors.Join(err, writer.Close())
}

// mender walks snapshots and stores what they lack. Its memory is 32 bytes for
// each distinct folder, and for each blob that nobody has.
type mender struct {
	*healer
	writer *repository.Writer
	seen   id.Set // trees
	lost   id.Set // data
	plain  []byte
}

// walk goes down from a tree.
func (m *mender) walk(ctx context.Context, root id.ID) error {
	todo := []id.ID{root}
	scanner := tree.NewLightScanner(nil)
	for len(todo) > 0 {
		i := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if m.seen.Has(i) {
			continue
		}
		m.seen.Add(i)
		plain, err := m.tree(ctx, i)
		if err != nil {
			return err
		}
		if plain == nil {
			continue
		}
		scanner.Reset(plain)
		for scanner.Next() {
			n := scanner.Node()
			for _, c := range n.Content {
				if err := m.data(ctx, c, n.Name); err != nil {
					return err
				}
			}
			if n.Subtree != nil {
				todo = append(todo, *n.Subtree)
			}
		}
		if err := scanner.Err(); err != nil {
			m.lose("tree "+i.Short(), err)
		}
	}
	return nil
}

// tree returns the JSON of a tree, from here or from a copy; nil if nobody has
// it.
func (m *mender) tree(ctx context.Context, i id.ID) ([]byte, error) {
	plain, err := m.r.LoadTree(ctx, i, m.plain)
	if err == nil {
		m.plain = plain
		return plain, nil
	}
	if !errors.Is(err, repository.ErrNotIndexed) && !repository.IsCorrupt(err) {
		return nil, err
	}
	return m.fetch(ctx, blob.Handle{ID: i, Type: blob.Tree}, "a folder", err)
}

// data brings back a piece of a file, if no index file lists it.
func (m *mender) data(ctx context.Context, i id.ID, name string) error {
	h := blob.Handle{ID: i, Type: blob.Data}
	if m.r.Index().Has(h) || m.writer.Known(h) || m.lost.Has(i) {
		return nil
	}
	plain, err := m.fetch(ctx, h, fmt.Sprintf("%q", name), repository.ErrNotIndexed)
	if plain == nil {
		m.lost.Add(i)
	}
	return err
}

// fetch gets a blob from a copy and stores it here.
func (m *mender) fetch(ctx context.Context, h blob.Handle, of string, cause error) ([]byte, error) {
	plain, err := fromCopies(ctx, m.options.From, h)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		m.lose(fmt.Sprintf("%s, of %s", h, of), errors.Join(cause, err))
		return nil, nil
	}
	save := m.writer.Save
	if repository.IsCorrupt(cause) {
		save = m.writer.SaveAgain
	}
	if _, err := save(ctx, h.Type, plain); err != nil {
		return nil, err
	}
	m.report.Blobs++
	return plain, nil
}
