package verify

import (
	"slices"

	"holdfast/repository"
	"holdfast/repository/blob"
	"holdfast/repository/id"
)

// packDamage is what of a pack is lost.
type packDamage struct {
	pack id.ID
	// problem is the number of the problem that names the pack, or overflow.
	problem int
	told    bool
	// salvage tells that the pack is there, and damaged.
	salvage bool
	// all tells that every blob is lost, offsets in ascending order which are
	// otherwise: 4 bytes for each, since a disk may lose millions.
	all     bool
	offsets []uint32
}

// damageOf returns the record of a pack, made if need be.
func (c *checker) damageOf(pack id.ID) *packDamage {
	c.mu.Lock()
	defer c.mu.Unlock()
	d := c.damage[pack]
	if d == nil {
		d = &packDamage{pack: pack}
		c.damage[pack] = d
	}
	return d
}

// complain records a problem of the pack. There is one for each pack: what is
// found later is added to its detail. One goroutine at a time deals with a
// pack.
func (d *packDamage) complain(c *checker, p Problem) {
	p.File, p.ID = repository.PackFile, d.pack
	if !d.told {
		d.told = true
		d.problem = c.found(p)
		return
	}
	if d.problem == overflow {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	first := &c.problems.list[d.problem]
	if p.Detail != "" && first.Detail != p.Detail {
		first.Detail += "; " + p.Detail
	}
	if first.Kind == IndexMismatch {
		first.Kind = p.Kind
		c.problems.kinds[p.Kind] = struct{}{}
	}
}

// lose records that a blob of the pack is lost. The pack has been complained
// about.
func (d *packDamage) lose(c *checker, b blob.Blob) {
	c.suspect.Store(true)
	if !d.all {
		d.offsets = append(d.offsets, b.Offset)
	}
	if d.problem == overflow {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.problems.list[d.problem].addBlob(b.Handle)
}

// loseAll records that a whole pack is lost.
func (c *checker) loseAll(pack id.ID, p Problem, blobs []blob.Blob) {
	d := c.damageOf(pack)
	d.all = true
	d.complain(c, p)
	for _, b := range blobs {
		d.lose(c, b)
	}
}

// lost tells whether the blob at an offset is lost.
func (d *packDamage) lost(offset uint32) bool {
	if d.all {
		return true
	}
	_, found := slices.BinarySearch(d.offsets, offset)
	return found
}
