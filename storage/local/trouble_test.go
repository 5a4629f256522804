package local_test

import (
	"testing"

	"holdfast/storage/local"
	"holdfast/storage/storagetest"
	"holdfast/test/hostile"
)

// TestHostileDisk has the files of a folder suffer.
func TestHostileDisk(t *testing.T) {
	hostile.Run(t, func(t *testing.T, trouble storagetest.Trouble) storagetest.Hostile {
		folder := t.TempDir()
		s, err := local.Create(folder)
		if err != nil {
			t.Fatal(err)
		}
		return hostile.Files(t, trouble, s, folder)
	})
}
