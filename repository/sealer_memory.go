package repository

// keptBytes bounds each buffer that a sealer keeps: enough for blobs of 4 MiB,
// with what growing adds. Larger ones are rare, and the memory for them would
// stay for all of a backup.
const keptBytes = 5 << 20

// trim lets go of buffers that one large blob needed, when its sealed form is
// needed no more.
func (s *sealer) trim() {
	for _, buf := range []*[]byte{&s.compressed, &s.sealed, &s.again} {
		if cap(*buf) > keptBytes {
			*buf = nil
		}
	}
}
