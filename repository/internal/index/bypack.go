package index

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"

	"holdfast/repository/blob"
	"holdfast/repository/id"
)

// batchEntries is how many entries ByPack sorts by pack at once: 16 MiB of
// positions. Each batch costs one pass over the entries.
const batchEntries = 4 << 20

// packRow is a row of the pack table of one segment.
type packRow struct {
	segment uint16
	row     uint32
}

func (v *view) packID(r packRow) id.ID {
	pack, _ := v.segments[r.segment].pack(r.row)
	return pack
}

// packRows returns the rows of all wanted packs, sorted by pack. A pack that
// several index files list has several.
func (v *view) packRows(wanted func(id.ID) bool) []packRow {
	var rows []packRow
	for n, s := range v.segments {
		for row := range s.packs() {
			r := packRow{segment: uint16(n), row: row}
			if wanted == nil || wanted(v.packID(r)) {
				rows = append(rows, r)
			}
		}
	}
	slices.SortFunc(rows, func(a, b packRow) int {
		return cmp.Or(v.packID(a).Compare(v.packID(b)), cmp.Compare(a.segment, b.segment), cmp.Compare(a.row, b.row))
	})
	return rows
}

// Packs returns the IDs of all packs that index files list, in their order.
// It takes 8 bytes of memory for each.
func (x *Index) Packs() iter.Seq[id.ID] {
	return func(yield func(id.ID) bool) {
		v := x.current.Load()
		var last id.ID
		for i, r := range v.packRows(nil) {
			pack := v.packID(r)
			if i > 0 && pack == last {
				continue
			}
			last = pack
			if !yield(pack) {
				return
			}
		}
	}
}

// ByPack calls visit for every wanted pack (nil: all), in the order of their
// IDs, with the blobs that index files list for it, in the order of their
// offsets. What several index files list alike is given once. The slice is
// valid during the call only. An error of visit ends the iteration and is
// returned as it is. Changes while it runs are not seen.
//
// It needs at most 16 MiB of memory, and 24 bytes for each pack.
func (x *Index) ByPack(ctx context.Context, wanted func(id.ID) bool, visit func(pack id.ID, blobs []blob.Blob) error) error {
	v := x.current.Load()
	if v.entries > math.MaxUint32 {
		return errors.New("group blobs by pack: too many blobs")
	}
	g := newGrouper(v, wanted)
	for first := 0; first < len(g.packs); {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("group blobs by pack: %w", err)
		}
		end := g.batchFrom(first)
		positions := g.collect(first, end)
		for ; first < end; first++ {
			n := g.counts[first]
			g.read(positions[:n])
			positions = positions[n:]
			if err := visit(v.packID(g.packs[first]), g.blobs); err != nil {
				return err
			}
		}
		for _, s := range v.segments {
			s.rest()
		}
	}
	return nil
}

// noGroup is the group of entries whose pack is not wanted.
const noGroup = math.MaxUint32

// grouper sorts the positions of entries by their packs: a counting sort, in
// batches of bounded size. A group is a pack by its number.
type grouper struct {
	view *view
	// groups holds the group of each pack row of each segment.
	groups [][]uint32
	// packs holds a row of each group.
	packs []packRow
	// counts is the number of entries of each group.
	counts []uint32
	// positions and blobs are reused.
	positions []uint32
	blobs     []blob.Blob
}

func newGrouper(v *view, wanted func(id.ID) bool) *grouper {
	g := &grouper{view: v}
	for _, s := range v.segments {
		g.groups = append(g.groups, slices.Repeat([]uint32{noGroup}, int(s.packs())))
	}
	for _, r := range v.packRows(wanted) {
		if n := len(g.packs); n == 0 || v.packID(g.packs[n-1]) != v.packID(r) {
			g.packs = append(g.packs, r)
		}
		g.groups[r.segment][r.row] = uint32(len(g.packs) - 1)
	}
	g.counts = make([]uint32, len(g.packs))
	g.scan(func(_ int, group uint32) {
		if group != noGroup {
			g.counts[group]++
		}
	})
	return g
}

// scan calls visit for each position with its group.
func (g *grouper) scan(visit func(position int, group uint32)) {
	for n, s := range g.view.segments {
		for i := range s.len() {
			visit(g.view.first[n]+i, g.groups[n][s.rowOf(i)])
			s.passed(i + 1)
		}
	}
}

// batchFrom returns where the batch ends that begins with group first. It has
// one group at least.
func (g *grouper) batchFrom(first int) (end int) {
	size := int(g.counts[first])
	for end = first + 1; end < len(g.packs); end++ {
		if size += int(g.counts[end]); size > batchEntries {
			break
		}
	}
	return end
}

// collect returns the positions of the entries of groups first to end-1,
// group by group.
func (g *grouper) collect(first, end int) []uint32 {
	next := make([]uint32, end-first)
	total := uint32(0)
	for i := range next {
		next[i] = total
		total += g.counts[first+i]
	}
	g.positions = slices.Grow(g.positions[:0], int(total))[:total]
	g.scan(func(position int, group uint32) {
		if group != noGroup && int(group) >= first && int(group) < end {
			g.positions[next[int(group)-first]] = uint32(position)
			next[int(group)-first]++
		}
	})
	return g.positions
}

// read puts the entries at these positions into blobs, by offset, each once.
func (g *grouper) read(positions []uint32) {
	g.blobs = g.blobs[:0]
	for _, p := range positions {
		g.blobs = append(g.blobs, g.view.at(int(p)))
	}
	slices.SortFunc(g.blobs, func(a, b blob.Blob) int {
		return cmp.Or(
			cmp.Compare(a.Offset, b.Offset), cmp.Compare(a.Length, b.Length),
			a.ID.Compare(b.ID), cmp.Compare(a.Type, b.Type), cmp.Compare(a.PlainLength, b.PlainLength),
		)
	})
	g.blobs = slices.Compact(g.blobs)
}
