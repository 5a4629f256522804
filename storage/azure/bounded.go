package azure

import "holdfast/storage"

var _ storage.Bounded = (*Store)(nil)

// RequestsAtOnce returns the bound of Options.Connections.
func (s *Store) RequestsAtOnce() int { return s.o.Connections }
