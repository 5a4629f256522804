package sftp_test

import (
	"testing"

	"holdfast/storage/storagetest"
	"holdfast/test/hostile"
)

// TestHostileServer has the files of OpenSSH's server suffer.
func TestHostileServer(t *testing.T) {
	hostile.Run(t, func(t *testing.T, trouble storagetest.Trouble) storagetest.Hostile {
		o := options(t)
		return hostile.Files(t, trouble, open(t, o), o.Path)
	})
}
