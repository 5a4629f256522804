package s3

// SetParts makes bodies above a size go up in parts of another size.
func (s *Store) SetParts(aboveBytes, partBytes int64) {
	s.parts = partRule{aboveBytes: aboveBytes, partBytes: partBytes, atOnce: 4}
}

// Creating tells what is known about conditional writes.
func (s *Store) Creating() Answer { return s.creating.known() }
