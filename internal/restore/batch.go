package restore

import (
	"cmp"
	"context"
	"slices"

	"holdfast/repository/blob"
	"holdfast/repository/id"
	"holdfast/storage"
)

// batchParts bounds the plan: large enough that most packs are read once
// although neighbouring files lie in several packs, small enough for memory.
// Services charge for each request, and each of those crosses a long line: where
// only so many are served at once a plan is larger, and fewer packs are asked
// for twice.
const (
	batchParts    = 48 << 10
	batchPartsFar = 128 << 10
)

// partsAtOnce returns how many parts a plan for files from a store has at most.
func partsAtOnce(s storage.Store) int {
	if _, ok := storage.As[storage.Bounded](s); ok {
		return batchPartsFar
	}
	return batchParts
}

// batch is the plan for some files: which parts of them are in which packs.
type batch struct {
	// packs are in the order in which the walk came to need them, so that
	// folders are done one after the other.
	packs  []*packPlan
	byPack map[id.ID]*packPlan
	parts  int
	atMost int // parts
}

// packPlan lists the places for the blobs of one pack.
type packPlan struct {
	pack   id.ID
	places []place
}

// place is a part of a file that a blob belongs in.
type place struct {
	file   *file
	offset int64
	// position is that of the blob in the index.
	position uint32
	// inPack is where the blob lies in the pack.
	inPack uint32
}

func newBatch(atMost int) *batch { return &batch{byPack: make(map[id.ID]*packPlan), atMost: atMost} }

// add plans a part of a file.
func (b *batch) add(stored blob.Blob, p place) {
	plan := b.byPack[stored.Pack]
	if plan == nil {
		plan = &packPlan{pack: stored.Pack}
		b.byPack[stored.Pack] = plan
		b.packs = append(b.packs, plan)
	}
	p.inPack = stored.Offset
	plan.places = append(plan.places, p)
	b.parts++
}

func (b *batch) full() bool { return b.parts >= b.atMost }

// inOrder sorts the places by where their blobs lie in the pack.
func (p *packPlan) inOrder() {
	slices.SortFunc(p.places, func(a, b place) int {
		return cmp.Or(
			cmp.Compare(a.inPack, b.inPack),
			cmp.Compare(a.position, b.position),
			cmp.Compare(a.offset, b.offset),
		)
	})
}

// handOut asks for the packs of one batch after the other and gives them to
// the workers. While they work the walk plans the next batch, and no more than
// that.
func (r *restorer) handOut(ctx context.Context, batches <-chan *batch, orders chan<- order) error {
	for b := range batches {
		for k, p := range b.packs {
			b.packs[k] = nil // let go of what is done
			o := r.ask(ctx, p)
			select {
			case orders <- o:
			case <-ctx.Done():
				o.read.Abandon()
				return context.Cause(ctx)
			}
		}
	}
	return nil
}
