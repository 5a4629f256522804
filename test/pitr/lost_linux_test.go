package pitr

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"holdfast/internal/postgres"
	"holdfast/test/pgcluster"
)

// archived is a record of the log archive that covers some of the log.
type archived struct {
	file       string
	start, end uint64
}

// records lists them, the farthest first.
func (s *shop) records() (all []archived) {
	for _, file := range files(s.t, filepath.Join(s.dir, "repository", "holdfast", "log")) {
		r := archived{file: file}
		var kind string
		name := strings.ReplaceAll(filepath.Base(file), ".", " ")
		if _, err := fmt.Sscanf(name, "%016X-%016X %s", &r.start, &r.end, &kind); err == nil && strings.HasSuffix(file, ".record") && (kind == "segment" || kind == "slice") {
			all = append(all, r)
		}
	}
	slices.SortFunc(all, func(a, b archived) int { return cmp.Or(cmp.Compare(b.end, a.end), cmp.Compare(b.start, a.start)) })
	return all
}

// coveredWithout tells whether others have all that one record covers.
func coveredWithout(all []archived, one archived) bool {
	at := one.start
	for _, r := range slices.Backward(all) { // by where they end
		if r != one && r.start <= at && at < r.end {
			at = r.end
		}
	}
	return at >= one.end
}

// wantNewestMissed takes each of the newest records away in turn, of what was
// acknowledged up to a position, and checks that the archive alone tells of it.
func (s *shop) wantNewestMissed(confirmed postgres.LSN) {
	s.t.Helper()
	all := s.records()
	tried := 0
	for _, r := range all[:len(all)-1] {
		if tried == 16 {
			break
		}
		if r.start+256 >= uint64(confirmed) || coveredWithout(all, r) {
			continue
		}
		tried++
		s.without(r, func() {
			if status := s.logStatus(); len(status.Gaps) == 0 || status.exit == 0 {
				s.t.Errorf("confirmed up to %s, and without %s the status is %+v", confirmed, filepath.Base(r.file), status)
			}
			if tried > 1 {
				return
			}
			data := filepath.Join(pgcluster.Folder(s.t), "data")
			if out, err := s.try("restore", "--plan", "shop", "--target", data, "--start"); err == nil {
				s.t.Errorf("without %s a restore ends well:\n%s", filepath.Base(r.file), out)
			}
		})
	}
	if tried < 3 {
		s.t.Errorf("%d records were tried of %d", tried, len(all))
	}
}

// without does something while a record is away.
func (s *shop) without(r archived, do func()) {
	s.t.Helper()
	away := filepath.Join(s.dir, "away") // it stays the server's user's
	rename(s.t, r.file, away)
	do()
	rename(s.t, away, r.file)
}
