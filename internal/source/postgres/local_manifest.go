package postgres

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// summedFile is a file as the manifest lists it.
type summedFile struct {
	name     string
	size     int64
	modified time.Time
	sum      uint32 // CRC-32C
}

// manifestSystem is the first version whose manifests name the cluster, which
// makes them of the second version.
const manifestSystem = 17

// writeManifest lists what the backup has, as the server would have done.
func (l *Local) writeManifest() ([]byte, error) {
	m := manifest{Version: 1, Ranges: []walRange{{Timeline: l.Timeline, Start: l.Start.String(), End: l.End.String()}}}
	if l.session.major >= manifestSystem {
		m.Version = 2
	}
	var err error
	if m.System, err = strconv.ParseUint(l.System, 10, 64); err != nil {
		return nil, err
	}
	slices.SortFunc(l.sums, func(a, b summedFile) int { return cmp.Compare(a.name, b.name) })
	for _, f := range l.sums {
		if strings.HasPrefix(f.name, logFolder+"/") {
			continue // as the server does: the range speaks for them
		}
		listed := manifestFile{
			Size: f.size, Modified: f.modified.UTC().Format("2006-01-02 15:04:05 GMT"),
			Algorithm: checksumAlgorithm, Checksum: manifestCRC(f.sum),
		}
		listed.setName(f.name)
		m.Files = append(m.Files, listed)
	}
	return m.encode(), nil
}
