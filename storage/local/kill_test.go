//go:build unix

package local_test

import (
	"testing"

	"holdfast/storage"
	"holdfast/storage/local"
	"holdfast/storage/storagetest"
)

func TestKilledProcess(t *testing.T) {
	storagetest.Killed(t, func(folder string) storage.Store {
		s, err := local.Open(folder)
		if err != nil {
			t.Fatal(err)
		}
		return s
	})
}
