package verify

import (
	"math/rand/v2"
	"slices"

	"holdfast/internal/size"
	"holdfast/repository/id"
)

// packState is what is known of a pack before it is read.
type packState struct {
	sizeBytes int64 // as stored
	indexed   bool
	cold      bool // reading costs extra, or takes a thaw
	read      extent
}

// extent is how much of a pack is read.
type extent uint8

const (
	nothing extent = iota
	onlyTrees
	wholePack
)

// choosePacks adds the packs that the user wants to be read to those that
// are read anyway, and sums them up.
func (c *checker) choosePacks() {
	for _, pack := range c.chosen() {
		state := c.packs[pack]
		state.read = wholePack
		c.packs[pack] = state
	}
	for _, state := range c.packs {
		if state.read != nothing {
			c.options.Progress.TotalPacks.Add(1)
			c.options.Progress.TotalBytes.Add(uint64(state.sizeBytes)) //nolint:gosec // sizes are not negative
		}
	}
}

// chosen returns the packs that the user wants to be read.
func (c *checker) chosen() []id.ID {
	if !c.options.readsData() {
		return nil
	}
	var packs []id.ID
	var sum int64
	for pack, state := range c.packs {
		switch {
		case !state.indexed:
		case state.cold && state.read == nothing:
			c.coldPacks++
			c.coldBytes += uint64(state.sizeBytes) //nolint:gosec // sizes are not negative
		default:
			packs = append(packs, pack)
			sum += state.sizeBytes
		}
	}
	return choose(packs, c.options.Subset, sum)
}

// choose returns a part of some packs that have so many bytes together; the
// zero Subset is all of them. Whatever is taken at random is at least one.
func choose(packs []id.ID, u size.Subset, bytes int64) []id.ID {
	share := u.Percent / 100
	switch {
	case u.Groups > 0:
		return slices.DeleteFunc(packs, func(i id.ID) bool { return int(i[0])%u.Groups != u.Group-1 })
	case u.Bytes > 0:
		share = min(1, float64(u.Bytes)/float64(max(1, bytes)))
	case share == 0:
		return packs
	}
	rand.Shuffle(len(packs), func(a, b int) { packs[a], packs[b] = packs[b], packs[a] })
	return packs[:min(len(packs), max(1, int(share*float64(len(packs)))))]
}
