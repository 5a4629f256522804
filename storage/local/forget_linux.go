package local

import (
	"holdfast/storage"

	"golang.org/x/sys/unix"
)

var _ storage.Forgetful = (*Store)(nil)

// ForgetCached has the system drop the pages of an object; see
// storage.Forgetful. It does so for pages that are flushed, as those of every
// object are. What cannot be dropped stays.
func (s *Store) ForgetCached(key string) {
	path, err := s.path(key)
	if err != nil {
		return
	}
	f, _, err := openObject(path)
	if err != nil {
		return
	}
	defer f.Close()
	unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED) //nolint:errcheck,gosec // it is advice
}
