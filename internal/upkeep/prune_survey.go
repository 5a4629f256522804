package upkeep

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"holdfast/repository"
	"holdfast/repository/blob"
	"holdfast/repository/id"
)

// packKind says what types of blobs a pack holds.
type packKind uint8

const (
	dataPack packKind = iota
	treePack
	// mixedPack holds both, as old programs made them.
	mixedPack
)

// packAction says what becomes of a pack.
type packAction uint8

const (
	keepPack packAction = iota
	repackPack
	removePack
	// forgetPack: it is listed, gone, and not needed.
	forgetPack
)

// packState is what is known about a pack in the index.
type packState struct {
	id id.ID
	// sizeBytes is the size that the pack must have.
	sizeBytes    int64
	used, unused Amount
	kind         packKind
	action       packAction
	uncompressed bool
	stored       bool
	// class is the storage class and put when the pack was put there, where
	// the store tells; unreadable says that it has to be thawed first.
	class      string
	put        time.Time
	unreadable bool
	// counted says that its blobs are divided into used and unused.
	counted bool
}

// survey divides the blobs of each pack into used and unused ones. Of a blob
// that is stored more than once, one copy is used and the others are not. Packs
// whose blobs are all needed choose first, so that they can stay as they are;
// packs that an interrupted prune has made are among them.
func (p *PrunePlan) survey(ctx context.Context) error {
	taken := newBitset(p.index.Len())
	err := p.index.ByPack(ctx, nil, func(pack id.ID, blobs []blob.Blob) error {
		s := packState{id: pack, sizeBytes: repository.PackSize(blobs), kind: kindOf(blobs)}
		for _, b := range blobs {
			s.uncompressed = s.uncompressed || !b.IsCompressed() && b.DataLength() > 0
		}
		if p.needsAll(blobs, taken) {
			p.count(&s, blobs, taken)
		}
		p.packs = append(p.packs, s)
		return nil
	})
	if err != nil {
		return err
	}
	rest := func(i id.ID) bool { return !p.find(i).counted }
	return p.index.ByPack(ctx, rest, func(pack id.ID, blobs []blob.Blob) error {
		p.count(p.find(pack), blobs, taken)
		return nil
	})
}

func kindOf(blobs []blob.Blob) packKind {
	trees := 0
	for _, b := range blobs {
		if b.Type == blob.Tree {
			trees++
		}
	}
	switch trees {
	case 0:
		return dataPack
	case len(blobs):
		return treePack
	}
	return mixedPack
}

// needsAll tells whether all blobs are used and no other pack was chosen for
// one of them.
func (p *PrunePlan) needsAll(blobs []blob.Blob, taken bitset) bool {
	for _, b := range blobs {
		i := p.position(b.Handle)
		if !p.used.has(i) || taken.has(i) {
			return false
		}
	}
	return true
}

// count divides the blobs of a pack, and takes the used ones.
func (p *PrunePlan) count(s *packState, blobs []blob.Blob, taken bitset) {
	s.counted = true
	for _, b := range blobs {
		i, bytes := p.position(b.Handle), uint64(b.Length)
		switch {
		case !p.used.has(i):
			s.unused.add(bytes)
			p.Stats.Unused.add(bytes)
		case taken.add(i):
			s.used.add(bytes)
			p.Stats.Used.add(bytes)
		default:
			s.unused.add(bytes)
			p.Stats.Duplicate.add(bytes)
		}
	}
}

// position returns where the plan's index has a blob that it lists.
func (p *PrunePlan) position(h blob.Handle) int {
	i, ok := p.index.Position(h)
	if !ok {
		panic(fmt.Sprintf("upkeep: %s is listed but not found", h))
	}
	return i
}

// find returns what is known about a pack, nil for one not in the index.
func (p *PrunePlan) find(pack id.ID) *packState {
	i, ok := slices.BinarySearchFunc(p.packs, pack, func(s packState, i id.ID) int { return s.id.Compare(i) })
	if !ok {
		return nil
	}
	return &p.packs[i]
}

// isForgotten tells whether a pack will not be in the new index.
func (p *PrunePlan) isForgotten(pack id.ID) bool {
	s := p.find(pack)
	return s != nil && s.action != keepPack
}

// maxNamedPacks bounds an error message.
const maxNamedPacks = 10

// compareStored compares the packs in the index with those in the store. One
// that is needed must be there with its right size.
func (p *PrunePlan) compareStored(packs *packList) error {
	var bad []error
	complain := func(s *packState, what string) {
		if len(bad) < maxNamedPacks {
			bad = append(bad, fmt.Errorf("pack %s %s", s.id, what))
		}
	}
	list, err := packs.wait()
	if err != nil {
		return err
	}
	for _, found := range list {
		s := p.find(found.id)
		if s == nil {
			p.addUnindexed(found)
			continue
		}
		s.stored, s.put, s.class, s.unreadable = true, found.put, found.class, found.unreadable
		if s.sizeBytes != found.sizeBytes && s.used.Count > 0 {
			complain(s, fmt.Sprintf("has %d bytes and should have %d", found.sizeBytes, s.sizeBytes))
		}
	}
	for i := range p.packs {
		if s := &p.packs[i]; !s.stored && s.used.Count > 0 {
			complain(s, "is missing")
		}
	}
	if len(bad) > 0 {
		return fmt.Errorf("%w:\n%w", ErrIncomplete, errors.Join(bad...))
	}
	return nil
}
