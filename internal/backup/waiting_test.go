package backup

import (
	"fmt"
	"testing"
)

// TestFilesThatWait has files of all sizes about the greatest that waits, some
// of them alike, come out as they went in.
func TestFilesThatWait(t *testing.T) {
	b, s := newBed(t), newFake()
	for n, size := range []int{0, 1, 63, 64, 4000, mostWaiting - 1, mostWaiting, mostWaiting + 1, waitingBytes, waitingBytes + 1} {
		for k := range 2 * waitingCount {
			s.file(fmt.Sprintf("/src/%d/%d", n, k), noise(size, uint64(n*1000+k/3))) //nolint:gosec // small numbers
		}
	}
	receipt := b.run(s)
	b.wantTree(receipt.Snapshot.Tree, s)
	if sum := receipt.Snapshot.Summary; sum.FilesNew != 10*2*waitingCount {
		t.Errorf("summary %+v", sum)
	}
}
