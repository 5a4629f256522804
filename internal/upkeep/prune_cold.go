package upkeep

import "time"

// ColdRules say what prune does to packs in storage classes in which reading
// costs extra, and deleting early does.
type ColdRules struct {
	// Judge tells what is known of an object: whether its class is a colder
	// one, and what the service charges for deleting it now, in the currency
	// of whoever judges. Nil knows of no colder class.
	Judge func(class string, sizeBytes int64, put time.Time) (cold bool, fee float64)
	// Include treats cold packs as all others. Otherwise they are left alone,
	// but for those that hold nothing of use and cost nothing to delete.
	Include bool
}

func (p *PrunePlan) judge(s *packState) (cold bool, fee float64) {
	if p.o.Cold.Judge == nil || s.class == "" {
		return false, 0
	}
	return p.o.Cold.Judge(s.class, s.sizeBytes, s.put)
}

// isCold tells whether a pack must not be rewritten.
func (p *PrunePlan) isCold(s *packState) bool {
	cold, _ := p.judge(s)
	return s.unreadable || cold && !p.o.Cold.Include
}

// tooSoon tells whether a pack must not be deleted yet.
func (p *PrunePlan) tooSoon(s *packState) bool {
	cold, fee := p.judge(s)
	if cold && p.o.Cold.Include {
		p.Stats.ColdFee += fee
	}
	return cold && fee > 0 && !p.o.Cold.Include
}

// leaveCold notes a pack that stays because of its class.
func (p *PrunePlan) leaveCold(s *packState) {
	_, fee := p.judge(s)
	p.Stats.Cold.Count++
	p.Stats.Cold.Bytes += s.unused.Bytes
	if s.used.Count == 0 {
		p.Stats.ColdFee += fee
	}
}

// addUnindexed notes a pack in no index file, which goes unless its class
// makes that cost something.
func (p *PrunePlan) addUnindexed(l listedPack) {
	s := &packState{id: l.id, sizeBytes: l.sizeBytes, class: l.class, put: l.put, unused: Amount{1, uint64(max(0, l.sizeBytes))}}
	if p.tooSoon(s) {
		p.leaveCold(s)
		return
	}
	p.unindexed = append(p.unindexed, l.id)
	p.Stats.Unindexed.add(s.unused.Bytes)
}
