package cli

import "holdfast/internal/upkeep"

// watchUpkeep shows how far a phase of upkeep is.
func (c *command) watchUpkeep(phase string, total upkeep.Amount) (*upkeep.Counter, func()) {
	counter := new(upkeep.Counter)
	p := c.startProgress(phase, work{items: total.Count, bytes: total.Bytes}, func() work {
		return work{items: counter.Items.Load(), bytes: counter.Bytes.Load()}
	})
	return counter, p.stop
}
