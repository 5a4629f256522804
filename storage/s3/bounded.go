package s3

import "holdfast/storage"

var _ storage.Bounded = (*Store)(nil)

// RequestsAtOnce returns the bound of Options.Connections.
func (s *Store) RequestsAtOnce() int { return s.options.Connections }
