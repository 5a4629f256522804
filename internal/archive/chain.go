package archive

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"holdfast/storage"
)

// ErrBrokenChain says that an archive that another one needs is missing, or
// is not the one that it was made for.
var ErrBrokenChain = errors.New("the chain of archives is broken")

// Placed is an archive and the shelf it lies on.
type Placed struct {
	*Manifest
	Shelf Shelf
}

// maxChain bounds the links of a chain. Somebody who made more without a
// full archive would wait for ever for a restore.
const maxChain = 10_000

// Chain returns the archives that a restore of the named one needs, the full
// one first, looking on each shelf in turn. Nothing but manifests is read, so
// that a missing or wrong link is known at once; the error wraps
// ErrBrokenChain, or as for Load if it is about the named one itself.
func Chain(ctx context.Context, name string, shelves []Shelf) ([]Placed, error) {
	last, err := find(ctx, name, shelves)
	if err != nil {
		return nil, err
	}
	chain := []Placed{last}
	met := map[string]struct{}{last.Name: {}}
	for at := last; at.Parent != nil; {
		if len(chain) == maxChain {
			return nil, fmt.Errorf("%w: it has more than %d links", ErrBrokenChain, maxChain)
		}
		if _, again := met[at.Parent.Name]; again {
			return nil, fmt.Errorf("%w: archive %s is relative to %s, which is relative to it", ErrBrokenChain, at.Name, at.Parent.Name)
		}
		met[at.Parent.Name] = struct{}{}
		parent, err := findParent(ctx, at.Manifest, shelves)
		if err != nil {
			return nil, err
		}
		chain = append(chain, parent)
		at = parent
	}
	slices.Reverse(chain)
	return chain, nil
}

// findParent finds what an archive is relative to.
func findParent(ctx context.Context, m *Manifest, shelves []Shelf) (Placed, error) {
	needs := fmt.Sprintf("archive %s is %s to %s (SHA-256 %.16s…)", m.Name, m.Kind, m.Parent.Name, m.Parent.SHA256)
	var wrong error
	for _, s := range shelves {
		p, err := s.Load(ctx, m.Parent.Name)
		switch {
		case errors.Is(err, storage.ErrNotFound):
			continue
		case err != nil:
			return Placed{}, fmt.Errorf("%w: %s: %w", ErrBrokenChain, needs, err)
		case p.Inner.SHA256 != m.Parent.SHA256:
			wrong = fmt.Errorf("%w: %s, but the %s in %s is another archive (SHA-256 %.16s…)",
				ErrBrokenChain, needs, p.Name, s.Store.Location(), p.Inner.SHA256)
			continue
		}
		return Placed{p, s}, nil
	}
	if wrong != nil {
		return Placed{}, wrong
	}
	return Placed{}, fmt.Errorf("%w: %s, which is not there: put it beside, or name the place it lies in", ErrBrokenChain, needs)
}

// find finds an archive by its name.
func find(ctx context.Context, name string, shelves []Shelf) (Placed, error) {
	var missing error
	for _, s := range shelves {
		m, err := s.Load(ctx, name)
		if err == nil {
			return Placed{m, s}, nil
		}
		if !errors.Is(err, storage.ErrNotFound) {
			return Placed{}, err
		}
		missing = errors.Join(missing, err)
	}
	return Placed{}, missing
}
