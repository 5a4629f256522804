package upkeep

import (
	"cmp"
	"math"
	"slices"

	"holdfast/repository"
)

const (
	// smallShare and smallShareAll are the parts of the pack size below which
	// a pack is small, as a rule and with RepackSmall (restic's figures).
	smallShare    = 1.0 / 25
	smallShareAll = 4.0 / 5
	// fewestSmall is how many small packs are worth rewriting: rewriting one
	// or two would give one or two small packs again.
	fewestSmall = 10
	// leftSmall is how many small packs rewriting others leaves at most: two
	// of each type.
	leftSmall = 4
)

// choose decides what becomes of each pack.
func (p *PrunePlan) choose() {
	var candidates, small []*packState
	for i := range p.packs {
		switch s := &p.packs[i]; {
		case s.used.Count == 0 && !s.stored:
			s.action = forgetPack
		case s.used.Count == 0 && p.tooSoon(s):
			p.leaveCold(s)
		case s.used.Count == 0:
			s.action = removePack
		case s.unused.Count > 0 && p.isCold(s):
			p.leaveCold(s)
		case p.isCold(s):
		case p.o.RepackCacheableOnly && s.kind == dataPack:
		case s.unused.Count > 0, s.kind == mixedPack, p.mustCompress(s):
			candidates = append(candidates, s)
		case p.isSmall(s):
			small = append(small, s)
		}
	}
	p.tally()
	if p.worthMerging(len(small), len(candidates)) {
		candidates = append(candidates, small...)
	}
	p.chooseRepack(candidates)
	p.tally()
}

// worthMerging tells whether small packs are rewritten. When others are
// rewritten too, the small packs that leaves count: otherwise the next prune
// would find one pack too many.
func (p *PrunePlan) worthMerging(small, others int) bool {
	if others > 0 && small > 0 {
		small += leftSmall
	}
	return small >= fewestSmall
}

// mustCompress tells whether a pack holds trees that are not compressed, as
// repositories upgraded from version 1 do, or file content that is not and
// should be.
func (p *PrunePlan) mustCompress(s *packState) bool {
	wanted := s.kind == treePack || p.o.RepackUncompressed
	return p.repo.Config().Version >= 2 && wanted && s.uncompressed
}

func (p *PrunePlan) isSmall(s *packState) bool {
	if s.used.Count+s.unused.Count >= repository.MaxPackBlobs {
		return false // full, however few bytes that are
	}
	if p.o.RepackSmallerThan > 0 {
		return s.sizeBytes < int64(p.o.RepackSmallerThan)
	}
	share := smallShare
	if p.o.RepackSmall {
		share = smallShareAll
	}
	return float64(s.sizeBytes) < share*float64(p.o.Writer.PackSizeBytes)
}

// always tells whether a pack is rewritten however little that frees: packs
// with trees keep the cache small and the walks through them fast.
func (p *PrunePlan) always(s *packState) bool {
	return s.kind != dataPack || p.isSmall(s) || p.mustCompress(s)
}

// chooseRepack takes the packs that must be rewritten, then those with the
// largest unused part, until what stays unused is little enough.
func (p *PrunePlan) chooseRepack(candidates []*packState) {
	slices.SortStableFunc(candidates, func(a, b *packState) int {
		return cmp.Or(-compareBool(p.always(a), p.always(b)), -cmp.Compare(a.unusedShare(), b.unusedShare()))
	})
	budget := int64(math.MaxInt64)
	if p.o.MaxRepack != nil {
		budget = int64(*p.o.MaxRepack)
	}
	limit := uint64(p.o.MaxUnused.Limit(int64(p.Stats.Used.Bytes))) //nolint:gosec // no repository is larger
	unused := p.Stats.UnusedAfter()
	for _, s := range candidates {
		if unused <= limit && !p.always(s) {
			continue
		}
		if s.sizeBytes > budget {
			p.Stats.Limited = true
			continue
		}
		s.action = repackPack
		budget -= s.sizeBytes
		unused -= s.unused.Bytes
	}
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

func (s *packState) unusedShare() float64 {
	return float64(s.unused.Bytes) / float64(max(1, s.used.Bytes+s.unused.Bytes))
}

// tally sums up the decisions.
func (p *PrunePlan) tally() {
	t := &p.Stats
	t.Remove, t.Repack, t.RepackRemoved = Amount{}, Amount{}, Amount{}
	t.PacksKeep, t.PacksRepack, t.PacksRemove, t.PacksMissing = 0, 0, 0, 0
	for i := range p.packs {
		s := &p.packs[i]
		switch s.action {
		case keepPack:
			t.PacksKeep++
		case repackPack:
			t.PacksRepack++
			t.Repack.plus(s.used)
			t.Repack.plus(s.unused)
			t.RepackRemoved.plus(s.unused)
		case removePack, forgetPack:
			t.Remove.plus(s.unused)
			if s.action == removePack {
				t.PacksRemove++
			} else {
				t.PacksMissing++
			}
		}
	}
}
