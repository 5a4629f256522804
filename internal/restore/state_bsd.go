//go:build unix && !linux

package restore

import (
	"io/fs"
	"syscall"
)

// addSystem adds what stat(2) tells beyond package os.
//
//nolint:unconvert,gosec // the widths of the fields differ between systems
func (s *state) addSystem(info fs.FileInfo) {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		s.fileID = fileID{uint64(st.Dev), uint64(st.Ino)}
		s.uid, s.gid, s.links = st.Uid, st.Gid, uint64(st.Nlink)
	}
}
